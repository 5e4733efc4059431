//! MP4 and QuickTime (ISO 14496-12, -14, -15; QuickTime File Format).
//!
//! The sample tables stay as the file's own bytes (`tables`) and cursors go over them; `edits` lays a track's
//! samples onto the timeline; fragments (`fragment`) follow as they are met. `stream` makes of both one
//! track's samples; here the tracks are merged by decoding time, and what lies together in the file is read
//! together.
//!
//! Samples that an edit list trims but decoding needs come with negative times.

mod boxes;
mod codec;
mod edits;
mod entry;
mod esds;
mod fragment;
mod groups;
mod inflate;
mod limits;
mod loader;
mod stream;
mod tables;
#[cfg(test)]
mod tests;
mod ticks;
mod track;

use super::{ContainerError, DemuxedSample, Event, TrackInfo, limits::MAX_NOTES, loader::OverLoader};
use boxes::{FourCc, Header, Piece};
pub(super) use codec::{Codec, Foreign, Pcm};
pub(super) use entry::{avc_codec, hevc_codec};
use limits::{
    BATCH_BYTES, BATCH_SAMPLES, FIRST_STEPS, MAX_MOOF, MAX_MOOV, MAX_QUEUED_BYTES, MAX_QUEUED_RUNS, MAX_REPEATED,
};
use loader::Loader;
use std::collections::VecDeque;
use stream::{Planned, Stream};
use track::Movie;

/// Whether a file that begins with `head` is MP4 or QuickTime: its first box is one that such files begin with.
pub fn looks_like(head: &[u8]) -> bool {
    let Ok((_, Header { kind, size, .. })) = boxes::header(head) else { return false };
    match &kind.0 {
        // Everything else needs 8 bytes more than the header, and a brand or a length that makes sense.
        b"ftyp" | b"styp" => size.is_some_and(|size| (16..1 << 16).contains(&size)),
        b"moov" | b"moof" | b"sidx" => size.is_some_and(|size| size > 8),
        b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => true,
        _ => false,
    }
}

/// Reads an MP4 or QuickTime file.
#[derive(Debug)]
pub struct Mp4Demuxer {
    loader: Loader,
    state: State,
    out: VecDeque<Event>,
    streams: Vec<Stream>,
    fragments: Option<Fragments>,
    /// Planned and not read yet.
    batch: Vec<Planned>,
    /// Of all samples planned so far.
    planned_bytes: u64,
    /// Damaged fragments.
    left_out: usize,
}

#[derive(Debug)]
enum State {
    /// `moov` has not been met; the next box begins at `at`. Names of those before, for the error.
    FindMovie { at: u64, met: Vec<FourCc> },
    /// It lies at `at`.
    ReadMovie { at: u64, header: u64, size: u64 },
    /// The first fragments of each track are looked for.
    FirstFragments { left: usize },
    /// The first samples of some tracks must be seen.
    FirstSamples,
    /// The next samples are chosen.
    Plan,
    /// They are being read.
    Read,
    /// Nothing is left.
    End,
}

/// The way through the fragments.
#[derive(Debug)]
struct Fragments {
    /// Where the next box begins.
    at: u64,
    defaults: Vec<(u32, fragment::Defaults)>,
    ended: bool,
}

impl OverLoader for Mp4Demuxer {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        match &mut self.state {
            State::FindMovie { .. } => self.find_movie()?,
            &mut State::ReadMovie { at, header, size } => self.read_movie(at, header, size)?,
            State::FirstFragments { left } => {
                let enough = *left == 0 || self.streams.iter().all(Stream::has_samples);
                *left = left.saturating_sub(1);
                if enough || self.fragments.as_ref().is_none_or(|fragments| fragments.ended) {
                    self.begin();
                } else {
                    self.next_fragment()?;
                }
            }
            State::FirstSamples => self.announce()?,
            State::Plan => self.plan()?,
            State::Read => self.emit()?,
            State::End => return Ok(false),
        }
        Ok(true)
    }

    fn unpack(&mut self, mut sample: DemuxedSample) -> Option<DemuxedSample> {
        let stream = self.streams.iter_mut().find(|stream| stream.number == sample.track)?;
        sample.data = stream.unpack(sample.data).map_err(|note| self.out.extend(note.map(Event::Note))).ok()?;
        Some(sample)
    }
}

