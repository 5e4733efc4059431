//! Sockets and connections, for whoever needs them: nothing here knows what passes through.

pub mod client;
pub mod descriptors;
pub mod outbox;
mod ssm;
pub mod task;
pub mod tls;
pub mod tunnel;
pub mod udp;
pub mod wire;

pub(crate) use ssm::join_source;
