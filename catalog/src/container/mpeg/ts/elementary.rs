//! What cuts the payload of a stream into access units, of whatever kind.

use super::super::audio_es::AudioEs;
use super::super::gathered::Gathered;
use super::super::sound::Sound;
use super::super::timeline::Stamp;
use super::super::video_es::VideoEs;
use super::super::{CLOCK, VIDEO_TIMESCALE};
use super::kind::Kind;
use super::latm_es::LatmEs;
use super::lpcm::Lpcm;
use super::nal_es::NalEs;
use super::opus_es::OpusEs;
use super::sniffed::Sniffed;
use super::syntax::Syntax;
use super::vc1_es::Vc1Es;
use super::visual_es::VisualEs;
use rtp::codec::{aac, ac3, dts, mpeg_audio};
use rtp::format::Format;

/// A stream's payload in, samples out.
pub(in crate::container) trait Elementary: Send + std::fmt::Debug {
    /// Known from the first access unit on.
    fn format(&self) -> Option<Format>;

    /// Ticks per second of the samples' times.
    fn timescale(&self) -> u32;

    /// `stamp` is the time of the packet whose payload begins here.
    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered);

    /// Gives out what waits for nothing but the next unit's time, from which its duration would be known.
    fn release_held(&mut self, _gathered: &mut Gathered) {}

    /// The stream is over.
    fn finish(&mut self, gathered: &mut Gathered);

    /// Bytes left out since the last call.
    fn take_junk(&mut self) -> u64;
}

/// For a stream that is called `kind`, whose samples are of `track`.
pub(super) fn new(kind: Kind, track: u32) -> Box<dyn Elementary> {
    match kind {
        // Some multiplexers call AAC so.
        Kind::MpegAudio | Kind::Adts => Box::new(Sniffed::new(track, Some(kind))),
        kind => plain(kind, track),
    }
}

/// For a stream of `kind`, which it is.
pub(super) fn plain(kind: Kind, track: u32) -> Box<dyn Elementary> {
    match kind {
        Kind::MpegVideo => Box::new(VideoEs::new(track)),
        Kind::H264 => Box::new(NalEs::new(track, Syntax::h264())),
        Kind::H265 => Box::new(NalEs::new(track, Syntax::h265())),
        Kind::Mpeg4Visual => Box::new(VisualEs::new(track)),
        Kind::MpegAudio => Box::new(AudioEs::<mpeg_audio::FrameHeader>::new(track)),
        Kind::Adts => Box::new(AudioEs::<aac::AdtsHeader>::new(track)),
        Kind::Latm => Box::new(LatmEs::new(track)),
        Kind::Opus => Box::new(OpusEs::new(track)),
        Kind::Ac3 | Kind::Eac3 | Kind::TrueHdCore => Box::new(AudioEs::<ac3::FrameHeader>::new(track)),
        Kind::Dts => Box::new(AudioEs::<dts::FrameHeader>::new(track)),
        Kind::Vc1 => Box::new(Vc1Es::new(track)),
        Kind::Lpcm => Box::new(Lpcm::new(track)),
        Kind::Unknown => Box::new(Sniffed::new(track, None)),
    }
}

impl Elementary for VideoEs {
    fn format(&self) -> Option<Format> {
        self.format()
    }

    fn timescale(&self) -> u32 {
        VIDEO_TIMESCALE
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.handle_payload(payload, stamp, gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.finish(gathered);
    }

    fn take_junk(&mut self) -> u64 {
        self.take_junk()
    }
}

impl<S: Sound + Send> Elementary for AudioEs<S> {
    fn format(&self) -> Option<Format> {
        self.format()
    }

    fn timescale(&self) -> u32 {
        if self.format().is_some() { self.timescale() } else { CLOCK }
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.handle_payload(payload, stamp, gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.finish(gathered);
    }

    fn take_junk(&mut self) -> u64 {
        self.take_junk()
    }
}
