//! Transport streams made of access units (ISO 13818-1), as MP2T carries them (RFC 2250 section 2).
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Program`] | the streams of one programme, and whose each unit is |
//! | [`Stream`] | one of them: what a track's units become |
//! | [`Unit`] | an access unit with its times, on its way into packets |
//! | [`NotCarried`] | why a track can't be in a transport stream |
//!
//! Below: `elementary` makes elementary streams of stored units, `pes` their packets, `section` the tables, `cells` the
//! packets of 188 bytes, `multiplexer` lays all of them on one line of time.

mod cells;
mod elementary;
mod multiplexer;
mod pes;
mod section;
#[cfg(test)]
mod tests;

pub(crate) use cells::{CELL, SYNC};
pub(crate) use multiplexer::Multiplexer;

use crate::clock::RtpTimestamp;
use crate::format::Format;
use elementary::Elementary;
use serde::{Deserialize, Serialize};

/// Streams of one programme: their descriptions fit into one packet's table.
pub const MAX_STREAMS: usize = 8;

/// What one transport stream carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// At most [`MAX_STREAMS`].
    pub streams: Vec<Stream>,
    /// For each sample of the track that is sent, which of `streams` it belongs to.
    pub order: Vec<u8>,
}

/// One elementary stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Of the track whose units it is made of.
    pub format: Format,
    /// ISO 639-2, three letters; others are not said.
    pub language: Option<String>,
}

/// One access unit of one of the streams.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// Its place in [`Program::streams`].
    pub stream: usize,
    /// In its format's stored form (see [`Format::store`]).
    pub data: &'a [u8],
    /// When it is decoded, by a clock of 90 kHz: when its first byte leaves.
    pub decode: RtpTimestamp,
    /// When it is shown or heard, likewise.
    pub timestamp: RtpTimestamp,
    /// Whether decoding may begin here.
    pub sync: bool,
}

/// Why a track can't be in a transport stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{codec}: {reason}")]
pub struct NotCarried {
    /// As [`Format::describe`] says it.
    pub codec: String,
    /// What would be carried.
    pub reason: &'static str,
}

impl Program {
    /// Whether units of `format` can be in a transport stream.
    ///
    /// # Errors
    /// Why not.
    pub fn carries(format: &Format) -> Result<(), NotCarried> {
        Elementary::of(format).map(drop).map_err(|reason| NotCarried { codec: format.describe(), reason })
    }
}
