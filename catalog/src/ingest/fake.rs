//! A container for tests, in which a test says event by event what happens.

use crate::container::{ContainerError, DemuxedSample, Demuxer, Event, TrackInfo};
use bytes::{Buf, Bytes};
use rtp::format::Format;

const MAGIC: &[u8] = b"FAKEFILM";
/// Kind, track, time, length.
const RECORD: usize = 1 + 1 + 8 + 4;

/// Writes such a file. Times are milliseconds.
pub(crate) struct FakeFilm(pub Vec<u8>);

impl FakeFilm {
    /// With so many AAC tracks.
    pub fn new(tracks: u8) -> Self {
        let mut film = Self(MAGIC.to_vec());
        (1..=tracks).for_each(|track| film.record(b'T', track, 0, &[]));
        film
    }

    /// Of one or more tracks with so many samples each, all different by `seed`.
    pub fn filled(tracks: u8, samples: i64, size: usize, seed: u8) -> Self {
        let mut film = Self::new(tracks);
        for number in 0..samples {
            for track in 1..=tracks {
                let data: Vec<u8> =
                    (0..size).map(|at| (at as u8).wrapping_mul(seed | 1) ^ number as u8 ^ track).collect();
                film.sample(track, number * 20, &data);
            }
        }
        film.record(b'E', 0, 0, &[]);
        film
    }

    pub fn sample(&mut self, track: u8, time: i64, data: &[u8]) {
        self.record(b'S', track, time, data);
    }

    pub fn record(&mut self, kind: u8, track: u8, time: i64, data: &[u8]) {
        self.0.extend([kind, track]);
        self.0.extend(time.to_be_bytes());
        self.0.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        self.0.extend(data);
    }
}

/// Reads it.
pub(crate) fn open(head: &[u8], len: u64, _: Option<u16>) -> Option<Result<Box<dyn Demuxer>, ContainerError>> {
    let fake = Fake { at: MAGIC.len() as u64, len, head: None, body: None };
    head.starts_with(MAGIC).then(|| Ok(Box::new(fake) as Box<dyn Demuxer>))
}

struct Fake {
    at: u64,
    len: u64,
    head: Option<Bytes>,
    body: Option<Bytes>,
}

impl Demuxer for Fake {
    fn poll(&mut self) -> Result<Event, ContainerError> {
        let error = |offset, reason: &str| ContainerError {
            format: "fake",
            offset,
            path: "film".into(),
            reason: reason.into(),
        };
        if self.at >= self.len {
            return Err(error(self.at, "ends without an end"));
        }
        let Some(head) = &self.head else { return Ok(Event::Need { offset: self.at, length: RECORD }) };
        let mut head = head.clone();
        if head.len() < RECORD {
            return Err(error(self.at, "cut in a record"));
        }
        let (kind, track, time, length) =
            (head.get_u8(), u32::from(head.get_u8()), head.get_i64(), head.get_u32() as usize);
        if length > 0 && self.body.is_none() {
            return Ok(Event::Need { offset: self.at + RECORD as u64, length });
        }
        let data = self.body.take().unwrap_or_default();
        if data.len() < length {
            return Err(error(self.at, "cut in a sample"));
        }
        let at = self.at;
        if kind != b'E' {
            self.at += (RECORD + length) as u64;
            self.head = None;
        }
        let format = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 };
        Ok(match kind {
            b'T' => Event::Track(TrackInfo { number: track, format, language: Some("de".into()), timescale: 1_000 }),
            b'S' => Event::Sample(DemuxedSample { track, dts: time, pts: time, duration: 20, sync: true, data }),
            b'N' => Event::Note(String::from_utf8_lossy(&data).into_owned()),
            b'E' => Event::End,
            b'P' => panic!("a demuxer's bug"),
            _ => return Err(error(at, "no such record")),
        })
    }

    fn handle_bytes(&mut self, _: u64, bytes: Bytes) {
        if self.head.is_none() {
            self.head = Some(bytes);
        } else {
            self.body = Some(bytes);
        }
    }
}
