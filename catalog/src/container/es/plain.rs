//! MPEG-1 and MPEG-2 video and audio in frames: cut as the payloads of program streams are, from a time of zero on.

use super::{Stream, TRACK};
use crate::container::DemuxedSample;
use crate::container::mpeg::VIDEO_TIMESCALE;
use crate::container::mpeg::audio_es::AudioEs;
use crate::container::mpeg::sound::Sound;
use crate::container::mpeg::timeline::{Stamp, Timeline};
use crate::container::mpeg::video_es::VideoEs;
use rtp::format::Format;
use std::collections::VecDeque;

/// The time of the stream's first access unit, for the first bytes only: all others follow it.
#[derive(Debug, Default)]
struct Start {
    timeline: Timeline,
    given: bool,
}

impl Start {
    fn stamp(&mut self) -> Option<Stamp> {
        (!std::mem::replace(&mut self.given, true)).then(|| self.timeline.stamp(0))
    }
}

/// MPEG-1 and MPEG-2 video.
pub(super) struct Video {
    es: VideoEs,
    start: Start,
}

impl Video {
    pub fn new() -> Self {
        Self { es: VideoEs::new(TRACK), start: Start::default() }
    }
}

impl Stream for Video {
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>) {
        let stamp = self.start.stamp();
        self.es.handle_payload(bytes, stamp, &mut self.start.timeline, out);
    }

    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.es.finish(&mut self.start.timeline, out);
    }

    fn track(&self) -> Option<(Format, u32)> {
        self.es.format().map(|format| (format, VIDEO_TIMESCALE))
    }

    fn take_junk(&mut self) -> u64 {
        self.es.take_junk()
    }
}

/// Audio whose frames each begin with a header.
pub(super) struct Audio<H> {
    es: AudioEs<H>,
    start: Start,
}

impl<H: Sound> Audio<H> {
    pub fn new() -> Self {
        Self { es: AudioEs::without_notes(TRACK), start: Start::default() }
    }
}

impl<H: Sound + Send> Stream for Audio<H> {
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>) {
        let stamp = self.start.stamp();
        self.es.handle_payload(bytes, stamp, &mut self.start.timeline, out);
    }

    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.es.finish(&mut self.start.timeline, out);
    }

    fn track(&self) -> Option<(Format, u32)> {
        self.es.format().map(|format| (format, self.es.timescale()))
    }

    fn take_junk(&mut self) -> u64 {
        self.es.take_junk()
    }
}
