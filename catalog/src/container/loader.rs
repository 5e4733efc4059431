//! Bytes of the file: what is wanted, what came, and the reads that bring it.

use super::limits::MAX_READ;
use super::{ContainerError, DemuxedSample, Demuxer, Event};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Bytes of one read of neighbouring ranges (one larger range is read as a whole).
const READ_BYTES: u64 = 1 << 20;
/// Bytes between two ranges that are rather read than skipped: what lies between the samples of a batch is held with them.
const READ_GAP: u64 = 4 << 10;

/// A demuxer that goes step by step over a [`Loader`]: what it has found is told first, then what must be read is asked
/// for, and then it takes its next step.
pub(super) trait OverLoader: Send {
    /// What it has found and not told yet, and its reads.
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader);

    /// Goes on with the bytes that are there. False: nothing is left.
    fn step(&mut self) -> Result<bool, ContainerError>;

    /// A sample as it is told, from what waited to be: a second of silence is a few bytes until then. `None`: nothing is
    /// left of it.
    fn unpack(&mut self, sample: DemuxedSample) -> Option<DemuxedSample> {
        Some(sample)
    }
}

impl<T: OverLoader> Demuxer for T {
    fn poll(&mut self) -> Result<Event, ContainerError> {
        loop {
            let (out, loader) = self.parts();
            match out.pop_front() {
                Some(Event::Sample(sample)) => match self.unpack(sample) {
                    Some(sample) => return Ok(Event::Sample(sample)),
                    None => continue,
                },
                Some(event) => return Ok(event),
                None => {}
            }
            if let Some(need) = loader.poll()? {
                return Ok(need);
            }
            if !self.step()? {
                return Ok(Event::End);
            }
        }
    }

    fn handle_bytes(&mut self, offset: u64, bytes: Bytes) {
        self.parts().1.handle(offset, bytes);
    }
}

/// Fetches ranges of the file in the order in which they were asked for, in pieces of at most [`MAX_READ`].
#[derive(Debug)]
pub(super) struct Loader {
    /// The container's short name, for errors.
    format: &'static str,
    len: u64,
    /// Not yet whole; the first is being read.
    wanted: VecDeque<(u64, usize)>,
    /// What is there of the first wanted one.
    partial: BytesMut,
    loaded: Vec<(u64, Bytes)>,
    error: Option<ContainerError>,
}

impl Loader {
    pub fn new(format: &'static str, len: u64) -> Self {
        Self { format, len, wanted: VecDeque::new(), partial: BytesMut::new(), loaded: Vec::new(), error: None }
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// A range inside the file that one of our limits bounds, or `None` while it is on the way. Forgets what else is
    /// there if it must read.
    pub fn whole(&mut self, at: u64, size: u64) -> Option<Bytes> {
        let size = usize::try_from(size).ok()?;
        let bytes = self.get(at, size);
        if bytes.is_none() {
            self.clear();
            self.want(at, size);
        }
        bytes
    }

    /// As [`Loader::whole`], of what lies behind which more is wanted soon: `ahead` bytes are read at least, as far as the
    /// file goes.
    pub fn whole_ahead(&mut self, at: u64, size: u64, ahead: u64) -> Option<Bytes> {
        let bytes = self.get(at, usize::try_from(size).ok()?);
        if bytes.is_none() {
            self.clear();
            self.want(at, usize::try_from(size.max(ahead.min(self.len.saturating_sub(at)))).ok()?);
        }
        bytes
    }

    /// Asks for ranges inside the file; those near to each other are read together, up to [`READ_BYTES`].
    pub fn want_all(&mut self, mut ranges: Vec<(u64, usize)>) {
        ranges.sort_unstable();
        let mut last: Option<(u64, usize)> = None;
        for (offset, size) in ranges {
            if let Some((start, length)) = &mut last {
                let end = *start + *length as u64;
                let until = end.max(offset + size as u64);
                // What lies inside costs nothing; what makes it longer must keep it within bounds.
                if until == end || offset <= end.saturating_add(READ_GAP) && until - *start <= READ_BYTES {
                    // The longer of READ_BYTES and one sample.
                    *length = (until - *start) as usize;
                    continue;
                }
            }
            if let Some((start, length)) = last.replace((offset, size)) {
                self.want(start, length);
            }
        }
        if let Some((start, length)) = last {
            self.want(start, length);
        }
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
                format: self.format,
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

    /// What is there from `offset` on.
    pub fn rest(&self, offset: u64) -> Option<Bytes> {
        let (start, bytes) = self.loaded.last().filter(|(start, _)| *start <= offset)?;
        let from = usize::try_from(offset - start).ok()?;
        (from <= bytes.len()).then(|| bytes.slice(from..))
    }

    /// Forgets what is there.
    pub fn clear(&mut self) {
        self.loaded.clear();
    }
}
