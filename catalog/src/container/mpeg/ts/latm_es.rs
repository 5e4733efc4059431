//! AAC in LATM behind LOAS syncs (ISO 14496-3 1.7): access units and their times.

use super::super::gathered::Gathered;
use super::super::sample_clock::{Frame, SampleClock};
use super::super::timeline::Stamp;
use super::super::uncut::Uncut;
use super::elementary::Elementary;
use rtp::codec::aac::AudioSpecificConfig;
use rtp::codec::bits::{Bits, CodecError};
use rtp::codec::frames::{FrameHeader, Scan, Scanner};
use rtp::format::Format;

const HEADER: &str = "AudioMuxElement";

/// `AudioSyncStream`'s sync word and the length of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sync {
    len: usize,
}

impl FrameHeader for Sync {
    const LEN: usize = 3;
    const MAX_FRAME: usize = 3 + 0x1FFF;

    fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("AudioSyncStream", bytes);
        let sync = bits.read("syncword", 11)?;
        if sync != 0x2B7 {
            return Err(bits.forbidden("syncword", sync));
        }
        Ok(Self { len: Self::LEN + bits.read("audioMuxLengthBytes", 13)? as usize })
    }

    fn frame_len(&self) -> Option<usize> {
        Some(self.len)
    }

    fn same_stream(&self, _: &Self) -> bool {
        true
    }
}

/// How the payload is laid out, until it is said anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    config: Vec<u8>,
    parsed: AudioSpecificConfig,
    sub_frames: u32,
}

/// Cuts one stream into raw data blocks.
#[derive(Debug)]
pub(super) struct LatmEs {
    track: u32,
    uncut: Uncut,
    scanner: Scanner<Sync>,
    layout: Option<Layout>,
    /// The first one, which the track is announced by.
    first: Option<(Layout, SampleClock)>,
    junk: u64,
}

impl LatmEs {
    pub fn new(track: u32) -> Self {
        let (uncut, scanner) = (Uncut::default(), Scanner::new());
        Self { track, uncut, scanner, layout: None, first: None, junk: 0 }
    }

    fn cut(&mut self, at_end: bool, gathered: &mut Gathered) {
        loop {
            let (skip, len) = match self.scanner.scan(&self.uncut, at_end) {
                Scan::Frame { skip, len, .. } => (skip, Some(len)),
                Scan::More { skip } => (skip, None),
            };
            self.junk += self.uncut.skip(skip);
            let Some(len) = len else { return };
            let stamp = self.uncut.stamp(self.uncut.start());
            let frame = self.uncut.take(len);
            self.element(frame.get(Sync::LEN..).unwrap_or(&[]), stamp, gathered);
        }
    }

    fn element(&mut self, bytes: &[u8], mut stamp: Option<Stamp>, gathered: &mut Gathered) {
        let units = units(bytes, &mut self.layout);
        let (Ok(units), Some(layout)) = (units, &self.layout) else {
            self.junk += bytes.len() as u64;
            return;
        };
        let new = || (layout.clone(), SampleClock::new(self.track, layout.parsed.sample_rate));
        let (first, clock) = self.first.get_or_insert_with(new);
        if first.config != layout.config {
            // Another configuration in the middle: a receiver knows only the first.
            self.junk += bytes.len() as u64;
            return;
        }
        for unit in units {
            let samples = layout.parsed.frame_samples.into();
            clock.handle(Frame { samples, data: unit.into(), stamp: stamp.take() }, gathered);
        }
    }
}

impl Elementary for LatmEs {
    fn format(&self) -> Option<Format> {
        let (Layout { config, parsed, .. }, _) = self.first.as_ref()?;
        let AudioSpecificConfig { sample_rate, channels, .. } = *parsed;
        (channels > 0).then(|| Format::Aac { config: config.clone(), sample_rate, channels })
    }

