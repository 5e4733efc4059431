//! A made-up film for tests: its bytes say which sample they are.

use bytes::Bytes;
use catalog::{
    index::{Index, Track},
    presentation::{Source, SourceHash},
    sample::{Sample, TableBuilder},
};
use rtp::{
    clock::{ClockRate, MediaTime, Ticks},
    format::Format,
};
use std::sync::Arc;
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
};

pub(crate) const FRAME: i64 = 3_600;
pub(crate) const AAC: i64 = 1_024;
pub(crate) const AUDIO: ClockRate = match ClockRate::new(44_100) {
    Some(clock) => clock,
    None => ClockRate::VIDEO,
};
/// Pictures from one sync sample to the next.
pub(crate) const GOP: i64 = 12;

/// A film of 25 pictures a second with B pictures in open groups, and AAC that begins one frame before zero.
pub(crate) struct Film {
    pub(crate) index: Arc<Index>,
    pub(crate) bytes: Bytes,
}

/// Bytes of a picture: `(sync, display number) -> size`.
pub(crate) fn film(gops: i64, size: impl Fn(bool, i64) -> usize) -> Film {
    let mut samples: Vec<(i64, u8, Sample, usize)> = Vec::new();
    // Decode order: the picture shown third comes before the two shown before it.
    let mut order = vec![0];
    for next in (3..=gops * GOP).step_by(3) {
        order.extend([next, next - 2, next - 1]);
    }
    for (number, shown) in order.iter().enumerate() {
        let (sync, dts) = (shown % GOP == 0, (number as i64 - 1) * FRAME);
        let sample = Sample { offset: 0, size: 0, dts: Ticks(dts), pts: Ticks(shown * FRAME), sync };
        samples.push((ClockRate::VIDEO.time(Ticks(dts)).0, 0, sample, size(sync, *shown)));
    }
    let seconds = ClockRate::VIDEO.time(Ticks(order.len() as i64 * FRAME)).as_secs_f64();
    for number in 0..(seconds * 44_100.0) as i64 / AAC {
        let pts = Ticks((number - 1) * AAC);
        let sample = Sample { offset: 0, size: 0, dts: pts, pts, sync: true };
        samples.push((AUDIO.time(pts).0, 1, sample, 180 + number as usize % 40));
    }
    samples.sort_by_key(|(time, track, ..)| (*time, *track));
    let mut bytes = Vec::new();
    let mut tables = [TableBuilder::new(), TableBuilder::new()];
    for (_, track, mut sample, size) in samples {
        let table = &mut tables[usize::from(track)];
        sample.offset = bytes.len() as u64;
        sample.size = size as u32;
        let number = table.len() as u32;
        table.push(sample, Ticks([FRAME, AAC][usize::from(track)])).unwrap();
        bytes.push(track);
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.resize(sample.offset as usize + size, number as u8);
    }
    let media = Layout::new(
        ObjectId(7),
        bytes.len() as u64,
        Policy { unit_size: 16 << 10, data: 2, parity: 0 },
        vec![NodeId(1), NodeId(2)],
        0,
    );
    let [video, audio] = tables.map(TableBuilder::finish);
    let duration = ClockRate::VIDEO.time(video.end()).max(AUDIO.time(audio.end()));
    let format = Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 1], width: 320, height: 240 };
    let aac = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 };
    let track = |id, format, samples| Track {
        id,
        format,
        language: None,
        bandwidth_bps: 1_000_000,
        average_bps: 1_000_000,
        samples,
    };
    let index = Index {
        name: "test".into(),
        title: "test".into(),
        source: Source { hash: SourceHash([0; 32]), bytes: 0 },
        created: 0,
        duration,
        media,
        tracks: vec![track(1, format, video), track(2, aac, audio)],
    };
    Film { index: Arc::new(index), bytes: bytes.into() }
}

impl Film {
    /// A stripe unit of it.
    pub(crate) fn unit(&self, unit: u64) -> Bytes {
        let range = self.index.media.unit_bytes(unit);
        self.bytes.slice(range.start as usize..range.end as usize)
    }

    /// The presentation time of a sample.
    pub(crate) fn pts(&self, track: usize, number: usize) -> Ticks {
        self.index.tracks[track].samples.get(number).unwrap().pts
    }

    /// The decode time of a sample.
    pub(crate) fn dts(&self, track: usize, number: usize) -> MediaTime {
        let track = &self.index.tracks[track];
        track.clock().time(track.samples.get(number).unwrap().dts)
    }

    /// Takes what came of one track apart: each packet's `(timestamp, sample numbers that begin in it)`.
    pub(crate) fn begun(track: usize, packet: &[u8], starts: &mut bool) -> Vec<usize> {
        let payload = &packet[12..];
        let number = |unit: &[u8]| {
            assert_eq!(usize::from(unit[0]), track);
            u32::from_be_bytes([unit[1], unit[2], unit[3], unit[4]]) as usize
        };
        if track == 0 {
            let begun = if *starts { vec![number(payload)] } else { vec![] };
            *starts = packet[1] & 0x80 != 0;
            return begun;
        }
        let count = usize::from(u16::from_be_bytes([payload[0], payload[1]])) / 16;
        let mut at = 2 + 2 * count;
        let sizes = (0..count)
            .map(|index| usize::from(u16::from_be_bytes([payload[2 + 2 * index], payload[3 + 2 * index]]) >> 3));
        let begun = sizes.map(|size| {
            at += size;
            number(&payload[at - size..])
        });
        begun.collect()
    }
}
