//! A presentation as one transport stream: an index that is not stored, whose only track has the samples of all.
//!
//! They come in the order in which they lie in the media object, which is that of their decode times.

use crate::index::{Index, Track};
use crate::sample::{Sample, TableBuilder, TableError};
use rtp::clock::{ClockRate, Ticks};
use rtp::format::{Format, Media};
use rtp::mp2t::{MAX_STREAMS, NotCarried, Program, Stream};
use std::sync::Arc;

/// Why a presentation can't be a transport stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultiplexError {
    /// One of its tracks can't be in one.
    #[error("track {track}, {error}")]
    Track {
        /// Its id.
        track: u32,
        /// Why not.
        error: NotCarried,
    },
    /// It has too many.
    #[error("{0} tracks, a transport stream takes {MAX_STREAMS} here")]
    TooMany(usize),
    /// All samples together can't be in one table.
    #[error("its samples together: {0}")]
    Table(#[from] TableError),
}

/// `index` as one transport stream, whose track has the id `id`.
///
/// # Errors
/// Which track can't be in it, and why.
pub fn multiplex(index: &Index, id: u32) -> Result<Index, MultiplexError> {
    if index.tracks.len() > MAX_STREAMS {
        return Err(MultiplexError::TooMany(index.tracks.len()));
    }
    let mut streams = Vec::new();
    let mut samples: Vec<(Sample, Ticks, u8)> = Vec::new();
    // Who seeks begins where this one can be decoded.
    let video = |track: &Track| track.format.media() == Media::Video;
    let leader = index.tracks.iter().position(video).unwrap_or(0);
    for (number, track) in index.tracks.iter().enumerate() {
        Program::carries(&track.format).map_err(|error| MultiplexError::Track { track: track.id, error })?;
        streams.push(Stream { format: track.format.clone(), language: track.language.clone() });
        let clock = track.clock();
        let ticks = |ticks: Ticks| ClockRate::VIDEO.rescale(ticks.0, clock.hz());
        samples.extend(track.samples.iter_from(0).enumerate().map(|(place, sample)| {
            let (dts, pts) = (ticks(sample.dts), ticks(sample.pts));
            let over = ticks(Ticks(sample.pts.0 + track.samples.duration(place).unwrap_or_default().0));
            let sample = Sample { dts: Ticks(dts.0.min(pts.0)), pts, sync: sample.sync && number == leader, ..sample };
            (sample, Ticks(over.0 - pts.0), number as u8)
        }));
    }
    samples.sort_by_key(|(sample, ..)| sample.offset);
    let mut table = TableBuilder::new();
    for (sample, duration, _) in &samples {
        // Tracks far apart in their file lie out of order.
        let dts = table.last_dts().map_or(sample.dts, |before| before.max(sample.dts));
        table.push(Sample { dts, ..*sample }, *duration)?;
    }
    let order = samples.iter().map(|(.., stream)| *stream).collect();
    drop(samples);
    // Of tracks together the table can't tell whose pictures are out of order; each track's own can.
    let ends = index.tracks.iter().map(|track| ClockRate::VIDEO.rescale(track.samples.end().0, track.clock().hz()));
    let samples = table.finish_at(ends.max().unwrap_or_default());
    let rates = samples.rates(ClockRate::VIDEO);
    // What the packets of 188 bytes add.
    let with_heads = |bits: u32| bits.saturating_add(bits / 10);
    let track = Track {
        id,
        format: Format::Mp2t { program: Arc::new(Program { streams, order }) },
        language: None,
        bandwidth_bps: with_heads(rates.peak_bps),
        average_bps: with_heads(rates.average_bps),
        samples,
    };
    Ok(Index {
        name: index.name.clone(),
        title: index.title.clone(),
        source: index.source,
        created: index.created,
        duration: index.duration,
        media: index.media.clone(),
        tracks: vec![track],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentation::{Source, SourceHash};
    use rtp::clock::MediaTime;
    use stripes::id::{NodeId, ObjectId};
    use stripes::layout::{Layout, Policy};

    /// 20 pictures, every fifth a sync one, each shown one later; and 40 units of AAC.
    fn film() -> Index {
        let (mut video, mut audio) = (TableBuilder::new(), TableBuilder::new());
        let mut offset = 0;
        let mut add = |table: &mut TableBuilder, dts, pts, size, sync, duration| {
            let sample = Sample { offset, size, dts: Ticks(dts), pts: Ticks(pts), sync };
            offset += u64::from(size);
            table.push(sample, Ticks(duration)).unwrap();
        };
        for picture in 0..20 {
            add(&mut video, picture * 3600, picture * 3600 + 3600, 1000, picture % 5 == 0, 3600);
            for unit in 0..2 {
                let at = (picture * 2 + unit) * 882;
                add(&mut audio, at, at, 100, true, 882);
            }
        }
        let h264 = Format::H264 { sps: vec![vec![0x67]], pps: vec![vec![0x68]], width: 64, height: 48 };
        let aac = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 };
        let track = |id, format, table: TableBuilder| Track {
            id,
            format,
            language: None,
            bandwidth_bps: 1,
            average_bps: 1,
            samples: table.finish(),
        };
        Index {
            name: "film".into(),
            title: "film".into(),
            source: Source { hash: SourceHash([0; 32]), bytes: 0 },
            created: 0,
            duration: MediaTime(840_000_000),
            media: Layout::new(
                ObjectId(1),
                offset,
                Policy { unit_size: 1 << 16, data: 1, parity: 0 },
                vec![NodeId(1)],
                0,
            ),
            tracks: vec![track(1, h264, video), track(2, aac, audio)],
        }
    }

    #[test]
    fn one_track_has_the_samples_of_all_in_the_order_of_their_bytes() {
        let film = film();
        let whole = multiplex(&film, 9).unwrap();
        assert_eq!(whole.check(), Ok(()));
        let [track] = &whole.tracks[..] else { panic!("{} tracks", whole.tracks.len()) };
        let Format::Mp2t { program } = &track.format else { panic!("{:?}", track.format) };
        assert_eq!((track.id, track.samples.len(), program.order.len()), (9, 60, 60));
        assert_eq!(program.order[..6], [0, 1, 1, 0, 1, 1]);
        let mut places = [0, 0];
        for (sample, stream) in track.samples.iter_from(0).zip(&program.order) {
            let stream = usize::from(*stream);
            let own = film.tracks[stream].samples.get(places[stream]).unwrap();
            places[stream] += 1;
            assert_eq!((sample.offset, sample.size), (own.offset, own.size));
            let clock = film.tracks[stream].clock();
            assert_eq!(sample.pts, ClockRate::VIDEO.rescale(own.pts.0, clock.hz()));
            assert_eq!(sample.sync, stream == 0 && own.sync);
        }
        // Who asks for half a second begins with the picture that can be decoded.
        let at = track.samples.sync_at_or_before(Ticks(45_000));
        assert_eq!(track.samples.get(at).unwrap().pts, Ticks(10 * 3600 + 3600));
        assert_eq!(track.samples.end(), Ticks(20 * 3600 + 3600));
    }

    #[test]
    fn what_can_not_be_in_it_is_named() {
        let mut film = film();
        film.tracks[1].format = Format::Opus { channels: 2 };
        let error = multiplex(&film, 9).unwrap_err().to_string();
        assert!(error.starts_with("track 2, Opus 48000 Hz stereo: a transport stream carries MPEG-1"), "{error}");
        film.tracks = (1..=9).map(|id| Track { id, ..film.tracks[0].clone() }).collect();
        assert_eq!(multiplex(&film, 9), Err(MultiplexError::TooMany(9)));
    }
}
