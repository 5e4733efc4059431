//! The elementary streams of a program stream, and those that become tracks.

use super::VIDEO_TIMESCALE;
use super::audio_es::AudioEs;
use super::gathered::Gathered;
use super::lpcm_es::LpcmEs;
use super::packets::Item;
use super::pes;
use super::ts::{self, Elementary};
use super::video_es::VideoEs;
use crate::container::{TrackInfo, limits};
use rtp::codec::{ac3, dts};
use std::collections::btree_map::{BTreeMap, Entry};

/// [`Stream::id`] of private stream 1 that is AC-3 itself.
const RAW_PRIVATE: u32 = 0xBD;

/// Video streams of one file: each may keep some megabytes. A Video CD has up to three.
const MAX_VIDEO: usize = 4;

/// Routes packets to their streams and gathers samples, notes and tracks.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    streams: Vec<Stream>,
    pub gathered: Gathered,
    /// Streams that can be no track, with what was said of them: by id and the byte that tells the kinds of private
    /// stream 1 apart.
    named: BTreeMap<(u8, u8), String>,
    /// Whether private stream 1 is AC-3 without sub-streams, as its first packet shows.
    raw_private: Option<bool>,
    announced: bool,
}

#[derive(Debug)]
struct Stream {
    /// The stream id, for a sub-stream of private stream 1 with its own in a lower byte: the track's number.
    id: u32,
    es: Es,
    left_out: bool,
}

#[derive(Debug)]
enum Es {
    Video(Box<VideoEs>),
    Audio(Box<AudioEs>),
    Ac3(Box<AudioEs<ac3::FrameHeader>>),
    Dts(Box<AudioEs<dts::FrameHeader>>),
    Lpcm(Box<LpcmEs>),
    /// What transport streams have, too.
    NewerVideo(Box<dyn Elementary>),
    NewerAudio(Box<dyn Elementary>),
}

/// Bytes of a sub-stream's header before AC-3 and DTS: its number, frames that begin, where the first does.
const SUB_HEADER_LEN: usize = 4;

impl Tracks {
    pub fn handle(&mut self, item: Item<'_>) {
        match item {
            Item::Clock(clock) => self.gathered.timeline.handle_clock(clock),
            Item::Junk { offset, len } => {
                self.gathered
                    .note(format!("{len} bytes that belong to no packet passed over at byte {offset} of the stream"));
            }
            Item::Payload { stream, header, bytes } => {
                let Some(index) = self.stream(stream, bytes) else { return };
                let stamp = header.pts.map(|pts| self.gathered.timeline.stamp(pts));
                let Stream { es, left_out, .. } = &mut self.streams[index];
                if *left_out {
                    return;
                }
                let gathered = &mut self.gathered;
                match es {
                    Es::Video(es) => es.handle_payload(bytes, stamp, gathered),
                    Es::Audio(es) => es.handle_payload(bytes, stamp, gathered),
                    Es::Ac3(es) => {
                        let header = if self.raw_private == Some(true) { 0 } else { SUB_HEADER_LEN };
                        es.handle_payload(bytes.get(header..).unwrap_or(&[]), stamp, gathered);
                    }
                    Es::Dts(es) => {
                        es.handle_payload(bytes.get(SUB_HEADER_LEN..).unwrap_or(&[]), stamp, gathered);
                    }
                    Es::Lpcm(es) => es.handle_payload(bytes, stamp, gathered),
                    Es::NewerVideo(es) | Es::NewerAudio(es) => {
                        let stamp = header.pts.map(|pts| gathered.timeline.stamp_both(pts, header.dts));
                        es.handle_payload(bytes, stamp, gathered);
                    }
                }
                self.gathered.note_jumps(format_args!("stream {stream:#04x}"));
            }
        }
    }

    /// Where the stream of `id` is; `None`, and a note the first time, for those that can be no track.
    fn stream(&mut self, id: u8, payload: &[u8]) -> Option<usize> {
        let number = self.number(id, payload);
        let known = self.streams.iter().position(|stream| stream.id == number);
        if known.is_some() {
            return known;
        }
        let es = match number {
            0xE0..=0xEF => match ts::newer_video(payload, number) {
                Some(es) => Es::NewerVideo(es),
                None => Es::Video(Box::new(VideoEs::new(number))),
            },
            0xC0..=0xDF => match ts::newer_audio(payload, number) {
                Some(es) => Es::NewerAudio(es),
                None => Es::Audio(Box::new(AudioEs::new(number))),
            },
            RAW_PRIVATE | 0xBD80..=0xBD87 | 0xBDC0..=0xBDCF => Es::Ac3(Box::new(AudioEs::new(number))),
            0xBD88..=0xBD8F | 0xBD98..=0xBD9F => Es::Dts(Box::new(AudioEs::new(number))),
            0xBDA0..=0xBDA7 => Es::Lpcm(Box::new(LpcmEs::new(number))),
            _ => {
                let kind = if id == pes::PRIVATE_1 { payload.first().copied().unwrap_or(0) } else { 0 };
                if let Entry::Vacant(entry) = self.named.entry((id, kind)) {
                    let note = format!("left out: {}", pes::describe_stream(id, payload));
                    entry.insert(note.clone());
                    self.gathered.note(note);
                }
                return None;
            }
        };
        let videos = self.streams.iter().filter(|stream| stream.es.is_video()).count();
        let reason = if self.announced {
            Some("begins too late")
        } else if self.streams.len() >= limits::MAX_TRACKS || es.is_video() && videos >= MAX_VIDEO {
            Some("is one too many")
        } else {
            None
        };
        if let Some(reason) = reason {
            self.gathered.note(format!("left out: stream {number:#04x}, which {reason}"));
        }
        self.streams.push(Stream { id: number, es, left_out: reason.is_some() });
        Some(self.streams.len() - 1)
    }

