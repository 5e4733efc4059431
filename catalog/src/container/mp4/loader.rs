//! Bytes of the file: what is wanted, what came, and the reads that bring it.

use crate::container::limits::MAX_READ;
use crate::container::{ContainerError, Event};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Fetches ranges of the file in the order in which they were asked for, in pieces of at most [`MAX_READ`].
#[derive(Debug)]
pub(super) struct Loader {
    len: u64,
    /// Not yet whole; the first is being read.
    wanted: VecDeque<(u64, usize)>,
    /// What is there of the first wanted one.
    partial: BytesMut,
    loaded: Vec<(u64, Bytes)>,
    error: Option<ContainerError>,
}

impl Loader {
    pub fn new(len: u64) -> Self {
        Self { len, wanted: VecDeque::new(), partial: BytesMut::new(), loaded: Vec::new(), error: None }
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// Asks for `length` bytes from `offset`, both inside the file.
    pub fn want(&mut self, offset: u64, length: usize) {
        if length > 0 {
            self.wanted.push_back((offset, length));
        }
    }

    /// The next read, while anything is wanted.
    pub fn poll(&mut self) -> Result<Option<Event>, ContainerError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        Ok(self.wanted.front().map(|&(offset, length)| Event::Need {
            offset: offset + self.partial.len() as u64,
            length: (length - self.partial.len()).min(MAX_READ),
        }))
    }

    /// Bytes of the file from `offset`. Others than those of the last [`Loader::poll`] are passed over.
    pub fn handle(&mut self, offset: u64, bytes: Bytes) {
        let Some(&(start, length)) = self.wanted.front() else { return };
        let left = length - self.partial.len();
        if offset != start + self.partial.len() as u64 {
            return;
        }
        let asked = left.min(MAX_READ);
        if bytes.len() < asked {
            self.error = Some(ContainerError {
                format: "mp4",
                offset: offset + bytes.len() as u64,
                path: String::new(),
                reason: format!("the file ends here, it was {} bytes long when it was opened", self.len),
            });
            return;
        }
        let bytes = bytes.slice(..asked);
        let whole = if asked == length {
            bytes
        } else {
            self.partial.extend_from_slice(&bytes);
            if self.partial.len() < length {
                return;
            }
            std::mem::take(&mut self.partial).freeze()
        };
        self.wanted.pop_front();
        self.loaded.push((start, whole));
    }

    /// Bytes that are there, or `None`.
    pub fn get(&self, offset: u64, length: usize) -> Option<Bytes> {
        // In the order of their offsets as the reads of a batch are, or one alone.
        let at = self.loaded.partition_point(|(start, _)| *start <= offset).checked_sub(1)?;
        let (start, bytes) = &self.loaded[at];
        let from = usize::try_from(offset - start).ok()?;
        let until = from.checked_add(length)?;
        (until <= bytes.len()).then(|| bytes.slice(from..until))
    }

    /// Forgets what is there.
    pub fn clear(&mut self) {
        self.loaded.clear();
    }
}
