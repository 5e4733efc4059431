//! The sockets of the media path.

pub mod client;
pub mod descriptors;
pub mod listener;
pub mod outbox;
pub mod receive;
mod ssm;
pub mod tls;
pub mod tunnel;
pub mod udp;
pub mod wire;

pub(crate) use ssm::join_source;
