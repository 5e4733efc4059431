//! How the tracks of a presentation travel: each with the payload format of its codec, or, where one has none, all of
//! them in packets of ASF.
//!
//! A demuxer announces a track without a payload format of its own as [`Format::Asf`] ([`Wrapper`] makes it) and
//! gives its samples bare; [`Wrapping`] stands between it and whoever drives it, and does the rest for all tracks.

use super::asf::wrap::{TIMESCALE, Wrapper};
use super::{ContainerError, Demuxer, Event, TrackInfo, quicktime};
use bytes::Bytes;
use rtp::format::{Format, Media};
use std::collections::VecDeque;

/// A demuxer whose tracks are wrapped where they must be.
pub(super) struct Wrapping<D> {
    inner: D,
    /// Announced by the demuxer; after its first sample none comes.
    tracks: Vec<TrackInfo>,
    decided: bool,
    ways: Vec<(u32, Way)>,
    out: VecDeque<Event>,
}

/// How one track travels.
#[derive(Debug)]
enum Way {
    Own,
    Wrapped(Box<Wrapper>, u32),
    LeftOut,
}

impl<D: Demuxer> Wrapping<D> {
    pub fn new(inner: D) -> Self {
        Self { inner, tracks: Vec::new(), decided: false, ways: Vec::new(), out: VecDeque::new() }
    }

    /// All tracks are known.
    fn decide(&mut self) {
        self.decided = true;
        as_quicktime(&mut self.tracks);
        let wrapped = is_wrapped(&self.tracks);
        for (track, stream) in self.tracks.drain(..).zip(1u8..) {
            let number = track.number;
            let foreign = matches!(track.format, Format::Asf { .. });
            let way = match (wrapped, foreign) {
                (true, _) => {
                    Wrapper::of(stream, &track.format).map(|wrapper| Way::Wrapped(wrapper.into(), track.timescale))
                }
                (false, false) => Ok(Way::Own),
                (false, true) => Err("it would take all tracks into packets of ASF, and there is other sound".into()),
            };
            let way = way.unwrap_or_else(|why| {
                let what = track.format.describe();
                self.out.push_back(Event::Note(format!("track {number} is left out: {what}: {why}")));
                Way::LeftOut
            });
            match &way {
                Way::Own => self.out.push_back(Event::Track(track)),
                Way::Wrapped(wrapper, _) => {
                    let info = TrackInfo { format: wrapper.format(), timescale: TIMESCALE, ..track };
                    self.out.push_back(Event::Track(info));
                }
                Way::LeftOut => {}
            }
            self.ways.push((number, way));
        }
    }
}

impl<D: Demuxer> Demuxer for Wrapping<D> {
    fn poll(&mut self) -> Result<Event, ContainerError> {
        loop {
            if let Some(event) = self.out.pop_front() {
                return Ok(event);
            }
            match self.inner.poll()? {
                Event::Track(track) => self.tracks.push(track),
                Event::Sample(mut sample) => {
                    if !self.decided {
                        self.decide();
                    }
                    let way = self.ways.iter_mut().find(|(number, _)| *number == sample.track);
                    match way.map(|(_, way)| way) {
                        Some(Way::LeftOut) => continue,
                        Some(Way::Wrapped(wrapper, timescale)) => sample = wrapper.wrap(&sample, *timescale),
                        Some(Way::Own) | None => {}
                    }
                    self.out.push_back(Event::Sample(sample));
                }
                Event::End if !self.decided => {
                    self.decide();
                    self.out.push_back(Event::End);
                }
                event @ (Event::Need { .. } | Event::Note(_) | Event::End) => return Ok(event),
            }
        }
    }

    fn handle_bytes(&mut self, offset: u64, bytes: Bytes) {
        self.inner.handle_bytes(offset, bytes);
    }
}

/// Beside a track that ASF has no name for, pictures that it would carry have one in QuickTime, too, where they say their
/// size themselves: packets of ASF hold all tracks of a presentation or none.
fn as_quicktime(tracks: &mut [TrackInfo]) {
    /// Where a BITMAPINFOHEADER lies in the Stream Properties Object of ASF, and its length.
    const BITMAP_INFO: usize = 78 + 11;
    const BITMAP_INFO_LEN: usize = 40;
    // Opus has a format tag, which no player of today knows.
    let nameless = |format: &Format| matches!(format, Format::QuickTime { .. } | Format::Opus { .. });
    if !tracks.iter().any(|track| nameless(&track.format)) {
        return;
    }
    for track in tracks {
        let Format::Asf { media: Media::Video, properties, .. } = &track.format else { continue };
        let Some((info, private)) =
            properties.get(BITMAP_INFO..).and_then(|rest| rest.split_first_chunk::<BITMAP_INFO_LEN>())
        else {
            continue;
        };
        let word = |at: usize| [info[at], info[at + 1], info[at + 2], info[at + 3]];
        let size = |at: usize| i32::from_le_bytes(word(at)).unsigned_abs();
        let name = match &word(16) {
            name @ (b"FLV1" | b"FSV1") if private.is_empty() => *name,
            b"AV01" => *b"av01",
            _ => continue,
        };
        if let Some(format) = quicktime::pictures(name, size(4), size(8), CLOCK) {
            track.format = format;
        }
    }
}

