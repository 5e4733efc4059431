//! Whole files: made by ffmpeg and held against what it decodes of them, made by hand, and broken ones.

mod broken;
mod files;
mod layout;
pub(in crate::container) mod played;

use super::Avi;
use crate::container::ContainerError;
use crate::container::testing::{Demuxed, drive};

/// What the demuxer finds in `bytes`, or its error.
fn demux(bytes: &[u8]) -> Result<Demuxed, ContainerError> {
    drive(&mut Avi::new(bytes.len() as u64), &mut std::io::Cursor::new(bytes))
}
