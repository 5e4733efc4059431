//! Elementary-stream syntax that containers and payload formats share: how to find units in a stream and what their
//! headers say. Nothing here decodes.
//!
//! - [`bits`]: [`bits::Bits`], the reader below all headers, and [`bits::CodecError`], which leads to the bit
//! - [`start_code`]: finding `00 00 01` fast
//! - [`frames`]: cutting audio streams into frames over junk
//! - [`mpeg_audio`]: MPEG audio layers I to III
//! - [`mpeg_video`]: MPEG-1 and MPEG-2 video above the slices
//! - [`nal`]: NAL units by start codes and by lengths

pub mod bits;
pub mod frames;
pub mod mpeg_audio;
pub mod mpeg_video;
pub mod nal;
pub mod start_code;
