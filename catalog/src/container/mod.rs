//! Containers: what a film comes in, read once when it is added.
//!
//! A demuxer holds no file. It is driven by [`Demuxer::poll`]: where it answers [`Event::Need`], give it
//! those bytes with [`Demuxer::handle_bytes`]; everything else that it answers is the caller's to use.
//!
//! - [`mod@probe`]: which container a file is, by its content
//! - [`open`]: the [`Demuxer`] for it
//! - [`asf`]: ASF, WMV and WMA; [`asf::wrap`] for any codec that has no payload format of its own
//! - [`avi`]: AVI 1.0 and OpenDML
//! - [`wav`]: WAV, RF64 and BW64 files
//! - [`flv`]: Flash Video
//! - [`mkv`]: Matroska and WebM
//! - [`ogg`]: Ogg with Opus, Vorbis, Speex, FLAC and Theora
//! - [`mpeg`]: program streams of MPEG-1 and MPEG-2, those in the sectors of a Video CD, and transport streams
//! - [`mp4`]: MP4 and QuickTime
//! - [`es`]: elementary streams, one track without a container
//! - `lossless`: sound whose compression loses nothing, decoded when it is read
//! - [`limits`]: what any file may make us do at most
//! - `loader`: ranges of the file that a demuxer wants, and the reads that bring them
//! - `quicktime`: sample descriptions of QuickTime for what even ASF has no name for
//! - `steady`: times of sound that a container rounds
//! - `wave`: how Windows describes sound
//! - `wrapping`: all tracks in packets of ASF where one has no payload format of its own
//!
//! # A new container
//!
//! 1. One file here, or a folder if it has more than one part: a type with `new(len)` that is a [`Demuxer`], and
//!    `looks_like(head)`. It is told bytes and tells events; it holds no file, and a `loader::Loader` does
//!    the reads (`loader::OverLoader` makes a demuxer of what goes over one step by step).
//!    Headers are parsed with nom; every length that the file claims is held against a named limit in `limits`, of the
//!    container or of all; an error says the offset and the path of elements to it.
//! 2. One variant of [`Kind`] with its row in [`probe()`], which goes by content alone, and one in [`open`].
//! 3. Samples come in decode order on one timeline that begins at zero with what is shown or heard first; what only
//!    primes a decoder comes before zero. Where the container says only when pictures are shown, `mkv::order` and
//!    `es::order` find out when they are decoded.
//! 4. A codec with a payload format becomes a [`rtp::format::Format`]; `mp4::Codec` does it for what several containers
//!    hold alike. One without becomes [`rtp::format::Format::Asf`] by [`asf::wrap::Wrapper`], with its samples bare, and
//!    `open` puts `wrapping::Wrapping` around the demuxer. What even ASF has no name for but QuickTime has becomes a
//!    [`rtp::format::Format::QuickTime`] by `quicktime`; the rest is an [`Event::Note`] that names track and codec.
//! 5. Tests: one table of files that ffmpeg makes, held against what ffprobe finds in them; files cut and damaged
//!    everywhere; any bytes at all (`proptest`). One row in `conformance::films::RECIPES`, by which real players receive it.

pub mod asf;
pub mod avi;
pub mod es;
pub mod flv;
pub mod limits;
mod loader;
mod lossless;
pub mod mkv;
pub mod mp4;
pub mod mpeg;
pub mod ogg;
pub mod probe;
mod quicktime;
mod steady;
pub mod wav;
mod wave;
mod wrapping;

#[cfg(test)]
pub(crate) mod testing;

pub use probe::{Kind, probe};

use bytes::Bytes;
use rtp::format::Format;
use wrapping::Wrapping;

/// The demuxer for a file of `kind` that is `len` bytes long.
pub fn open(kind: Kind, len: u64) -> Box<dyn Demuxer> {
    match kind {
        Kind::MpegPs => Box::new(Wrapping::new(mpeg::Ps::plain(len))),
        Kind::VcdDat => Box::new(Wrapping::new(mpeg::Ps::in_sectors(len))),
        Kind::MpegTs => Box::new(Wrapping::new(mpeg::Ts::new(len))),
        Kind::Asf => Box::new(asf::AsfDemuxer::new(len)),
        Kind::Es(codec) => Box::new(Wrapping::new(es::Es::new(codec, len))),
        Kind::Avi => Box::new(avi::Avi::new(len)),
        Kind::Flv => Box::new(Wrapping::new(flv::FlvDemuxer::new(len))),
        Kind::Mkv => Box::new(Wrapping::new(mkv::Mkv::new(len))),
        Kind::Ogg => Box::new(Wrapping::new(ogg::Ogg::new(len))),
        Kind::Wav => Box::new(Wrapping::new(wav::Wav::new(len))),
        Kind::Mp4 => Box::new(Wrapping::new(mp4::Mp4Demuxer::new(len))),
    }
}

/// The demuxer for one program of a file that has several.
///
/// # Errors
/// Files of `kind` have no programs.
pub fn open_program(kind: Kind, len: u64, program: u16) -> Result<Box<dyn Demuxer>, ContainerError> {
    match kind {
        Kind::MpegTs => Ok(Box::new(Wrapping::new(mpeg::Ts::of_program(len, Some(program))))),
        _ => Err(ContainerError {
            format: "file",
            offset: 0,
            path: String::new(),
            reason: format!("program {program} asked for, but only transport streams have programs"),
        }),
    }
}

/// Reads one container.
pub trait Demuxer: Send {
    /// What it needs or has found next.
    ///
    /// All tracks come before the first sample; after [`Event::End`] comes only `End`.
    fn poll(&mut self) -> Result<Event, ContainerError>;

    /// Bytes of the file from `offset`: as many as were asked for, fewer only where the file ends.
    fn handle_bytes(&mut self, offset: u64, bytes: Bytes);
}

/// What a demuxer answers.
#[derive(Debug)]
pub enum Event {
    /// It can't go on without these bytes of the file.
    Need {
        /// From the file's start.
        offset: u64,
        /// Bytes; at most [`limits::MAX_READ`].
        length: usize,
    },
    /// A track that will have samples.
    Track(TrackInfo),
    /// Something that a person should know: a track left out, damage passed over.
    Note(String),
    /// The next sample of a track, in decode order.
    Sample(DemuxedSample),
    /// Nothing more.
    End,
}

/// What is known of a track before its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackInfo {
    /// The demuxer's own number for it, as in [`DemuxedSample::track`].
    pub number: u32,
    /// Its codec.
    pub format: Format,
    /// As the container says, ISO 639.
    pub language: Option<String>,
    /// Ticks per second of its samples' times.
    pub timescale: u32,
}

/// One sample with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemuxedSample {
    /// [`TrackInfo::number`].
    pub track: u32,
    /// When it is decoded, in the track's timescale, on the presentation's timeline (edit lists applied,
    /// one zero for all tracks).
    pub dts: i64,
    /// When it is shown or heard, likewise.
    pub pts: i64,
    /// How long, likewise.
    pub duration: i64,
    /// Whether decoding may begin here.
    pub sync: bool,
    /// The access unit in the form that [`Format::store`] takes.
    pub data: Bytes,
}

/// Where and why a container can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{format}: at byte {offset}{}{path}: {reason}", if path.is_empty() { "" } else { " in " })]
pub struct ContainerError {
    /// The container's short name.
    pub format: &'static str,
    /// From the file's start.
    pub offset: u64,
    /// The nested elements that lead there, or nothing.
    pub path: String,
    /// What was found and what would have been right.
    pub reason: String,
}
