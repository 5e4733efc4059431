//! The demuxer: reads the file in order, and holds back samples until all tracks are known.

use super::packets::Packets;
use super::tracks::Tracks;
use super::vcd::Sectors;
use crate::container::{ContainerError, Demuxer, Event, TrackInfo};
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes asked for at once.
const READ_LEN: usize = 1 << 20;
/// Tracks that begin within this much of the stream are found. A program stream has no list of what is in it that files
/// could be trusted with, and players look no further than this either (ffmpeg: 5 MB).
const SEARCH_LEN: u64 = 8 << 20;
/// Where even then a stream has not given its first sample, no longer is waited.
const MAX_SEARCH_LEN: u64 = 24 << 20;
/// Samples that gather until then at most: a stream of pictures of ten bytes would make millions.
const MAX_GATHERED: usize = 100_000;

/// MPEG program streams, plain or in the sectors of a Video CD.
///
/// Track numbers are stream ids, and 0xbd00 and the sub-stream for those of private stream 1. A file is read once from start to end.
#[derive(Debug)]
pub struct Ps {
    format: &'static str,
    len: u64,
    /// Up to where the file is used up.
    at: u64,
    /// `None` for a plain stream, else the sectors and what of their data is not used up.
    sectors: Option<(Sectors, Vec<u8>)>,
    packets: Packets,
    tracks: Tracks,
    events: VecDeque<Event>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Samples gather until it is known which tracks there are and where the presentation starts.
    Searching,
    /// Samples leave, their times counted from `zero` in 90 kHz.
    Running { tracks: Vec<TrackInfo>, zero: i64 },
    /// All has been read; an error if no track was found.
    Over(Result<(), ContainerError>),
}

impl Ps {
    /// A program stream as a file of `len` bytes.
    pub fn plain(len: u64) -> Self {
        Self::new("mpeg-ps", len, None)
    }

    /// One in the sectors of a Video CD, a file of `len` bytes.
    pub fn in_sectors(len: u64) -> Self {
        Self::new("vcd-dat", len, Some(Default::default()))
    }

    fn new(format: &'static str, len: u64, sectors: Option<(Sectors, Vec<u8>)>) -> Self {
        let (packets, tracks, events) = (Packets::default(), Tracks::default(), VecDeque::new());
        Self { format, len, at: 0, sectors, packets, tracks, events, stage: Stage::Searching }
    }

    /// Takes what can be taken from the file's bytes from `self.at` on; says how many it used up.
    fn parse(&mut self, bytes: &[u8], at_end: bool) -> usize {
        let Some((sectors, data)) = &mut self.sectors else {
            let mut rest = bytes;
            while let Some(item) = self.packets.next(&mut rest, at_end) {
                self.tracks.handle(item);
            }
            return bytes.len() - rest.len();
        };
        let used = sectors.take_apart(bytes, at_end, data);
        let junk = sectors.take_junk();
        if junk > 0 {
            self.tracks
                .gathered
                .note(format!("{junk} bytes between sectors passed over before byte {}", self.at + used as u64));
        }
        let mut rest = &data[..];
        while let Some(item) = self.packets.next(&mut rest, at_end) {
            self.tracks.handle(item);
        }
        let left = rest.len();
        data.drain(..data.len() - left);
        used
    }

    fn finish(&mut self) {
        if let Some((offset, len)) = self.packets.last_junk() {
            self.tracks
                .gathered
                .note(format!("{len} bytes that belong to no packet passed over at byte {offset} of the stream"));
        }
        self.tracks.finish();
        if matches!(self.stage, Stage::Searching) {
            self.announce();
        }
        self.release();
        let found = match &self.stage {
            Stage::Running { tracks, .. } if tracks.is_empty() => Err(self.nothing_found()),
            _ => Ok(()),
        };
        self.stage = Stage::Over(found);
    }

    fn nothing_found(&self) -> ContainerError {
        let mut reason =
            String::from("no MPEG-1 or MPEG-2 video and no MPEG, AC-3 or LPCM audio with a whole access unit");
        for note in self.tracks.named_streams() {
            reason.push_str("; ");
            reason.push_str(note);
        }
        ContainerError { format: self.format, offset: self.len, path: String::new(), reason }
    }

    fn announce(&mut self) {
        let tracks = self.tracks.announce();
        let zero = self.tracks.gathered.earliest(&tracks);
        self.events.extend(tracks.iter().cloned().map(Event::Track));
        self.stage = Stage::Running { tracks, zero };
    }

    /// Turns what the tracks gathered into events.
    fn release(&mut self) {
        self.events.extend(self.tracks.gathered.notes.drain(..).map(Event::Note));
        let Stage::Running { tracks, zero } = &self.stage else { return };
        self.tracks.gathered.release(tracks, *zero, &mut self.events);
    }
}

impl Demuxer for Ps {
    fn poll(&mut self) -> Result<Event, ContainerError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        match &self.stage {
            Stage::Over(found) => found.clone().map(|()| Event::End),
            _ if self.at >= self.len => {
                self.parse(&[], true);
                self.finish();
                self.poll()
            }
            _ => {
                let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX);
                Ok(Event::Need { offset: self.at, length: left.min(READ_LEN) })
            }
        }
    }

    fn handle_bytes(&mut self, offset: u64, bytes: Bytes) {
        if offset != self.at || matches!(self.stage, Stage::Over(_)) {
            return;
        }
        // A file may have become shorter since its length was taken.
        let at_end = bytes.len() < READ_LEN || offset + bytes.len() as u64 >= self.len;
        self.at += self.parse(&bytes, at_end) as u64;
        if at_end {
            self.at = self.len;
            return self.finish();
        }
        let searched = self.tracks.gathered.samples.len() >= MAX_GATHERED
            || self.at >= SEARCH_LEN && (self.tracks.all_begun() || self.at >= MAX_SEARCH_LEN);
        if searched && matches!(self.stage, Stage::Searching) {
            self.announce();
        }
        self.release();
    }
}
