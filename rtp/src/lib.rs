//! RTP, RTCP and the payload formats, without any I/O.
//!
//! - [`format::Format`]: a track's codec and what a receiver must know beforehand; [`format::Media`], and
//!   [`format::Bundling`]: whether units may share a packet; [`format::FormatError`]: why a unit can't be stored;
//!   [`format::OfferError`]: why what a description offers is none
//! - [`access_unit::AccessUnit`]: the bytes of one sample in stored form, in flight
//! - [`packetizer::Packetizer`]: access units to the packets of one source, laid into a [`train::Train`]
//! - [`train::Train`]: a contiguous run of finished packets, in a [`train::Framing`]; [`train::Segments`] of it leave
//!   in one send
//! - [`depacketizer::Depacketizer`]: packets of one source to [`depacketizer::ReceivedUnit`]s
//! - [`payload`]: the payload formats between the two, one file an RFC; [`payload::PayloadError`]
//! - [`clock::MediaTime`], [`clock::Ticks`], [`clock::RtpTimestamp`], [`clock::NtpTimestamp`]: the kinds of time, and
//!   [`clock::ClockRate`], which converts them
//! - [`packet::RtpPacket`]: a view of a packet received; [`packet::Extension`] of its header; [`packet::PacketError`]: why
//!   bytes are none; [`packet::write_header`] for those sent
//! - [`seq::Sequence`]: a packet's number; [`seq::Unwrapper`]: the count behind it
//! - [`codec`]: elementary-stream syntax, one file a codec: frame, sequence and picture headers, parameter sets, NAL units,
//!   start codes; [`codec::bits::CodecError`] leads to the bit
//! - [`asf`]: the packets and the header in which tracks without a payload format of their own travel
//! - [`mp2t::Program`]: several tracks as one transport stream; its [`mp2t::Stream`]s and [`mp2t::Unit`]s,
//!   [`mp2t::NotCarried`]: what it can't hold
//! - [`rtcp::Packet`]s of a [`rtcp::Compound`]: what comes in; [`rtcp::SenderReport`], [`rtcp::ReportBlock`] in and out
//! - [`sender::Sender`]: what a source's reports say and when they are due; [`sender::ReceiverStats`]: what is answered
//! - [`breaker::Breaker`]: whether the network can bear what is sent; [`breaker::Tripped`]: why not
//! - [`receiver::Receiver`]: which packets of a source to believe, and what to report of them
//! - [`cname::cname`]: the random name common to the tracks that one viewer plays

pub mod access_unit;
pub mod asf;
pub mod breaker;
pub mod clock;
pub mod cname;
pub mod codec;
pub mod depacketizer;
pub mod format;
pub mod mp2t;
pub mod packet;
pub mod packetizer;
pub mod payload;
pub mod receiver;
pub mod rtcp;
pub mod sender;
pub mod seq;
pub mod train;
