//! MPEG-1 and MPEG-2 video in packets: pictures with what belongs to them.

use super::VIDEO_TIMESCALE;
use super::display::{Display, Picture};
use super::gathered::Gathered;
use super::timeline::Stamp;
use super::uncut::Uncut;
use rtp::codec::mpeg_video::{
    self, CodingType, EXTENSION, FIRST_SLICE, GROUP, LAST_SLICE, PICTURE, PictureCoding, SEQUENCE, SEQUENCE_END,
    Sequence, Structure, USER_DATA,
};
use rtp::codec::start_code;
use rtp::format::Format;

/// Bytes of a picture: three times the largest buffer of a decoder (ISO 13818-2 table 8-14). A stream without start
/// codes would otherwise lie in memory as a whole.
const MAX_PICTURE: usize = 4 << 20;

const CODE_LEN: u64 = 4;

/// Cuts one stream into access units: a frame or two fields with the sequence and group headers and the user data
/// before it, and a sequence end code after it.
#[derive(Debug)]
pub(in crate::container) struct VideoEs {
    track: u32,
    uncut: Uncut,
    /// As far as which the stream has been searched for start codes.
    searched: u64,
    /// A unit that is over unless the next picture turns out to be its second field.
    before: Option<Unit>,
    current: Unit,
    sequence: Option<Sequence>,
    first_sequence: Option<Sequence>,
    display: Display,
    /// Bytes that belong to no picture that can be decoded.
    junk: u64,
}

/// A unit by the places of its headers in the stream.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    start: u64,
    sequence: Option<u64>,
    picture: Option<u64>,
    /// The header of the second field.
    second: Option<u64>,
    slices: bool,
    /// Whether no header has begun it: what the stream begins with belongs to nothing.
    loose: bool,
}

impl VideoEs {
    pub fn new(track: u32) -> Self {
        Self {
            track,
            uncut: Uncut::default(),
            searched: 0,
            before: None,
            current: Unit { loose: true, ..Unit::default() },
            sequence: None,
            first_sequence: None,
            display: Display::default(),
            junk: 0,
        }
    }

    /// Known from the first sequence header with a picture on.
    pub fn format(&self) -> Option<Format> {
        let Sequence { mpeg2, width, height, .. } = self.first_sequence?;
        Some(Format::Mpv { mpeg2, width, height })
    }

