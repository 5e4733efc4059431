//! MPEG-2 transport streams (ISO 13818-1 2.4), with packets of 188, 192 (M2TS) or 204 bytes.
//!
//! - [`Ts`]: the demuxer; [`LiveTs`]: the same for a stream that comes live
//! - [`PassedTs`]: such a stream that is passed on as it comes
//! - `packet`: transport packets by their sync bytes, over junk and damage
//! - `psi`: program lists and maps; `kind`: what a stream in one is
//! - `scout`: which program to take; `guess`: what is in a file without tables
//! - `program`: its streams; `pes_reader`: transport packets to PES packets
//! - `elementary`: their payload to access units, shared with program streams where those have the same;
//!   `nal_es` with `syntax` for H.264 and H.265, `visual_es` for MPEG-4 visual, `vc1_es` for VC-1, both by `section_es` (all with `times`),
//!   `latm_es` for AAC in LATM, `opus_es` for Opus, `lpcm` for LPCM of Blu-ray discs, `sniffed` for what isn't named

mod demuxer;
mod elementary;
mod guess;
mod kind;
mod latm_es;
mod live;
mod lpcm;
mod nal_es;
mod opus_es;
mod packet;
mod passed;
mod pes_reader;
mod program;
mod psi;
mod scout;
mod section_es;
mod sniffed;
mod syntax;
mod times;
mod vc1_es;
mod visual_es;

#[cfg(test)]
mod tests;

pub use demuxer::Ts;
pub(in crate::container) use elementary::Elementary;
pub(crate) use live::{LiveEvent, LiveTs};
pub(crate) use passed::PassedTs;

/// For a stream of a program stream that is neither MPEG-1 nor MPEG-2: by what its first packet holds.
pub(super) fn newer_video(payload: &[u8], track: u32) -> Option<Box<dyn Elementary>> {
    let kind = kind::StreamKind::tell(guess::video(payload)?, &[], &[]).kind?;
    (kind != kind::Kind::MpegVideo).then(|| elementary::new(kind, track))
}

/// The same for sound: AAC behind ADTS headers.
pub(super) fn newer_audio(payload: &[u8], track: u32) -> Option<Box<dyn Elementary>> {
    rtp::codec::aac::AdtsHeader::parse(payload).ok().map(|_| elementary::new(kind::Kind::Adts, track))
}

/// Whether `head` holds a transport stream; `whole` says that it is the whole file.
pub(in crate::container) fn is_transport_stream(head: &[u8], whole: bool) -> bool {
    packet::is_transport_stream(head, whole)
}
