//! Elementary-stream syntax that containers and payload formats share: how to find units in a stream and what their
//! headers say. Nothing here decodes.
//!
//! - [`bits`]: [`bits::Bits`], the reader below all headers, and [`bits::CodecError`], which leads to the bit
//! - [`start_code`]: finding `00 00 01` fast
//! - [`frames`]: cutting audio streams into frames over junk
//! - [`aac`]: AudioSpecificConfig and ADTS
//! - [`ac3`]: AC-3 and E-AC-3 sync frames
//! - [`amr`]: AMR and AMR-WB frames as their files have them
//! - [`dts`]: DTS core frames
//! - [`h264`]: H.264 parameter sets, slices and where decoding may begin
//! - [`h265`]: H.265 NAL unit types, sequence parameter sets, and where decoding may begin
//! - [`mpeg_audio`]: MPEG audio layers I to III
//! - [`mpeg_video`]: MPEG-1 and MPEG-2 video above the slices
//! - [`mpeg4_visual`]: MPEG-4 visual above the macroblocks
//! - [`nal`]: NAL units by start codes and by lengths; `avc_hevc`: what else H.264 and H.265 have in common
//! - [`opus`]: how long Opus packets last
//! - [`vorbis`]: Vorbis's identification header and modes

pub mod aac;
pub mod ac3;
pub mod amr;
mod avc_hevc;
pub mod bits;
pub mod dts;
pub mod frames;
pub mod h264;
pub mod h265;
pub mod mpeg4_visual;
pub mod mpeg_audio;
pub mod mpeg_video;
pub mod nal;
pub mod opus;
pub mod start_code;
pub mod vorbis;