    fn timescale(&self) -> u32 {
        self.first.as_ref().map_or(super::super::CLOCK, |(_, clock)| clock.timescale())
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.uncut.push(payload, stamp);
        self.cut(false, gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.cut(true, gathered);
        if let Some((_, clock)) = &mut self.first {
            clock.release(gathered);
        }
    }

    fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

/// The access units of an AudioMuxElement with its configuration (1.7.3.1, muxConfigPresent), which it may change.
fn units(bytes: &[u8], layout: &mut Option<Layout>) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut bits = Bits::new(HEADER, bytes);
    if !bits.flag("useSameStreamMux")? {
        *layout = None;
        *layout = Some(stream_mux_config(bytes, &mut bits)?);
    }
    let sub_frames = layout.as_ref().ok_or(bits.forbidden("useSameStreamMux", 1))?.sub_frames;
    let mut units = Vec::new();
    for _ in 0..=sub_frames {
        let mut len = 0;
        loop {
            let part = bits.read("MuxSlotLengthBytes", 8)?;
            len += part as usize;
            if part < 255 {
                break;
            }
        }
        let start = bits.position();
        bits.skip("payload", len * 8)?;
        units.push(copy_bits(bytes, start, start + len * 8));
    }
    Ok(units)
}

/// StreamMuxConfig (1.7.3.1): one programme of one layer whose frames say their lengths, as all broadcasts have it.
fn stream_mux_config(bytes: &[u8], bits: &mut Bits<'_>) -> Result<Layout, CodecError> {
    let version = bits.flag("audioMuxVersion")?;
    if version {
        allow_zero(bits, "audioMuxVersionA", 1)?;
        value(bits, "taraBufferFullness")?;
    }
    bits.skip("allStreamsSameTimeFraming", 1)?;
    let sub_frames = bits.read("numSubFrames", 6)?;
    allow_zero(bits, "numProgram", 4)?;
    allow_zero(bits, "numLayer", 3)?;
    let said = if version { Some(value(bits, "ascLen")? as usize) } else { None };
    let start = bits.position();
    let all = copy_bits(bytes, start, start + said.unwrap_or(usize::MAX).min(bits.remaining()));
    let (parsed, len) = match said {
        Some(len) => (AudioSpecificConfig::parse(&all)?, len),
        None => AudioSpecificConfig::parse_prefix(&all)?,
    };
    bits.skip("AudioSpecificConfig", len)?;
    let config = copy_bits(bytes, start, start + len);
    allow_zero(bits, "frameLengthType", 3)?;
    bits.skip("latmBufferFullness", 8)?;
    if bits.flag("otherDataPresent")? {
        if version {
            value(bits, "otherDataLenBits")?;
        } else {
            while bits.flag("otherDataLenEsc")? {
                bits.skip("otherDataLenTmp", 8)?;
            }
            bits.skip("otherDataLenTmp", 8)?;
        }
    }
    if bits.flag("crcCheckPresent")? {
        bits.skip("crcCheckSum", 8)?;
    }
    Ok(Layout { config, parsed, sub_frames })
}

fn allow_zero(bits: &mut Bits<'_>, field: &'static str, count: u32) -> Result<(), CodecError> {
    match bits.read(field, count)? {
        0 => Ok(()),
        other => Err(bits.forbidden(field, other)),
    }
}

/// LatmGetValue: two bits say how many bytes.
fn value(bits: &mut Bits<'_>, field: &'static str) -> Result<u32, CodecError> {
    let bytes = bits.read(field, 2)? + 1;
    bits.read(field, bytes * 8)
}

/// The bits from `start` to `end`, as far as there are some, moved to the start of a byte; zeros fill the last one.
fn copy_bits(bytes: &[u8], start: usize, end: usize) -> Vec<u8> {
    let end = end.min(bytes.len() * 8);
    let shift = start % 8;
    let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0));
    let mut copied: Vec<u8> =
        (start..end).step_by(8).map(|at| ((byte(at / 8) << 8 | byte(at / 8 + 1)) << shift >> 8) as u8).collect();
    if let Some(last) = copied.last_mut()
        && !(end - start).is_multiple_of(8)
    {
        *last &= 0xFF << (8 - (end - start) % 8);
    }
    copied
}
