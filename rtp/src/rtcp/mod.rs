//! RTCP: reports and what comes with them (RFC 3550 section 6).
//!
//! - [`parse_compound`]: what lies in one datagram, packet by packet, whatever it holds
//! - [`write_sender_report`], [`write_bye`], [`write_receiver_report`]: the compounds we send, each with its CNAME (6.1)
//! - [`SenderReport`], [`ReportBlock`]: what the reports say
//! - [`ReportTimer`]: when they are due
//!
//! The `rtcp-types` crate reads and writes the single packets. Walking the compound and SDES chunks is done here: the
//! crate refuses a whole compound for a bad length in its last packet, and takes the leading zeros of a chunk's SSRC for
//! padding of the chunk before it.

mod parse;
mod timer;
mod write;

pub use parse::{Compound, Fault, Packet, RtcpError, parse_compound};
pub use rtcp_types::RtcpWriteError as WriteError;
pub use timer::ReportTimer;
pub use write::{write_bye, write_receiver_report, write_sender_report};

use crate::clock::{NtpTimestamp, RtpTimestamp};

/// What a sender says of itself (6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender.
    pub ssrc: u32,
    /// An instant by the wall clock...
    pub ntp: NtpTimestamp,
    /// ... and by the track's clock, with the offset its packets have.
    pub rtp: RtpTimestamp,
    /// Packets since the SSRC was taken, modulo 2^32.
    pub packets: u32,
    /// Payload bytes in them, without headers and padding, modulo 2^32.
    pub octets: u32,
}

/// What a receiver says of one source (6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Of 256 packets expected since the last report, how many were lost.
    pub fraction_lost: u8,
    /// Packets lost since the start, in 24 bits; negative where duplicates outweigh.
    pub lost: i32,
    /// The highest sequence number received, with the count of wraps above it.
    pub highest_sequence: u32,
    /// Mean deviation of the packets' spacing, in ticks of the track's clock.
    pub jitter: u32,
    /// [`NtpTimestamp::middle`] of the last sender report received, zero if none was.
    pub last_report: u32,
    /// Time since then in units of 1/65536 s.
    pub delay: u32,
}

#[cfg(test)]
mod tests;
