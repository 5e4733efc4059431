//! Where the chunks lie, by the file's own indexes: `idx1` of AVI 1.0 and the pieces `ix##` of OpenDML 1.02.

use super::limits::{MAX_ENTRIES, PROBES};
use super::riff::{FourCc, HEADER_LEN, four_cc, header};
use bytes::Bytes;
use nom::IResult;
use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};

/// One chunk of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Of its bytes, behind its header.
    pub offset: u64,
    pub size: u32,
    /// From 0, in the order of the stream headers.
    pub stream: u8,
    pub key: Key,
}

impl Entry {
    /// Where its header begins.
    pub fn header(&self) -> u64 {
        self.offset.saturating_sub(HEADER_LEN)
    }

    /// Where its bytes end, without padding.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.size.into())
    }

    /// Whether `bytes` are its header.
    fn is_at(&self, bytes: &[u8]) -> bool {
        header(bytes).is_ok_and(|(_, (name, size))| number(name) == Some(usize::from(self.stream)) && size == self.size)
    }
}

/// What an index says on whether decoding may begin at a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    No,
    Yes,
    /// Found without an index.
    Unknown,
}

/// The stream, from 0, that a chunk's name begins with.
fn number(name: FourCc) -> Option<usize> {
    let [tens, ones, ..] = name.0;
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| usize::from(tens - b'0') * 10 + usize::from(ones - b'0'))
}

/// The stream of a chunk of media: no palette (`##pc`), no index.
pub(super) fn stream_of(name: FourCc, streams: usize) -> Option<u8> {
    let [.., first, second] = name.0;
    let other = matches!(&[first, second], b"pc" | b"ix") || !(first.is_ascii_graphic() && second.is_ascii_graphic());
    number(name).filter(|number| *number < streams && !other).and_then(|number| u8::try_from(number).ok())
}

/// `AVIIF_LIST`: a `rec ` list, not a chunk of it.
const LIST: u32 = 0x01;
/// `AVIIF_KEYFRAME`
const KEY_FRAME: u32 = 0x10;

/// Appends the entries of a run of `idx1`, 16 bytes each; their offsets are still from an unknown base, and to the
/// chunk's bytes as if that were zero.
pub(super) fn read_old(bytes: &[u8], streams: usize, out: &mut Vec<Entry>) {
    for row in bytes.chunks_exact(16) {
        let Ok((_, (name, flags, offset, size))) = old_row(row) else { continue };
        let Some(stream) = stream_of(name, streams).filter(|_| flags & LIST == 0) else { continue };
        if out.len() >= MAX_ENTRIES {
            return;
        }
        let key = if flags & KEY_FRAME != 0 { Key::Yes } else { Key::No };
        out.push(Entry { offset: u64::from(offset) + HEADER_LEN, size, stream, key });
    }
}

fn old_row(input: &[u8]) -> IResult<&[u8], (FourCc, u32, u32, u32)> {
    let (input, name) = four_cc(input)?;
    let (input, flags) = le_u32(input)?;
    let (input, offset) = le_u32(input)?;
    let (input, size) = le_u32(input)?;
    Ok((input, (name, flags, offset, size)))
}

/// In a size of a standard index: decoding may not begin here.
const NOT_KEY: u32 = 1 << 31;

/// Appends the entries of a standard index chunk's body (OpenDML 1.02, "AVI Standard Index Chunk" and "AVI Field
/// Index Chunk"). Nothing, where it is something else.
pub(super) fn read_standard(body: &[u8], stream: u8, out: &mut Vec<Entry>) {
    let Ok((rows, (words, kind, count, base))) = standard_head(body) else { return };
    if !matches!(words, 2 | 3) || kind != 1 {
        return;
    }
    for row in rows.chunks_exact(usize::from(words) * 4).take(count as usize) {
        let word = |at: usize| row.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let (offset, size) = (word(0), word(4));
        if out.len() >= MAX_ENTRIES {
            return;
        }
        let key = if size & NOT_KEY == 0 { Key::Yes } else { Key::No };
        out.push(Entry { offset: base.saturating_add(offset.into()), size: size & !NOT_KEY, stream, key });
    }
}

