//! Program specific information (ISO 13818-1 2.4.4): sections, the list of programs and what is in one.

use super::kind::{Kind, StreamKind};

/// `table_id`s.
const PROGRAM_ASSOCIATION: u8 = 0;
const PROGRAM_MAP: u8 = 2;
const STUFFING: u8 = 0xFF;

/// Bytes before and including `section_length`.
const FIXED_LEN: usize = 3;
/// Bytes of a section's header.
const HEADER_LEN: usize = 8;
const CRC_LEN: usize = 4;

/// Programs of one file: a list may have thousands, each with a map that is kept.
const MAX_PROGRAMS: usize = 512;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// Of the section that has begun, at most 4 KiB.
    buffer: Vec<u8>,
    begun: bool,
}

impl Sections {
    /// Packets were lost: what has begun can't be completed.
    pub fn lost(&mut self) {
        self.buffer.clear();
        self.begun = false;
    }

    /// Takes a packet's payload and hands each section that is whole and undamaged to `each`.
    pub fn handle(&mut self, payload: &[u8], starts: bool, each: &mut dyn FnMut(&[u8])) {
        if !starts {
            if self.begun {
                self.buffer.extend_from_slice(payload);
                self.cut(each);
            }
            return;
        }
        let Some((&pointer, rest)) = payload.split_first() else { return };
        let Some((before, after)) = rest.split_at_checked(pointer.into()) else { return self.lost() };
        if self.begun {
            self.buffer.extend_from_slice(before);
            self.cut(each);
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(after);
        self.begun = true;
        self.cut(each);
    }

    fn cut(&mut self, each: &mut dyn FnMut(&[u8])) {
        let mut at = 0;
        while let Some(&[table, high, low]) = self.buffer.get(at..at + FIXED_LEN) {
            if table == STUFFING {
                return self.lost();
            }
            let end = at + FIXED_LEN + usize::from(u16::from_be_bytes([high & 0xF, low]));
            let Some(section) = self.buffer.get(at..end) else { break };
            if section.len() >= HEADER_LEN + CRC_LEN && crc(section) == 0 {
                each(section);
            }
            at = end;
        }
        self.buffer.drain(..at);
    }
}

/// CRC-32 of annex A; zero over a section with its own.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

/// A section's `table_id_extension`, version and number, and what it holds; `None` for one that isn't in force yet, or
/// of another table.
fn table(section: &[u8], wanted: u8) -> Option<(u16, u8, u8, &[u8])> {
    let (&[table, _, _, high, low, version, number, _last], rest) = section.split_first_chunk()?;
    let body = rest.get(..rest.len().checked_sub(CRC_LEN)?)?;
    (table == wanted && version & 1 == 1).then_some((u16::from_be_bytes([high, low]), version >> 1 & 31, number, body))
}

/// The programs that the sections seen so far list, in their order.
#[derive(Debug, Default)]
pub(super) struct Programs {
    version: Option<(u16, u8)>,
    seen: Vec<u8>,
    list: Vec<(u16, u16)>,
}

impl Programs {
    /// Whether `section` changed the list.
    pub fn handle(&mut self, section: &[u8]) -> bool {
        let Some((stream, version, number, body)) = table(section, PROGRAM_ASSOCIATION) else { return false };
        if self.version != Some((stream, version)) {
            *self = Self { version: Some((stream, version)), ..Self::default() };
        }
        if self.seen.contains(&number) {
            return false;
        }
        self.seen.push(number);
        let entries = body.chunks_exact(4).map(|entry| (be16(entry), be16(&entry[2..]) & 0x1FFF));
        // Number zero is the network's own information.
        self.list.extend(entries.filter(|(number, _)| *number != 0));
        self.list.truncate(MAX_PROGRAMS);
        true
    }

    /// Program numbers with the PIDs of their maps.
    pub fn list(&self) -> &[(u16, u16)] {
        &self.list
    }
}

fn be16(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// What is in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProgramMap {
    pub number: u16,
    pub version: u8,
    pub clock_pid: u16,
    pub streams: Vec<Listed>,
}

/// One stream in a program map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub pid: u16,
    pub kind: StreamKind,
    pub language: Option<String>,
}

impl ProgramMap {
    /// Reads a map's section; `None` for anything else.
    pub fn parse(section: &[u8]) -> Option<Self> {
        let (number, version, _, body) = table(section, PROGRAM_MAP)?;
        let (fixed, rest) = body.split_at_checked(4)?;
        let (program, mut rest) = rest.split_at_checked(usize::from(be16(&fixed[2..]) & 0xFFF))?;
        let program: Vec<_> = descriptors(program).collect();
        let mut streams = Vec::new();
        while let Some((&[stream_type, high, low, len_high, len_low], after)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([len_high & 0xF, len_low])).min(after.len());
            let (own, after) = after.split_at(len);
            let own: Vec<_> = descriptors(own).collect();
            streams.push(Listed {
                pid: u16::from_be_bytes([high & 0x1F, low]),
                kind: StreamKind::tell(stream_type, &program, &own),
                language: language(&own),
            });
            rest = after;
        }
        Some(Self { number, version, clock_pid: be16(fixed) & 0x1FFF, streams })
    }

    pub fn has_video(&self) -> bool {
        self.streams.iter().any(|stream| stream.kind.kind.is_some_and(Kind::is_video))
    }

    /// Whether a track could come of any stream.
    pub fn has_media(&self) -> bool {
        self.streams.iter().any(|stream| stream.kind.kind.is_some_and(|kind| kind != Kind::Unknown))
    }

    /// Whether one could come of private data that nothing describes.
    pub fn may_have_media(&self) -> bool {
        self.streams.iter().any(|stream| stream.kind.kind.is_some())
    }
}

/// Tags with what belongs to them, as far as they are whole.
fn descriptors(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, len], rest) = bytes.split_first_chunk()?;
        let (body, rest) = rest.split_at_checked(len.into())?;
        bytes = rest;
        Some((tag, body))
    })
}

/// The first language of an ISO_639_language_descriptor; `und` says none.
fn language(descriptors: &[(u8, &[u8])]) -> Option<String> {
    let (_, body) = descriptors.iter().find(|(tag, _)| *tag == 0x0A)?;
    let code = std::str::from_utf8(body.get(..3)?).ok()?.to_ascii_lowercase();
    (code.bytes().all(|byte| byte.is_ascii_lowercase()) && code != "und").then_some(code)
}
