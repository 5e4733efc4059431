//! MPEG-1 and MPEG-2 video and audio in frames: cut as the payloads of program streams are, from a time of zero on.

use super::{Stream, TRACK};
use crate::container::DemuxedSample;
use crate::container::mpeg::Elementary;
use crate::container::mpeg::audio_es::AudioEs;
use crate::container::mpeg::gathered::Gathered;
use crate::container::mpeg::sound::Sound;
use crate::container::mpeg::video_es::VideoEs;
use rtp::format::Format;
use std::collections::VecDeque;

/// MPEG-1 and MPEG-2 video.
pub(super) type Video = Plain<VideoEs>;

/// Audio whose frames each begin with a header.
pub(super) type Audio<H> = Plain<AudioEs<H>>;

/// What `E` cuts.
#[derive(Debug)]
pub(super) struct Plain<E> {
    es: E,
    gathered: Gathered,
    /// Its first bytes have come, with which the first access unit has its time: all others follow it.
    begun: bool,
}

impl Video {
    pub fn new() -> Self {
        Self { es: VideoEs::new(TRACK), gathered: Gathered::default(), begun: false }
    }
}

impl<H: Sound> Audio<H> {
    pub fn new() -> Self {
        Self { es: AudioEs::without_notes(TRACK), gathered: Gathered::default(), begun: false }
    }
}

impl<E: Elementary> Stream for Plain<E> {
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>) {
        let stamp = (!std::mem::replace(&mut self.begun, true)).then(|| self.gathered.timeline.stamp(0));
        self.es.handle_payload(bytes, stamp, &mut self.gathered);
        out.append(&mut self.gathered.samples);
    }

    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.es.finish(&mut self.gathered);
        out.append(&mut self.gathered.samples);
    }

    fn track(&self) -> Option<(Format, u32)> {
        self.es.format().map(|format| (format, self.es.timescale()))
    }

    fn take_junk(&mut self) -> u64 {
        self.es.take_junk()
    }
}