/// Words to an entry, kind, number of entries, base of their offsets.
fn standard_head(input: &[u8]) -> IResult<&[u8], (u16, u8, u32, u64)> {
    let (input, words) = le_u16(input)?;
    let (input, _sub_type) = le_u8(input)?;
    let (input, kind) = le_u8(input)?;
    let (input, count) = le_u32(input)?;
    let (input, _name) = le_u32(input)?;
    let (input, base) = le_u64(input)?;
    let (input, _reserved) = le_u32(input)?;
    Ok((input, (words, kind, count, base)))
}

/// Some entries over the whole index, by which it can be held against a file of `len` bytes.
pub(super) fn probes(entries: &[Entry], bases: &[u64], len: u64) -> Vec<Entry> {
    let furthest = bases.iter().copied().max().unwrap_or(0);
    let inside = |entry: &&Entry| entry.size > 0 && entry.end().saturating_add(furthest) <= len;
    let step = entries.len().div_ceil(PROBES).max(1);
    (0..PROBES).filter_map(|probe| entries.get(probe * step..)?.iter().take(step).find(inside)).copied().collect()
}

/// The one of `bases` to which all of `probes` lead, given what lies in the file at a place.
pub(super) fn base(probes: &[Entry], bases: &[u64], at: impl Fn(u64) -> Option<Bytes>) -> Option<u64> {
    let leads =
        |base: u64, entry: &Entry| at(entry.header().saturating_add(base)).is_some_and(|bytes| entry.is_at(&bytes));
    bases.iter().copied().find(|base| !probes.is_empty() && probes.iter().all(|entry| leads(*base, entry)))
}

/// Whether every stream's chunks lie in the file as they follow each other.
pub(super) fn in_order(entries: &[Entry]) -> bool {
    let mut last = [0u64; 256];
    entries.iter().all(|entry| {
        let before = std::mem::replace(&mut last[usize::from(entry.stream)], entry.offset);
        before < entry.offset
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_known_by_their_names() {
        let cases: [(&[u8; 4], Option<u8>); 8] = [
            (b"00dc", Some(0)),
            (b"01wb", Some(1)),
            (b"00__", Some(0)),
            (b"02dc", None),
            (b"00pc", None),
            (b"00ix", None),
            (b"ix00", None),
            (b"0\xffdc", None),
        ];
        for (name, want) in cases {
            assert_eq!(stream_of(FourCc(*name), 2), want, "{}", FourCc(*name));
        }
    }

    #[test]
    fn both_kinds_of_entries_are_read() {
        let mut out = Vec::new();
        let row = |name: &[u8; 4], words: [u32; 3]| [name.to_vec(), words.map(u32::to_le_bytes).concat()].concat();
        read_old(&[row(b"rec ", [1, 4, 9]), row(b"00dc", [16, 4, 9]), row(b"01wb", [0, 22, 5])].concat(), 2, &mut out);
        let entry = |offset, size, stream, key| Entry { offset, size, stream, key };
        assert_eq!(out, [entry(12, 9, 0, Key::Yes), entry(30, 5, 1, Key::No)]);
        for words in [2u16, 3] {
            let head = [&words.to_le_bytes()[..], &[0, 1], &2u32.to_le_bytes(), b"00dc", &7u64.to_le_bytes(), &[0; 4]];
            let rows = [[1, 5, 99], [9, 5 | NOT_KEY, 99]].map(|row| {
                let row: Vec<u8> = row[..usize::from(words)].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
                row
            });
            let mut out = Vec::new();
            read_standard(&[head.concat(), rows.concat()].concat(), 3, &mut out);
            assert_eq!(out, [entry(8, 5, 3, Key::Yes), entry(16, 5, 3, Key::No)], "{words} words");
        }
    }
}
