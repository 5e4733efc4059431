//! Movie fragments: `moof` and its runs of samples (ISO 14496-12 section 8.8).

use super::boxes::{Find, Piece, version_flags};
use super::groups::RandomAccess;
use super::limits::MAX_SAMPLES;
use super::tables::Entry;
use crate::container::ContainerError;
use bytes::Bytes;
use nom::IResult;
use nom::combinator::cond;
use nom::number::complete::{be_i32, be_u32, be_u64};

/// What a sample is where its run doesn't say (`trex`, then `tfhd`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    pub description: u32,
    pub duration: u32,
    pub size: u32,
    pub flags: u32,
}

/// One `trun`, read sample by sample from its bytes.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The decoding time of its first sample, where the fragment says it (`tfdt`); else it goes on from the
    /// run before.
    pub start: Option<i64>,
    entries: Bytes,
    /// As in the box: which fields the entries have.
    flags: u32,
    defaults: Defaults,
    first_flags: Option<u32>,
    left: u32,
    offset: u64,
    audio: bool,
    groups: RandomAccess,
}

const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const COMPOSITION: u32 = 0x800;

/// Sample flags: not a sync sample; depends on others.
const NOT_SYNC: u32 = 0x0101_0000;

impl Run {
    /// The next sample. Times count from the run's start.
    pub fn next(&mut self, dts: i64) -> Option<Entry> {
        self.left = self.left.checked_sub(1)?;
        let mut field = |flag: u32| {
            (self.flags & flag != 0 && self.entries.len() >= 4).then(|| {
                let word = self.entries.split_to(4);
                u32::from_be_bytes([word[0], word[1], word[2], word[3]])
            })
        };
        let duration = field(DURATION).unwrap_or(self.defaults.duration);
        let size = field(SIZE).unwrap_or(self.defaults.size);
        // The first sample's flags count even where each has its own (players agree; the standard forbids both).
        let own = field(FLAGS);
        let flags = self.first_flags.take().or(own).unwrap_or(self.defaults.flags);
        // Signed in both versions: version 0 with the sign bit set would be half a day.
        let composed = field(COMPOSITION).unwrap_or(0).cast_signed();
        let entry = Entry {
            offset: self.offset,
            size,
            dts,
            cts: dts.saturating_add(i64::from(composed)),
            duration,
            sync: self.audio | self.groups.next() || flags & NOT_SYNC == 0,
            description: self.defaults.description.max(1),
        };
        self.offset = self.offset.saturating_add(u64::from(size));
        Some(entry)
    }
}

/// Reads `moof`, which begins at byte `start` of a file of `len` bytes; the runs of each track, by track id.
///
/// `track` gives the defaults and whether it is audio; `None` for a track that is not wanted.
pub(super) fn read(
    moof: &Piece,
    start: u64,
    len: u64,
    track: impl Fn(u32) -> Option<(Defaults, bool)>,
) -> Result<Vec<(u32, Run)>, ContainerError> {
    let mut found = Vec::new();
    // Where data goes on that has no offset of its own (section 8.8.7: after the previous track's).
    let mut follows = start;
    for traf in moof.children(0)?.iter().filter(|piece| &piece.kind.0 == b"traf") {
        let boxes = traf.children(0)?;
        let tfhd = boxes.need(b"tfhd", traf)?.parse("a track fragment header", fragment_header)?;
        let wanted = track(tfhd.track);
        let (trex, audio) = wanted.unwrap_or_default();
        let defaults = Defaults {
            description: tfhd.description.unwrap_or(trex.description),
            duration: tfhd.duration.unwrap_or(trex.duration),
            size: tfhd.size.unwrap_or(trex.size),
            flags: tfhd.flags.unwrap_or(trex.flags),
        };
        let base = tfhd.base.unwrap_or(if tfhd.base_is_moof { start } else { follows });
        let mut time = match boxes.find(b"tfdt") {
            Some(tfdt) => Some(tfdt.parse("a decode time", decode_time)?),
            None => None,
        };
        let mut groups = RandomAccess::read(&boxes)?;
        follows = base;
        for trun in boxes.iter().filter(|piece| &piece.kind.0 == b"trun") {
            let head = trun.parse("a track run", run_header)?;
            let width = 4 * (head.flags & (DURATION | SIZE | FLAGS | COMPOSITION)).count_ones() as usize;
            let room = trun.body.len() - head.length;
            let fits = match width {
                0 => u64::from(head.count) <= MAX_SAMPLES,
                width => head.count as usize <= room / width,
            };
            if !fits {
                return Err(trun.error(4, format!("{} samples claimed in a run with {room} bytes", head.count)));
            }
            let offset = match head.data_offset {
                Some(offset) => base.saturating_add_signed(offset.into()),
                None => follows,
            };
            let mut run = Run {
                start: time.take(),
                // Copied, so that a waiting run does not hold all of its fragment.
                entries: Bytes::copy_from_slice(&trun.body[head.length..head.length + width * head.count as usize]),
                flags: head.flags,
                defaults,
                first_flags: head.first_flags,
                left: head.count,
                offset,
                audio,
                groups: groups.clone(),
            };
            groups.skip(head.count);
            follows = offset.saturating_add(run.bytes());
            // A few bytes claim millions: the first that lies beyond the file's end tells of the others.
            if width == 0 {
                let inside =
                    len.saturating_sub(offset).checked_div(defaults.size.into()).map_or(0, |inside| inside + 1);
                run.left = run.left.min(u32::try_from(inside).unwrap_or(u32::MAX));
            }
            if wanted.is_some() {
                found.push((tfhd.track, run));
            }
        }
    }
    Ok(found)
}

