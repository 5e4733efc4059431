//! Box headers by the shared [`Loader`].

use super::boxes::{self, HEADER_MAX, Header};
use super::limits::SCAN_BYTES;
use crate::container::ContainerError;
pub(super) use crate::container::loader::Loader;

impl Loader {
    /// The header of the box at `at`: `None` while its bytes are on the way, `Some(None)` at the end of the file.
    /// Forgets what else is there if it must read.
    pub(super) fn header(&mut self, at: u64) -> Result<Option<Option<Header>>, ContainerError> {
        let left = self.file_len().saturating_sub(at);
        if left < 8 {
            return Ok(Some(None));
        }
        // All three are at most SCAN_BYTES.
        let length = left.min(HEADER_MAX as u64) as usize;
        let Some(bytes) = self.get(at, length) else {
            self.clear();
            self.want(at, left.min(SCAN_BYTES) as usize);
            return Ok(None);
        };
        match boxes::header(&bytes) {
            Ok((_, head)) => Ok(Some(Some(head))),
            Err(_) => Err(super::error(at, "a box header with a size of 8 bytes or more expected")),
        }
    }
}