impl Mp4Demuxer {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self {
            loader: Loader::new("mp4", len),
            state: State::FindMovie { at: 0, met: Vec::new() },
            out: VecDeque::new(),
            streams: Vec::new(),
            fragments: None,
            batch: Vec::new(),
            planned_bytes: 0,
            left_out: 0,
        }
    }

    fn find_movie(&mut self) -> Result<(), ContainerError> {
        let State::FindMovie { at, met } = &mut self.state else { return Ok(()) };
        let len = self.loader.file_len();
        let Some(head) = self.loader.header(*at)? else { return Ok(()) };
        let (found, size) = match head {
            Some(head) => (head, head.size.unwrap_or(len - *at)),
            None => {
                let met: Vec<String> = met.iter().map(FourCc::to_string).collect();
                let reason = format!("no moov box, which has the tracks, among those found: {}", met.join(", "));
                return Err(error(*at, reason));
            }
        };
        if &found.kind.0 == b"moov" {
            if size > len - *at {
                let left = len - *at;
                return Err(error(*at, format!("moov has {size} bytes, but the file ends after {left} of them")));
            }
            if size > MAX_MOOV {
                return Err(error(*at, format!("moov has {size} bytes; at most {MAX_MOOV} are read")));
            }
            self.state = State::ReadMovie { at: *at, header: found.header, size };
            return Ok(());
        }
        if met.len() < 16 && met.last() != Some(&found.kind) {
            met.push(found.kind);
        }
        *at = at.saturating_add(size);
        Ok(())
    }

    fn read_movie(&mut self, at: u64, header: u64, size: u64) -> Result<(), ContainerError> {
        let Some(bytes) = self.loader.whole(at, size) else { return Ok(()) };
        self.loader.clear();
        // Within MAX_MOOV, and a header is at most 16 bytes of it.
        let body = bytes.slice(header as usize..);
        let movie = Movie::read(&Piece::root(FourCc(*b"moov"), body, at + header), self.loader.file_len())?;
        self.out.extend(movie.notes.into_iter().map(Event::Note));
        for track in movie.tracks {
            let number = track.number;
            match Stream::new(track) {
                Ok(stream) => self.streams.push(stream),
                Err(reason) => return Err(error(at, format!("track {number}: {reason}"))),
            }
        }
        self.fragments = movie.fragments.map(|defaults| Fragments { at: at + size, defaults, ended: false });
        self.state = State::FirstFragments { left: FIRST_STEPS };
        Ok(())
    }

    /// All that can be known of the times is: sets where the presentation begins and asks for first samples.
    fn begin(&mut self) {
        // The earliest by cross multiplication: (ticks, timescale). Text has no say: it begins whenever someone speaks.
        let spoken = self.streams.iter_mut().filter(|stream| !stream.text);
        let firsts = spoken.filter_map(|stream| Some((stream.first_shown()?, stream.timescale)));
        let earlier = |a: (i64, u32), b: (i64, u32)| {
            if i128::from(b.0) * i128::from(a.1) < i128::from(a.0) * i128::from(b.1) { b } else { a }
        };
        let zero = firsts.reduce(earlier).unwrap_or((0, 1));
        self.loader.clear();
        let len = self.loader.file_len();
        let mut wanted = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            stream.set_zero(zero);
            stream.advance(index, len);
            if let Some(first) = stream.next
                && stream.codecs.first().and_then(Option::as_ref).is_some_and(|codec| codec.wants_first_sample())
            {
                wanted.push((first.offset, first.size));
            }
        }
        self.loader.want_all(wanted);
        self.state = State::FirstSamples;
    }

    fn announce(&mut self) -> Result<(), ContainerError> {
        let (mut streams, mut tracks) = (Vec::new(), Vec::new());
        let mut reasons = Vec::new();
        for mut stream in std::mem::take(&mut self.streams) {
            self.out.extend(stream.notes.drain(..).map(Event::Note));
            let Some(first) = stream.next else {
                reasons.push(format!("track {} is left out: it has no samples that can be read", stream.number));
                continue;
            };
            let bytes = self.loader.get(first.offset, first.size);
            let Some(Some(codec)) = stream.codecs.first() else { continue };
            match codec.format(bytes.as_deref()) {
                Ok(format) => {
                    tracks.push(TrackInfo {
                        number: stream.number,
                        format,
                        language: stream.language.clone(),
                        timescale: stream.timescale,
                    });
                    // Their place is their number in what is planned.
                    stream.next = Some(Planned { stream: streams.len(), ..first });
                    streams.push(stream);
                }
                Err(reason) => reasons.push(format!("track {} is left out: {reason}", stream.number)),
            }
        }
        self.loader.clear();
        self.streams = streams;
        if self.streams.is_empty() {
            return Err(error(0, format!("no track that can be sent: {}", reasons.join("; "))));
        }
        self.out.extend(tracks.into_iter().map(Event::Track));
        self.out.extend(reasons.into_iter().map(Event::Note));
        self.state = State::Plan;
        Ok(())
    }

    /// Chooses the next samples over all tracks by decoding time.
    fn plan(&mut self) -> Result<(), ContainerError> {
        let len = self.loader.file_len();
        let mut bytes: usize = self.batch.iter().map(|planned| planned.size).sum();
        while bytes < BATCH_BYTES && self.batch.len() < BATCH_SAMPLES {
            for (index, stream) in self.streams.iter_mut().enumerate() {
                stream.advance(index, len);
                self.out.extend(stream.notes.drain(..).map(Event::Note));
            }
            if self.wants_fragment() {
                return self.next_fragment();
            }
            let due = |stream: &Stream| Some((stream.next?.dts, stream.timescale));
            let first = self.streams.iter_mut().filter(|stream| due(stream).is_some()).reduce(|a, b| {
                let (Some((x, x_scale)), Some((y, y_scale))) = (due(a), due(b)) else { return a };
                if i128::from(y) * i128::from(x_scale) < i128::from(x) * i128::from(y_scale) { b } else { a }
            });
            let Some(planned) = first.and_then(|stream| stream.next.take()) else { break };
            bytes += planned.size;
            self.planned_bytes = self.planned_bytes.saturating_add(planned.size as u64);
            if self.planned_bytes / MAX_REPEATED > len {
                let reason = format!("samples overlap: together they have over {MAX_REPEATED} times the file's bytes");
                return Err(error(planned.offset, reason));
            }
            self.batch.push(planned);
        }
        self.loader.clear();
        self.state = if self.batch.is_empty() { State::End } else { State::Read };
        self.loader.want_all(self.batch.iter().map(|planned| (planned.offset, planned.size)).collect());
        Ok(())
    }

    /// Whether a track waits for one, and the others' don't wait for too long already.
    fn wants_fragment(&self) -> bool {
        let held: usize = self.streams.iter().flat_map(|stream| &stream.runs).map(fragment::Run::held).sum();
        self.fragments.as_ref().is_some_and(|fragments| !fragments.ended)
            && self.streams.iter().any(|stream| stream.next.is_none())
            && held < MAX_QUEUED_BYTES
            && self.streams.iter().all(|stream| stream.runs.len() < MAX_QUEUED_RUNS)
    }

    /// Goes on to the next fragment and takes its runs in, or asks for bytes.
    fn next_fragment(&mut self) -> Result<(), ContainerError> {
        let Some(fragments) = &mut self.fragments else { return Ok(()) };
        let len = self.loader.file_len();
        let at = fragments.at;
        let head = match self.loader.header(at) {
            Ok(None) => return Ok(()),
            Ok(Some(Some(head))) => head,
            Ok(Some(None)) => {
                fragments.ended = true;
                return Ok(());
            }
            // Junk after whole fragments: what was read is good.
            Err(error) => {
                fragments.ended = true;
                self.out.push_back(Event::Note(format!("the fragments end early: {error}")));
                return Ok(());
            }
        };
        let size = head.size.unwrap_or(len - at);
        if &head.kind.0 == b"moof" {
            if size > len - at {
                fragments.ended = true;
                let note = format!("the last fragment, at byte {at}, is cut by the end of the file and left out");
                self.out.push_back(Event::Note(note));
                return Ok(());
            }
            if size > MAX_MOOF {
                fragments.at = at.saturating_add(size);
                self.leave_out(error(at, format!("moof has {size} bytes; at most {MAX_MOOF} are read")));
                return Ok(());
            }
            let Some(bytes) = self.loader.whole(at, size) else { return Ok(()) };
            // Within MAX_MOOF, and a header is at most 16 bytes of it.
            let moof = Piece::root(head.kind, bytes.slice(head.header as usize..), at + head.header);
            let streams = &self.streams;
            let runs = fragment::read(&moof, at, len, |id| {
                let audio = streams.iter().find(|stream| stream.id == id)?.audio;
                let defaults = fragments.defaults.iter().find(|(track, _)| *track == id);
                Some((defaults.map(|(_, defaults)| *defaults).unwrap_or_default(), audio))
            });
            match runs {
                Ok(runs) => {
                    for (id, run) in runs {
                        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
                            stream.runs.push_back(run);
                        }
                    }
                }
                Err(error) => {
                    fragments.at = at.saturating_add(size);
                    self.leave_out(error);
                    return Ok(());
                }
            }
        }
        fragments.at = at.saturating_add(size);
        Ok(())
    }

    /// Says that a fragment is damaged; the next ones have their own places and times.
    fn leave_out(&mut self, error: ContainerError) {
        self.left_out += 1;
        if self.left_out < MAX_NOTES {
            self.out.push_back(Event::Note(format!("a fragment is left out: {error}")));
        } else if self.left_out == MAX_NOTES {
            self.out.push_back(Event::Note("more fragments are left out".into()));
        }
    }

    /// Gives out the samples that have been read.
    fn emit(&mut self) -> Result<(), ContainerError> {
        for planned in self.batch.drain(..) {
            let Planned { offset, size, dts, pts, duration, .. } = planned;
            let stream = &mut self.streams[planned.stream];
            let Some(data) = self.loader.get(offset, size) else {
                return Err(error(offset, "the bytes asked for did not come"));
            };
            let Some(Some(codec)) = stream.codecs.get(planned.description) else { continue };
            let doubtful = stream.doubtful_sync || codec.is_often_mistold();
            let sync = planned.sync && !(doubtful && codec.denies_sync(&data));
            // With several descriptions a picture where decoding begins must bring its own parameter sets.
            let (data, damaged) = match codec {
                Codec::Ima4 { channels, .. } => {
                    let (samples, cut) = stream.ima4.decode(&data, *channels);
                    (samples.into(), cut)
                }
                codec => codec.access_unit(data, sync && stream.codecs.len() > 1),
            };
            if damaged && let Some(note) = stream.damaged(Some(offset), "damage is cut off") {
                self.out.push_back(Event::Note(note));
            }
            if !data.is_empty() {
                let sample = DemuxedSample { track: stream.number, dts, pts, duration, sync, data };
                self.out.push_back(Event::Sample(sample));
            }
        }
        self.loader.clear();
        self.state = State::Plan;
        Ok(())
    }
}

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: "mp4", offset, path: String::new(), reason: reason.into() }
}
