//! Made-up films of 1 Mbit/s, held in memory.

use bytes::Bytes;
use catalog::{
    index::{Index, Track},
    presentation::{Source, SourceHash},
    sample::{Sample, TableBuilder},
};
use rtp::{
    clock::{MediaTime, Ticks},
    format::Format,
};
use std::sync::Arc;
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
};

/// Pictures a second, and from one key picture to the next.
const RATE: i64 = 25;
const GOP: i64 = 50;

/// Pictures' ticks.
const FRAME: i64 = 3_600;

/// Which codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// H.264 and AAC, as MP4 files bring them.
    H264,
    /// MPEG-2 with 18 slices a picture and layer II, as program streams bring them.
    Mpeg2,
}

/// A film.
pub struct Film {
    pub index: Arc<Index>,
    pub bytes: Bytes,
}

impl Film {
    /// `number` tells films of one kind apart.
    pub fn new(kind: Kind, number: u64, seconds: i64) -> anyhow::Result<Self> {
        let (width, height) = (640, 480);
        let (video, audio) = match kind {
            Kind::H264 => (
                Format::H264 { sps: vec![vec![0x67, 0x42, 0xC0, 0x1E]], pps: vec![vec![0x68, 0xCE]], width, height },
                Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 },
            ),
            Kind::Mpeg2 => {
                (Format::Mpv { mpeg2: true, width, height }, Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 })
            }
        };
        // The sound's ticks: 1024 of 44.1 kHz; 1152 of it by the video clock.
        let step = if kind == Kind::H264 { 1_024 } else { 2_351 };
        let sound_clock = audio.clock_rate();
        let mut samples: Vec<(i64, usize, Sample, i64, Vec<u8>)> = Vec::new();
        for at in 0..seconds * RATE {
            let (sync, dts) = (at % GOP == 0, Ticks(at * FRAME));
            let length = if sync { 20_000 } else { 4_000 + (at * 37 % 11) as usize * 20 };
            let sample = Sample { offset: 0, size: 0, dts, pts: dts, sync };
            samples.push((video.clock_rate().time(dts).0, 0, sample, FRAME, picture(kind, length)));
        }
        for at in 0..sound_clock.ticks(MediaTime(seconds * 1_000_000_000)).0 / step {
            let dts = Ticks(at * step);
            let sample = Sample { offset: 0, size: 0, dts, pts: dts, sync: true };
            samples.push((sound_clock.time(dts).0, 1, sample, step, sound(kind)));
        }
        samples.sort_by_key(|(time, track, ..)| (*time, *track));
        let formats = [video, audio];
        let (mut bytes, mut tables) = (Vec::new(), [TableBuilder::new(), TableBuilder::new()]);
        for (_, track, mut sample, duration, unit) in samples {
            sample.offset = bytes.len() as u64;
            formats[track].store(&unit, sample.sync, &mut bytes)?;
            sample.size = u32::try_from(bytes.len() as u64 - sample.offset)?;
            tables[track].push(sample, Ticks(duration))?;
        }
        let policy = Policy { unit_size: 256 << 10, data: 3, parity: 0 };
        let nodes = vec![NodeId(1), NodeId(2), NodeId(3)];
        let media = Layout::new(ObjectId(u128::from(number)), bytes.len() as u64, policy, nodes, 0);
        let track = |id, format, samples| Track {
            id,
            format,
            language: None,
            bandwidth_bps: 1_000_000,
            average_bps: 1_000_000,
            samples,
        };
        let [pictures, sounds] = tables.map(TableBuilder::finish);
        let [video, audio] = formats;
        let index = Index {
            name: "film".into(),
            title: "film".into(),
            source: Source { hash: SourceHash([0; 32]), bytes: 0 },
            created: 0,
            duration: video.clock_rate().time(pictures.end()),
            media,
            tracks: vec![track(1, video, pictures), track(2, audio, sounds)],
        };
        Ok(Self { index: Arc::new(index), bytes: bytes.into() })
    }

    /// A stripe unit of it.
    pub fn unit(&self, unit: u64) -> Bytes {
        let range = self.index.media.unit_bytes(unit);
        self.bytes.slice(range.start as usize..range.end as usize)
    }
}

fn picture(kind: Kind, length: usize) -> Vec<u8> {
    const SLICES: usize = 18;
    if kind == Kind::H264 {
        return [&(length as u32).to_be_bytes()[..], &[0x41], &vec![7; length - 1]].concat();
    }
    let header = [0, 0, 1, 0, 0x55, 1 << 3 | 7, 0xFF, 0xF8];
    let extension = [0, 0, 1, 0xB5, 0x8F, 0xFF, 0xF3, 0xC1, 0x80];
    let slice = |number: usize| {
        let length = length / SLICES * (7 + number % 7) / 10;
        [&[0, 0, 1, number as u8][..], &vec![0xA5; length]].concat()
    };
    [header.to_vec(), extension.to_vec()].into_iter().chain((1..=SLICES).map(slice)).flatten().collect()
}

/// 96 kbit/s.
fn sound(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::H264 => vec![7; 279],
        Kind::Mpeg2 => [&[0xFF, 0xFD, 0x60, 0x00][..], &[7; 309]].concat(),
    }
}
