//! Elementary-stream syntax that containers and payload formats share: how to find units in a stream and what their
//! headers say. Nothing here decodes.
//!
//! - [`bits`]: [`bits::Bits`], the reader below all headers, and [`bits::CodecError`], which leads to the bit
//! - [`start_code`]: finding `00 00 01` fast
//! - [`frames`]: cutting audio streams into frames over junk
//! - [`aac`]: AudioSpecificConfig and ADTS
//! - [`h264`]: H.264 parameter sets, slices and where decoding may begin
//! - [`mpeg_audio`]: MPEG audio layers I to III
//! - [`mpeg_video`]: MPEG-1 and MPEG-2 video above the slices
//! - [`mpeg4_visual`]: MPEG-4 visual above the macroblocks
//! - [`nal`]: NAL units by start codes and by lengths

pub mod aac;
pub mod bits;
pub mod frames;
pub mod h264;
pub mod mpeg4_visual;
pub mod mpeg_audio;
pub mod mpeg_video;
pub mod nal;
pub mod start_code;
