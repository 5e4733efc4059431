//! Cutting a connection's bytes into messages, each byte looked at once.

use super::head::{self, Head, Start};
use super::{FrameError, Incoming};
use crate::message::StatusCode;
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes of a request line. Players' URLs are far shorter; without it one line could fill the head.
pub const MAX_REQUEST_LINE: usize = 8 << 10;
/// Bytes of all lines up to the empty one: what an attacker may make one connection hold.
pub const MAX_HEAD: usize = 64 << 10;
/// Fields of one head: ten thousand short ones would cost more than their bytes.
pub const MAX_HEADERS: usize = 128;
/// Bytes of a body: `Content-Length: 99999999999` must not make us wait or allocate.
pub const MAX_BODY: usize = 64 << 10;

/// `$`, channel, 16-bit length (RFC 2326 10.12).
const FRAME_HEADER: usize = 4;

/// Cuts one connection's bytes into messages.
///
/// Give what was read to [`Framer::handle`], then take with [`Framer::poll`] until it gives `None`.
/// Line ends may be CRLF, LF or CR (RFC 2326 section 4); empty lines before a message are skipped. After a
/// fatal error nothing comes any more. Polled until empty after each read, it holds at most one head or
/// body or frame, and what was read beyond it.
#[derive(Debug, Default)]
pub struct Framer {
    pub(super) buffer: Vec<u8>,
    /// Bytes of `buffer` that belong to messages already given out.
    start: usize,
    /// Where looking at the head goes on.
    scanned: usize,
    /// Lines of the head so far, without their ends.
    lines: Vec<(usize, usize)>,
    /// Where the line that is being looked at starts.
    line: usize,
    /// The last byte looked at was a CR: an LF right behind is part of the same line end.
    after_cr: bool,
    /// A head is whole and waits for its body.
    head: Option<Head>,
    /// Found in one head, to be given out one after the other.
    ready: VecDeque<Result<Incoming, FrameError>>,
    dead: bool,
}

impl Framer {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read.
    pub fn handle(&mut self, bytes: &[u8]) {
        if self.dead {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.line -= self.start;
            for line in &mut self.lines {
                *line = (line.0 - self.start, line.1 - self.start);
            }
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and is not whole: its sender may not take forever.
    pub fn is_partial(&self) -> bool {
        !self.dead && (self.head.is_some() || self.buffer.len() > self.start)
    }

    /// The next message, if it is whole.
    pub fn poll(&mut self) -> Option<Result<Incoming, FrameError>> {
        if let Some(next) = self.ready.pop_front() {
            return Some(next);
        }
        if self.dead {
            return None;
        }
        let next = self.advance();
        if let Some(Err(error)) = &next
            && error.fatal
        {
            self.die();
        }
        next
    }

    fn die(&mut self) {
        self.dead = true;
        self.buffer = Vec::new();
        self.lines = Vec::new();
        self.head = None;
    }

    fn advance(&mut self) -> Option<Result<Incoming, FrameError>> {
        if self.head.is_some() {
            return self.finish_body();
        }
        if self.scanned == self.start {
            self.skip_empty_lines();
            match self.buffer.get(self.start..) {
                None | Some([]) => return None,
                Some([b'$', ..]) => return self.finish_frame(),
                // A TLS handshake record on the plain port.
                Some([0x16, ..]) => return Some(Err(FrameError::silent("TLS on the plain port"))),
                Some(_) => {}
            }
        }
        self.finish_head()
    }

    fn skip_empty_lines(&mut self) {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.begin(self.start + empty);
    }

    fn finish_frame(&mut self) -> Option<Result<Incoming, FrameError>> {
        let frame = &self.buffer[self.start..];
        let &[_, channel, high, low] = frame.first_chunk::<FRAME_HEADER>()?;
        let end = FRAME_HEADER + usize::from(u16::from_be_bytes([high, low]));
        let payload = Bytes::copy_from_slice(frame.get(FRAME_HEADER..end)?);
        self.consume(self.start + end);
        Some(Ok(Incoming::Interleaved { channel, payload }))
    }

    /// Looks for the empty line that ends a head.
    fn finish_head(&mut self) -> Option<Result<Incoming, FrameError>> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            let second_half = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            self.scanned += 1;
            if second_half {
                self.line = self.scanned;
            } else if byte == b'\r' || byte == b'\n' {
                let line = (self.line, self.scanned - 1);
                self.line = self.scanned;
                if line.0 == line.1 {
                    return self.parse_head();
                }
                // Lines are bounded by MAX_HEAD, fields by MAX_HEADERS once the head is whole.
                self.lines.push(line);
            }
            if self.scanned - self.start > MAX_HEAD {
                return Some(Err(self.head_too_long()));
            }
        }
        None
    }

    fn head_too_long(&self) -> FrameError {
        let first = self.lines.first().map_or(MAX_HEAD, |(start, end)| end - start);
        match first > MAX_REQUEST_LINE {
            true => FrameError::new(StatusCode::RequestURITooLong, "a request line without end"),
            false => FrameError::bad(format!("a head of more than {MAX_HEAD} bytes")),
        }
        .fatal()
    }

    fn parse_head(&mut self) -> Option<Result<Incoming, FrameError>> {
        // A bare CR may yet turn out to be the first half of a CRLF: the LF behind it is no part of a body.
        if self.after_cr && self.buffer.get(self.scanned) == Some(&b'\n') {
            self.scanned += 1;
            self.after_cr = false;
        }
        let lines: Vec<&[u8]> = self.lines.iter().map(|&(start, end)| &self.buffer[start..end]).collect();
        let starts = head::split(&lines);
        let last = starts.len() - 1;
        for (index, lines) in starts.into_iter().enumerate() {
            match head::parse(lines) {
                // Only the last can have a body; what is called one before it has been lines of this head.
                Ok(head) if index == last => self.head = Some(head),
                Ok(head) => self.ready.push_back(head.into_incoming(Bytes::new())),
                Err(error) => self.ready.push_back(Err(error)),
            }
        }
        self.consume(self.scanned);
        let fatal = self.ready.iter().position(|next| matches!(next, Err(error) if error.fatal));
        if let Some(fatal) = fatal {
            self.ready.truncate(fatal + 1);
            self.die();
        }
        self.poll()
    }

    fn finish_body(&mut self) -> Option<Result<Incoming, FrameError>> {
        let length = self.head.as_ref().map_or(0, |head| head.body);
        if length > 0 && self.after_cr && self.buffer.get(self.start) == Some(&b'\n') {
            self.begin(self.start + 1);
        }
        let end = self.start + length;
        let body = Bytes::copy_from_slice(self.buffer.get(self.start..end)?);
        let head = self.head.take()?;
        self.consume(end);
        Some(head.into_incoming(body))
    }

    /// The message up to `end` is given out; the next starts there.
    fn consume(&mut self, end: usize) {
        (self.start, self.scanned, self.line) = (end, end, end);
        self.lines.clear();
        if end == self.buffer.len() {
            self.buffer.clear();
            (self.start, self.scanned, self.line) = (0, 0, 0);
        }
    }

    /// A message, or a body, starts at `start`.
    fn begin(&mut self, start: usize) {
        (self.start, self.scanned, self.line) = (start, start, start);
        self.after_cr = false;
    }
}

impl Head {
    fn into_incoming(self, body: Bytes) -> Result<Incoming, FrameError> {
        match self.start {
            Start::Request(mut request) => {
                request.body = body;
                Ok(Incoming::Request(request))
            }
            Start::Response { status, cseq } => Ok(Incoming::Response { status, cseq }),
            Start::Bad(error) => Err(error),
        }
    }
}