    pub fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.uncut.push(payload, stamp);
        while let Some((at, code)) = self.next_code() {
            self.handle_code(at, code, gathered);
        }
        if self.uncut.len() > MAX_PICTURE {
            self.drop_all();
        }
    }

    /// The stream is over.
    pub fn finish(&mut self, gathered: &mut Gathered) {
        let end = self.uncut.end();
        let next = self.current;
        if let Some(before) = self.before.take() {
            self.emit(before, next.start, gathered);
        }
        if next.slices {
            self.emit(next, end, gathered);
        }
        self.uncut.skip(usize::MAX);
        self.display.finish(self.track, gathered);
    }

    /// Bytes left out since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }

    fn next_code(&mut self) -> Option<(u64, u8)> {
        let from = self.uncut.index(self.searched);
        let Some(at) = start_code::find(&self.uncut, from) else {
            let kept = start_code::PREFIX.len() - 1;
            self.searched = self.searched.max(self.uncut.end().saturating_sub(kept as u64));
            return None;
        };
        let offset = self.uncut.start() + at as u64;
        match self.uncut.get(at + start_code::PREFIX.len()) {
            Some(&code) => {
                self.searched = offset + start_code::PREFIX.len() as u64;
                Some((offset, code))
            }
            None => {
                self.searched = offset;
                None
            }
        }
    }

    fn handle_code(&mut self, at: u64, code: u8, gathered: &mut Gathered) {
        if (FIRST_SLICE..=LAST_SLICE).contains(&code) {
            if !self.current.slices {
                self.current.slices = true;
                self.join_or_emit(gathered);
            }
            return;
        }
        if self.current.loose && matches!(code, SEQUENCE | GROUP | PICTURE) {
            self.current = Unit { start: at, ..Unit::default() };
        }
        match code {
            // A second header without slices of the first one goes into the same unit.
            PICTURE => {
                if self.current.slices {
                    self.begin_unit(at, gathered);
                }
                self.current.picture = Some(at);
            }
            SEQUENCE => {
                if self.current.slices {
                    self.begin_unit(at, gathered);
                }
                self.current.sequence = Some(at);
            }
            GROUP | USER_DATA | EXTENSION if self.current.slices => self.begin_unit(at, gathered),
            SEQUENCE_END if self.current.slices => self.begin_unit(at + CODE_LEN, gathered),
            _ => {}
        }
    }

    /// The current unit is over at `at`, where the next one begins.
    fn begin_unit(&mut self, at: u64, gathered: &mut Gathered) {
        let next = Unit { start: at, ..Unit::default() };
        let over = std::mem::replace(&mut self.current, next);
        if let Some(before) = self.before.replace(over) {
            self.emit(before, over.start, gathered);
        }
    }

    /// The current unit's first slice has come, so its headers are whole: is it the second field of the one before?
    fn join_or_emit(&mut self, gathered: &mut Gathered) {
        let Some(before) = self.before.take() else { return };
        let headers = (self.picture_header(before.picture), self.picture_header(self.current.picture));
        let fields = match headers {
            (Some((first, Some(first_coding))), Some((second, Some(second_coding)))) => {
                use Structure::{BottomField, TopField};
                let structures = (first_coding.structure, second_coding.structure);
                matches!(structures, (TopField, BottomField) | (BottomField, TopField))
                    && first.temporal_reference == second.temporal_reference
            }
            _ => false,
        };
        if fields && before.second.is_none() && self.current.sequence.is_none() {
            self.current = Unit { second: self.current.picture, ..before };
        } else {
            self.emit(before, self.current.start, gathered);
        }
    }

    fn picture_header(&self, at: Option<u64>) -> Option<(mpeg_video::Picture, Option<PictureCoding>)> {
        let bytes = self.uncut.get(self.uncut.index(at?)..)?;
        Some((mpeg_video::Picture::parse(bytes).ok()?, mpeg_video::picture_coding(bytes)))
    }

    fn emit(&mut self, unit: Unit, end: u64, gathered: &mut Gathered) {
        self.drop_before(unit.start);
        let header = self.picture_header(unit.picture);
        if let Some(sequence) =
            unit.sequence.and_then(|at| Sequence::parse(self.uncut.get(self.uncut.index(at)..)?).ok())
        {
            self.sequence = Some(sequence);
        }
        let (Some((header, coding)), Some(sequence), Some(picture)) = (header, self.sequence, unit.picture) else {
            return self.drop_before(end);
        };
        let stamp = self.uncut.stamp(picture);
        if let Some(second) = unit.second {
            self.uncut.stamp(second);
        }
        self.first_sequence.get_or_insert(sequence);
        let data = self.uncut.take(self.uncut.index(end));
        let picture = Picture {
            stamp,
            is_b: header.coding_type == CodingType::B,
            temporal_reference: header.temporal_reference,
            duration: duration(&sequence, coding.as_ref()),
            sync: header.coding_type == CodingType::I && unit.sequence.is_some(),
            data,
        };
        self.display.handle(self.track, picture, gathered);
    }

    fn drop_before(&mut self, at: u64) {
        self.junk += self.uncut.skip(self.uncut.index(at));
    }

    /// No picture is this long: begins anew with what comes.
    fn drop_all(&mut self) {
        self.drop_before(u64::MAX);
        (self.before, self.current) = (None, Unit { start: self.uncut.start(), loose: true, ..Unit::default() });
        self.searched = self.uncut.start();
    }
}