/// The RTP clock of those.
const CLOCK: u32 = 90_000;

/// Whether these travel in packets of ASF: one has no payload format of its own. Sound that has none is rather left out
/// where there is other sound: ASF has one time for a picture, with a resolution of a millisecond, and some players know
/// nothing of it.
fn is_wrapped(tracks: &[TrackInfo]) -> bool {
    let of = |media: Media, foreign: bool| {
        let alike = |track: &&TrackInfo| matches!(track.format, Format::Asf { .. }) == foreign;
        tracks.iter().filter(alike).any(|track| track.format.media() == media)
    };
    of(Media::Video, true) || of(Media::Audio, true) && !of(Media::Audio, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::DemuxedSample;

    /// A demuxer of these tracks, each with one sample.
    struct Fake(VecDeque<Event>);

    impl Demuxer for Fake {
        fn poll(&mut self) -> Result<Event, ContainerError> {
            Ok(self.0.pop_front().unwrap_or(Event::End))
        }

        fn handle_bytes(&mut self, _: u64, _: Bytes) {}
    }

    fn video() -> Format {
        Wrapper::video_of(1, *b"svq1", 16, 16, 24, &[]).unwrap().format()
    }

    fn audio() -> Format {
        Wrapper::audio(1, &crate::container::wave::WaveFormat::new(0, 0, 0).to_bytes()).unwrap().format()
    }

    /// What the tracks `formats` become: each track's encoding name, and each sample's track, time and whether its bytes
    /// are as they were.
    #[track_caller]
    fn check(name: &str, formats: &[Format], want: &[(&str, i64, bool)]) {
        let tracks = formats.iter().zip(1..).map(|(format, number)| {
            Event::Track(TrackInfo { number, format: format.clone(), language: None, timescale: 90_000 })
        });
        let samples = (1..=formats.len() as u32).map(|track| {
            let data = Bytes::from_static(&[1, 2]);
            Event::Sample(DemuxedSample { track, dts: 9000, pts: 9000, duration: 90, sync: true, data })
        });
        let mut demuxer = Wrapping::new(Fake(tracks.chain(samples).collect()));
        let (mut names, mut found) = (Vec::new(), Vec::new());
        loop {
            match demuxer.poll().unwrap() {
                Event::Track(track) => names.push((track.number, track.format.encoding_name())),
                Event::Sample(sample) => {
                    let (_, name) = names.iter().find(|(number, _)| *number == sample.track).unwrap();
                    found.push((*name, sample.dts, sample.data.as_ref() == [1, 2]));
                }
                Event::End => break,
                _ => {}
            }
        }
        assert_eq!((found.as_slice(), names.len()), (want, want.len()), "{name}");
    }

    #[test]
    fn all_are_wrapped_or_none() {
        let mpa = Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 };
        let mpv = Format::Mpv { mpeg2: true, width: 16, height: 16 };
        let (asf, bare) = (("x-asf-pf", 100, false), |name| (name, 9000, true));
        check("known", &[mpv.clone(), mpa.clone()], &[bare("MPV"), bare("MPA")]);
        check("unknown video", &[video(), mpa.clone()], &[asf, asf]);
        check("unknown audio", &[mpv.clone(), audio()], &[asf, asf]);
        check("unknown audio among others", &[mpv.clone(), audio(), mpa], &[bare("MPV"), bare("MPA")]);
        let only = || quicktime::sound(*b"nmos", 2, 22_050, "Nellymoser".into()).unwrap();
        check("what only QuickTime has", &[mpv.clone(), only()], &[bare("MPV"), bare("X-QT")]);
        check("beside unknown video", &[video(), only()], &[asf]);
        let flash = || Wrapper::video_of(1, *b"FLV1", 16, 16, 24, &[]).unwrap().format();
        check("beside unknown video that says its size", &[flash(), only()], &[bare("X-QT"), bare("X-QT")]);
        let av1 = || Wrapper::video_of(1, *b"AV01", 16, 16, 24, &[1, 2]).unwrap().format();
        check("AV1", &[av1(), mpv.clone()], &[asf, asf]);
        check("AV1 beside Opus", &[av1(), Format::Opus { channels: 2 }], &[bare("X-QT"), bare("opus")]);
        check("E-AC-3", &[video(), Format::Eac3 { sample_rate: 48_000, channels: 6 }], &[asf, asf]);
        check("text can't", &[video(), Format::T140 {}], &[asf]);
        check("nothing", &[], &[]);
    }
}