impl Run {
    /// Bytes of memory that it holds.
    pub fn held(&self) -> usize {
        self.entries.len()
    }

    /// Of all its samples.
    fn bytes(&self) -> u64 {
        if self.flags & SIZE == 0 {
            return u64::from(self.defaults.size) * u64::from(self.left);
        }
        let mut run = self.clone();
        std::iter::from_fn(|| run.next(0)).fold(0u64, |sum, entry| sum.saturating_add(entry.size.into()))
    }
}

struct FragmentHeader {
    track: u32,
    base: Option<u64>,
    base_is_moof: bool,
    description: Option<u32>,
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

/// `tfhd` (section 8.8.7).
fn fragment_header(input: &[u8]) -> IResult<&[u8], FragmentHeader> {
    use nom::Parser;
    let (input, (_, has)) = version_flags(input)?;
    let (input, track) = be_u32(input)?;
    let (input, base) = cond(has & 1 != 0, be_u64).parse(input)?;
    let (input, description) = cond(has & 2 != 0, be_u32).parse(input)?;
    let (input, duration) = cond(has & 8 != 0, be_u32).parse(input)?;
    let (input, size) = cond(has & 0x10 != 0, be_u32).parse(input)?;
    let (input, flags) = cond(has & 0x20 != 0, be_u32).parse(input)?;
    let base_is_moof = has & 0x2_0000 != 0;
    Ok((input, FragmentHeader { track, base, base_is_moof, description, duration, size, flags }))
}

/// `tfdt` (section 8.8.12).
fn decode_time(input: &[u8]) -> IResult<&[u8], i64> {
    let (input, (version, _)) = version_flags(input)?;
    if version == 1 {
        let (input, time) = be_u64(input)?;
        // Beyond 2^62 there is no time; the place that is left keeps sums from overflowing.
        Ok((input, i64::try_from(time).unwrap_or(i64::MAX).min(1 << 62)))
    } else {
        let (input, time) = be_u32(input)?;
        Ok((input, time.into()))
    }
}

struct RunHeader {
    flags: u32,
    count: u32,
    data_offset: Option<i32>,
    first_flags: Option<u32>,
    /// Bytes before the entries.
    length: usize,
}

/// `trun` (section 8.8.8).
fn run_header(body: &[u8]) -> IResult<&[u8], RunHeader> {
    use nom::Parser;
    let (input, (_, flags)) = version_flags(body)?;
    let (input, count) = be_u32(input)?;
    let (input, data_offset) = cond(flags & 1 != 0, be_i32).parse(input)?;
    let (input, first_flags) = cond(flags & 4 != 0, be_u32).parse(input)?;
    Ok((input, RunHeader { flags, count, data_offset, first_flags, length: body.len() - input.len() }))
}