/// How long a picture is shown, in [`VIDEO_TIMESCALE`]; a field alone as long as a frame.
fn duration(sequence: &Sequence, coding: Option<&PictureCoding>) -> i64 {
    let half_frames = coding.map_or(2, |coding| coding.fields(sequence.progressive).max(2));
    let rate = sequence.frame_rate;
    i64::from(VIDEO_TIMESCALE) * i64::from(rate.denominator) * i64::from(half_frames) / (i64::from(rate.numerator) * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::DemuxedSample;

    const FRAME: i64 = 3600 * 8;
    /// 352 x 288, 25 frames a second.
    const SEQUENCE_25: [u8; 12] = [0, 0, 1, 0xB3, 0x16, 0x01, 0x20, 0x13, 0xFF, 0xFF, 0xE0, 0xA0];
    const GROUP_HEADER: [u8; 8] = [0, 0, 1, 0xB8, 0, 8, 0, 0];
    const USER: [u8; 7] = [0, 0, 1, 0xB2, b'a', b'b', b'c'];
    const END: [u8; 4] = [0, 0, 1, 0xB7];

    /// The extension that makes a sequence MPEG-2, interlaced.
    const MPEG2: [u8; 10] = [0, 0, 1, 0xB5, 0x14, 0x82, 0, 1, 0, 0];

    fn picture(kind: u8, temporal_reference: u8) -> Vec<u8> {
        vec![0, 0, 1, 0, temporal_reference >> 2, (temporal_reference & 3) << 6 | kind << 3, 0xFF, 0xF8, 0, 0]
    }

    /// A picture coding extension: structure 1 top, 2 bottom, 3 frame.
    fn coding(structure: u8, repeat_first_field: bool) -> Vec<u8> {
        vec![0, 0, 1, 0xB5, 0x8F, 0xFF, 0xFC | structure, 0x80 | u8::from(repeat_first_field) << 1, 0x80]
    }

    fn slices(fill: u8) -> Vec<u8> {
        [&[0, 0, 1, 1, fill, fill, fill][..], &[0, 0, 1, 2, fill, fill]].concat()
    }

    fn units(stream: &[u8], piece: usize) -> (VideoEs, Vec<DemuxedSample>) {
        let (mut es, mut gathered) = (VideoEs::new(1), Gathered::default());
        for payload in stream.chunks(piece) {
            es.handle_payload(payload, None, &mut gathered);
        }
        es.finish(&mut gathered);
        (es, gathered.samples.into())
    }

    /// The parts of each unit that is expected, with its duration in half frames and whether it is a sync sample; they
    /// make the stream, after `before` and with `between` that is left out.
    fn check(name: &str, before: &[u8], expected: &[(Vec<Vec<u8>>, i64, bool)], junk: u64) {
        let stream = [before.to_vec(), expected.iter().flat_map(|(parts, ..)| parts.concat()).collect()].concat();
        for piece in [1, 2, 3, 5, 7, stream.len()] {
            let (mut es, out) = units(&stream, piece);
            let seen: Vec<_> = out.iter().map(|unit| (unit.data.to_vec(), unit.duration, unit.sync)).collect();
            let expected = expected.iter().map(|(parts, halves, sync)| (parts.concat(), halves * FRAME / 2, *sync));
            assert_eq!(seen, expected.collect::<Vec<_>>(), "{name} by {piece}");
            assert_eq!(es.take_junk(), junk, "{name} by {piece}");
        }
    }

    #[test]
    fn pictures_are_cut_with_what_belongs_to_them() {
        let (sequence, group, user, end) = (SEQUENCE_25.to_vec(), GROUP_HEADER.to_vec(), USER.to_vec(), END.to_vec());
        let whole = |kind, reference, fill| vec![picture(kind, reference), slices(fill)];
        let first = || (vec![sequence.clone(), group.clone(), picture(1, 0), user.clone(), slices(9)], 2, true);
        check("one", &[], &[first()], 0);
        check("I and P", &[], &[first(), (whole(2, 1, 8), 2, false)], 0);
        let open = vec![group.clone(), picture(1, 2), slices(7)];
        check("an I without sequence header is no sync sample", &[], &[first(), (open, 2, false)], 0);
        let ended = vec![picture(2, 1), slices(8), end.clone()];
        check("sequence end", &[], &[first(), (ended, 2, false), first()], 0);
        let user_first = vec![user.clone(), picture(2, 1), slices(8)];
        check("user data before a picture", &[], &[first(), (user_first, 2, false)], 0);
        check("junk before", &[0x55; 30], &[first()], 30);
        let without = [picture(2, 5), slices(4), picture(3, 4), slices(4)].concat();
        check("pictures before the first sequence header", &without, &[first()], without.len() as u64);
        let twice = vec![picture(2, 1), picture(2, 2), slices(8)];
        check("a picture without slices goes with the next", &[], &[first(), (twice, 2, false)], 0);
    }

    #[test]
    fn two_fields_are_one_unit() {
        let header = || [SEQUENCE_25.to_vec(), MPEG2.to_vec()].concat();
        let field = |kind, structure, fill| vec![picture(kind, 0), coding(structure, false), slices(fill)];
        let pair = |kind| [field(kind, 1, 5), field(2, 2, 6)].concat();
        let intra = || ([vec![header()], pair(1)].concat(), 2, true);
        let bottom_first = [field(2, 2, 5), field(2, 1, 6)].concat();
        check("I and P field", &[], &[intra(), (pair(2), 2, false), (bottom_first, 2, false)], 0);
        check("a lone field between", &[], &[intra(), (field(2, 1, 4), 2, false), (pair(2), 2, false)], 0);
        let frame = |repeat| vec![picture(2, 0), coding(3, repeat), slices(3)];
        check("frames and a repeated field", &[], &[intra(), (frame(true), 3, false), (frame(false), 2, false)], 0);
    }

    #[test]
    fn the_format_comes_from_the_first_sequence_header() {
        let stream = [SEQUENCE_25.to_vec(), picture(1, 0), slices(1)].concat();
        let format = |stream: &[u8]| units(stream, 9).0.format();
        assert_eq!(format(&stream), Some(Format::Mpv { mpeg2: false, width: 352, height: 288 }));
        let stream = [SEQUENCE_25.to_vec(), MPEG2.to_vec(), picture(1, 0), coding(3, false), slices(1)].concat();
        assert_eq!(format(&stream), Some(Format::Mpv { mpeg2: true, width: 352, height: 288 }));
        assert_eq!(format(&[picture(1, 0), slices(1)].concat()), None);
    }

    #[test]
    fn a_picture_without_end_is_dropped() {
        let stream = [SEQUENCE_25.to_vec(), picture(1, 0), slices(1), vec![7; MAX_PICTURE + 100]].concat();
        let (mut es, out) = units(&stream, 60_000);
        assert_eq!((out.len(), es.take_junk() > MAX_PICTURE as u64), (0, true));
    }
}
