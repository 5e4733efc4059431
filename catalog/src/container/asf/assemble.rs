//! Media objects from the payloads of one stream.

use super::packet::Payload;
use crate::container::limits::MAX_ACCESS_UNIT;

/// A whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaObject {
    /// With the preroll in it.
    pub time_ms: u32,
    pub sync: bool,
    pub data: Vec<u8>,
}

/// How audio was spread over packets, so that a lost one costs less at a time (ASF Specification section 3.3,
/// "Audio spread"): an object is a matrix of chunks, written by columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// Virtual packets in an object.
    pub span: usize,
    /// Bytes of a virtual packet.
    pub packet: usize,
    /// Bytes of a chunk.
    pub chunk: usize,
}

/// One stream's objects in the making.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    open: Option<Open>,
    /// Objects that were begun and are not whole, or that came without their beginning.
    pub broken: u64,
}

#[derive(Debug)]
struct Open {
    number: u32,
    size: usize,
    object: MediaObject,
}

impl Assembler {
    /// Takes a payload, whose bytes are `data`; answers the object that it makes whole.
    pub fn push(&mut self, payload: &Payload, data: &[u8]) -> Option<MediaObject> {
        let continues = |open: &Open| {
            payload.offset > 0 && open.number == payload.object && open.object.data.len() == payload.offset as usize
        };
        if !self.open.as_ref().is_some_and(continues) {
            self.broken += u64::from(self.open.take().is_some());
            let size = payload.size.map_or(data.len(), |size| size as usize);
            if payload.offset > 0 || size == 0 || size > MAX_ACCESS_UNIT {
                self.broken += u64::from(payload.offset == 0);
                return None;
            }
            let time_ms = payload.time_ms?;
            let object = MediaObject { time_ms, sync: payload.sync, data: Vec::with_capacity(size.min(1 << 16)) };
            self.open = Some(Open { number: payload.object, size, object });
        }
        let mut open = self.open.take()?;
        if open.object.data.len() + data.len() > open.size {
            self.broken += 1;
            return None;
        }
        open.object.data.extend_from_slice(data);
        if open.object.data.len() == open.size {
            return Some(open.object);
        }
        self.open = Some(open);
        None
    }

    /// Bytes of what is begun.
    pub fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.object.data.len())
    }

    /// What is begun, as far as it goes.
    pub fn part(&mut self) -> Option<MediaObject> {
        self.open.take().map(|open| open.object)
    }

    /// Gives up what is begun.
    pub fn end(&mut self) {
        self.broken += u64::from(self.open.take().is_some());
    }
}

impl Spread {
    /// `None` where nothing is spread, or by numbers that make no sense.
    pub fn new(span: u8, packet: u16, chunk: u16) -> Option<Self> {
        let (span, packet, chunk) = (usize::from(span), usize::from(packet), usize::from(chunk));
        let spreads = span > 1 && chunk > 0 && packet / chunk > 1 && packet.is_multiple_of(chunk);
        spreads.then_some(Self { span, packet, chunk })
    }

    /// Puts the chunks of an object back in their order; an object of another size stays as it is.
    pub fn gather(&self, data: &[u8]) -> Option<Vec<u8>> {
        if data.len() != self.packet * self.span {
            return None;
        }
        let mut out = Vec::with_capacity(data.len());
        let per_packet = self.packet / self.chunk;
        for number in 0..data.len() / self.chunk {
            let from = (number / self.span + number % self.span * per_packet) * self.chunk;
            out.extend_from_slice(data.get(from..from + self.chunk)?);
        }
        Some(out)
    }
}