    /// [`Stream::id`] of a packet.
    fn number(&mut self, id: u8, payload: &[u8]) -> u32 {
        let number = u32::from(id);
        if id != pes::PRIVATE_1 {
            return number;
        }
        let raw = *self.raw_private.get_or_insert(payload.starts_with(&[0x0B, 0x77]));
        if raw { RAW_PRIVATE } else { number << 8 | u32::from(payload.first().copied().unwrap_or(0)) }
    }

    /// What was said of the streams that can be no track.
    pub fn named_streams(&self) -> impl Iterator<Item = &str> {
        self.named.values().map(String::as_str)
    }

    /// The streams are over.
    pub fn finish(&mut self) {
        let gathered = &mut self.gathered;
        let mut junk = Vec::new();
        for Stream { id, es, left_out } in &mut self.streams {
            let bytes = match es {
                Es::Video(es) => {
                    es.finish(gathered);
                    es.take_junk()
                }
                Es::Audio(es) => {
                    es.finish(gathered);
                    es.take_junk()
                }
                Es::Ac3(es) => {
                    es.finish(gathered);
                    es.take_junk()
                }
                Es::Dts(es) => {
                    es.finish(gathered);
                    es.take_junk()
                }
                Es::Lpcm(es) => {
                    es.finish(gathered);
                    es.take_junk()
                }
                Es::NewerVideo(es) | Es::NewerAudio(es) => {
                    es.finish(gathered);
                    es.take_junk()
                }
            };
            if bytes > 0 && !*left_out {
                junk.push(format!("stream {id:#04x}: {bytes} bytes of damaged or incomplete access units left out"));
            }
        }
        for note in junk {
            self.gathered.note(note);
        }
    }

    /// Whether each stream that has shown its format has given a sample, by which its start is known.
    pub fn all_begun(&self) -> bool {
        let formats = self.streams.iter().filter(|stream| stream.info().is_some());
        formats.clone().count() > 0
            && formats.clone().all(|stream| self.gathered.samples.iter().any(|sample| sample.track == stream.id))
    }

    /// The tracks, video first, and sound in the order in which it begins, as players of the file have it: theirs is the
    /// first. What has shown no format by now will be none.
    pub fn announce(&mut self) -> Vec<TrackInfo> {
        self.announced = true;
        let mut tracks = Vec::new();
        let mut unknown = Vec::new();
        for stream in &mut self.streams {
            match stream.info() {
                Some(info) => tracks.push(info),
                None if stream.left_out => {}
                None => {
                    stream.left_out = true;
                    let wanted = match stream.es {
                        Es::Video(_) => "MPEG-1 or MPEG-2 video",
                        Es::Audio(_) => "MPEG audio",
                        Es::Ac3(_) => "AC-3 audio",
                        Es::Dts(_) => "DTS audio",
                        Es::Lpcm(_) => "LPCM audio",
                        Es::NewerVideo(_) => "video that can be decoded",
                        Es::NewerAudio(_) => "AAC",
                    };
                    unknown.push(format!("left out: stream {:#04x}, which is no {wanted}", stream.id));
                }
            }
        }
        for note in unknown {
            self.gathered.note(note);
        }
        tracks.sort_by_key(|track| match track.format.media() {
            rtp::format::Media::Audio => (true, 0),
            _ => (false, track.number),
        });
        tracks
    }
}

impl Es {
    fn is_video(&self) -> bool {
        matches!(self, Es::Video(_) | Es::NewerVideo(_))
    }
}

impl Stream {
    fn info(&self) -> Option<TrackInfo> {
        let (format, timescale) = match &self.es {
            Es::Video(es) => (es.format()?, VIDEO_TIMESCALE),
            Es::Audio(es) => (es.format()?, es.timescale()),
            Es::Ac3(es) => (es.format()?, es.timescale()),
            Es::Dts(es) => (es.format()?, es.timescale()),
            Es::Lpcm(es) => (es.format()?, es.timescale()),
            Es::NewerVideo(es) | Es::NewerAudio(es) => (es.format()?, es.timescale()),
        };
        Some(TrackInfo { number: self.id, format, language: None, timescale })
    }
}
