//! Whole files: made by ffmpeg and held against what ffprobe finds in them, and broken ones.

mod broken;
mod codecs;
mod compressed;
mod decoded;
mod files;
mod groups;
mod large;
mod probed;
mod rare;
mod reads;
pub(super) mod tree;

use super::*;
use crate::container::testing::{Demuxed, drive};

/// What the demuxer finds in `bytes`, or its error.
fn demux(bytes: &[u8]) -> Result<Demuxed, ContainerError> {
    drive(&mut Mp4Demuxer::new(bytes.len() as u64), &mut std::io::Cursor::new(bytes))
}
