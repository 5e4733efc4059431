//! The bytes of one sample, in flight.

use crate::clock::RtpTimestamp;

/// One access unit on its way into packets: what a payloader takes.
#[derive(Clone, Copy, Debug)]
pub struct AccessUnit<'a> {
    /// The unit in its format's stored form (see [`crate::format::Format::store`]).
    pub data: &'a [u8],
    /// The instant it is shown or heard.
    pub timestamp: RtpTimestamp,
    /// Whether decoding may begin here.
    pub sync: bool,
}
