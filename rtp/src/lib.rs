//! RTP, RTCP and the payload formats, without any I/O.
//!
//! (the nouns of the crate, one line each, come here)

pub mod access_unit;
pub mod clock;
pub mod cname;
pub mod codec;
pub mod depacketizer;
pub mod format;
pub mod packet;
pub mod packetizer;
pub mod payload;
pub mod receiver;
pub mod rtcp;
pub mod sender;
pub mod seq;
pub mod train;
