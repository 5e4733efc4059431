//! The sockets of the media path.

pub mod descriptors;
pub mod listener;
pub mod outbox;
pub mod udp;
