//! The sockets of the media path.

pub mod listener;
pub mod outbox;
pub mod udp;
