//! Cutting a stream of audio frames that are known only by their headers, over junk between them.

use super::bits::CodecError;

/// A header that begins each frame of a stream.
pub trait FrameHeader: Copy + PartialEq {
    /// Bytes from which it can be read.
    const LEN: usize;

    /// No frame is longer: what looks so is junk, and a scanner never waits for more.
    const MAX_FRAME: usize;

    /// Reads it from the first bytes of `bytes`.
    ///
    /// # Errors
    /// Where the bytes are no such header.
    fn parse(bytes: &[u8]) -> Result<Self, CodecError>;

    /// Bytes of the whole frame; `None` where the header doesn't say, and the next header ends it.
    fn frame_len(&self) -> Option<usize>;

    /// Bytes of what belongs to the frame though its header doesn't count it, at the start of `after`, which follows it;
    /// `None` while more bytes must come to tell. `at_end`: none will.
    fn extension_len(_after: &[u8], _at_end: bool) -> Option<usize> {
        Some(0)
    }

    /// Whether `other` can be a later header of the same stream.
    fn same_stream(&self, other: &Self) -> bool;
}

/// What a scanner found at the start of the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan<H> {
    /// A whole frame after `skip` bytes of junk.
    Frame {
        /// Bytes before it that belong to no frame.
        skip: usize,
        /// Its header.
        header: H,
        /// Its bytes, header included.
        len: usize,
    },
    /// More bytes are needed to tell. The first `skip` are junk and may be dropped. After the end of the stream: the
    /// rest is junk or a frame cut short.
    More {
        /// Bytes that belong to no frame.
        skip: usize,
    },
}

/// Finds frame after frame. Give it the stream's bytes from where the last frame ended.
///
/// A first frame, and one after junk, counts only if another header of the same stream follows it or the stream ends
/// with it; one that follows a frame directly counts by itself.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<H> {
    /// The last frame's header.
    stream: Option<H>,
    /// Whether the next bytes follow that frame directly.
    in_sync: bool,
}

impl<H> Default for Scanner<H> {
    fn default() -> Self {
        Self { stream: None, in_sync: false }
    }
}

impl<H: FrameHeader> Scanner<H> {
    /// For a stream of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for the next frame in `bytes`; `at_end` says that no bytes will follow them.
    pub fn scan(&mut self, bytes: &[u8], at_end: bool) -> Scan<H> {
        let mut skip = 0;
        while skip < bytes.len() {
            let rest = &bytes[skip..];
            if rest.len() < H::LEN {
                break;
            }
            match self.candidate(rest, at_end) {
                Verdict::Frame(header, len) => {
                    (self.stream, self.in_sync) = (Some(header), true);
                    return Scan::Frame { skip, header, len };
                }
                Verdict::Undecided => break,
                Verdict::Junk => (skip, self.in_sync) = (skip + 1, false),
            }
        }
        Scan::More { skip }
    }

    fn candidate(&self, bytes: &[u8], at_end: bool) -> Verdict<H> {
        let Ok(header) = H::parse(bytes) else { return Verdict::Junk };
        // Among frames that say their length one that doesn't is junk that looks so, and would swallow those behind it.
        if header.frame_len().is_none() && self.stream.is_some_and(|stream| !stream.same_stream(&header)) {
            return Verdict::Junk;
        }
        let Some(len) = header.frame_len().or_else(|| self.distance_to_next(&header, bytes, at_end)) else {
            return if at_end || bytes.len() >= H::MAX_FRAME { Verdict::Junk } else { Verdict::Undecided };
        };
        if len > H::MAX_FRAME || len < H::LEN {
            return Verdict::Junk;
        }
        let Some(extension) = bytes.get(len..).map_or(Some(0), |after| H::extension_len(after, at_end)) else {
            return Verdict::Undecided;
        };
        let len = len + extension;
        if self.in_sync && self.stream.is_some_and(|stream| stream.same_stream(&header)) {
            return match (len <= bytes.len(), at_end) {
                (true, _) => Verdict::Frame(header, len),
                (false, true) => Verdict::Junk,
                (false, false) => Verdict::Undecided,
            };
        }
        match bytes.get(len..) {
            Some([]) if at_end => Verdict::Frame(header, len),
            Some(next) if next.len() >= H::LEN => match H::parse(next) {
                Ok(next) if header.same_stream(&next) => Verdict::Frame(header, len),
                _ => Verdict::Junk,
            },
            _ if at_end => Verdict::Junk,
            _ => Verdict::Undecided,
        }
    }

    /// Where the next header of the same kind begins, for frames that don't say their length.
    fn distance_to_next(&self, header: &H, bytes: &[u8], at_end: bool) -> Option<usize> {
        let reach = bytes.len().min(H::MAX_FRAME + H::LEN);
        let next = (H::LEN..(reach + 1).saturating_sub(H::LEN))
            .find(|&at| H::parse(&bytes[at..]).is_ok_and(|next| header.same_stream(&next)));
        let known = self.stream.is_some_and(|stream| stream.same_stream(header));
        next.or_else(|| (at_end && known && bytes.len() <= H::MAX_FRAME).then_some(bytes.len()))
    }
}

enum Verdict<H> {
    Frame(H, usize),
    Undecided,
    Junk,
}

/// One frame of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a, H> {
    /// Where it starts in the slice.
    pub offset: usize,
    /// Its header.
    pub header: H,
    /// Its bytes, header included.
    pub data: &'a [u8],
}

/// The whole frames of a slice, over junk between them.
#[derive(Clone, Debug)]
pub struct Frames<'a, H> {
    bytes: &'a [u8],
    at: usize,
    scanner: Scanner<H>,
}

impl<'a, H: FrameHeader> Frames<'a, H> {
    /// Of `bytes`, which are all there is.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, scanner: Scanner::new() }
    }
}

impl<'a, H: FrameHeader> Iterator for Frames<'a, H> {
    type Item = Frame<'a, H>;

    fn next(&mut self) -> Option<Frame<'a, H>> {
        let Scan::Frame { skip, header, len } = self.scanner.scan(&self.bytes[self.at..], true) else {
            self.at = self.bytes.len();
            return None;
        };
        let offset = self.at + skip;
        self.at = offset + len;
        Some(Frame { offset, header, data: &self.bytes[offset..self.at] })
    }
}
