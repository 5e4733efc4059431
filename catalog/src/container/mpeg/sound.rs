//! What differs between the kinds of audio that come as a run of frames with a header each.

use crate::container::asf::wrap::Wrapper;
use crate::container::wave::{self, WaveFormat};
use bytes::Bytes;
use rtp::codec::aac::{AdtsHeader, AudioSpecificConfig};
use rtp::codec::frames::FrameHeader;
use rtp::codec::{ac3, dts, mpeg_audio};
use rtp::format::Format;

/// The header of a frame of sound.
pub(in crate::container) trait Sound: FrameHeader + std::fmt::Debug {
    /// Whether the part of a frame that a cut stream ends with is worth keeping: whether players decode it.
    const DECODES_CUT: bool;

    /// What the track is called by its first frame; `None` where that can't be sent.
    fn format(&self, frame: &[u8]) -> Option<Format>;

    /// Samples per second of each channel.
    fn sample_rate(&self) -> u32;

    /// The access units of the frame, each with its samples of each channel.
    fn units(&self, frame: Bytes, each: &mut dyn FnMut(Bytes, u32));

    /// Whether other frames may belong to the same instant, and then to one access unit.
    fn may_be_joined(&self) -> bool {
        false
    }

    /// Whether the frame belongs to the instant of the one before it.
    fn joins_before(&self) -> bool {
        false
    }

    /// Whether the frame holds an encoder's notes in place of sound.
    fn is_notes(&self, _frame: &[u8]) -> bool {
        false
    }
}

impl Sound for mpeg_audio::FrameHeader {
    const DECODES_CUT: bool = true;

    fn format(&self, _frame: &[u8]) -> Option<Format> {
        Some(Format::Mpa { layer: self.layer, sample_rate: self.sample_rate, channels: self.channels() })
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn units(&self, frame: Bytes, each: &mut dyn FnMut(Bytes, u32)) {
        each(frame, self.samples());
    }

    fn is_notes(&self, frame: &[u8]) -> bool {
        mpeg_audio::is_notes(self, frame)
    }
}

/// Samples of a raw_data_block.
const BLOCK_SAMPLES: u32 = 1024;
/// Bytes of an ADTS header without a CRC.
const ADTS_LEN: usize = 7;
/// `adts_error_check` and `crc_check`.
const CRC_LEN: usize = 2;

impl Sound for AdtsHeader {
    const DECODES_CUT: bool = false;

    fn format(&self, _frame: &[u8]) -> Option<Format> {
        let config = self.config();
        let parsed = AudioSpecificConfig::parse(&config).ok()?;
        let (sample_rate, channels) = (self.sample_rate, parsed.channels);
        Some(Format::Aac { config: config.to_vec(), sample_rate, channels })
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Several blocks in one frame are told apart where there is a CRC, for then their places are told (ISO 14496-3
    /// 1.A.2.2.2). Else they stay one unit, of which players decode the first block.
    fn units(&self, frame: Bytes, each: &mut dyn FnMut(Bytes, u32)) {
        let all = u32::from(self.blocks) * BLOCK_SAMPLES;
        let whole = usize::from(self.header_len);
        if self.blocks == 1 || whole == ADTS_LEN {
            return each(frame.slice(whole.min(frame.len())..), all);
        }
        let Some(blocks) = block_places(&frame, self.blocks) else { return each(frame.slice(frame.len()..), all) };
        for (start, end) in blocks {
            each(frame.slice(start..end), BLOCK_SAMPLES);
        }
    }
}

/// Where the blocks of a frame of several with CRC begin and end: the header tells the place of each but the first,
/// counted from the first, and a CRC follows each.
fn block_places(frame: &[u8], blocks: u8) -> Option<Vec<(usize, usize)>> {
    let first = ADTS_LEN + usize::from(blocks - 1) * 2 + CRC_LEN;
    let mut starts = vec![first];
    for place in frame.get(ADTS_LEN..first - CRC_LEN)?.chunks_exact(2) {
        starts.push(first + usize::from(u16::from_be_bytes([place[0], place[1]])));
    }
    let ends = starts.iter().skip(1).copied().chain([frame.len()]);
    let places = starts.iter().zip(ends).map(|(&start, end)| Some((start, end.checked_sub(CRC_LEN)?)));
    places.map(|place| place.filter(|(start, end)| start < end && *end <= frame.len())).collect()
}

impl Sound for ac3::FrameHeader {
    const DECODES_CUT: bool = true;

    fn format(&self, _frame: &[u8]) -> Option<Format> {
        let (sample_rate, channels) = (self.sample_rate, self.channels);
        Some(if self.enhanced { Format::Eac3 { sample_rate, channels } } else { Format::Ac3 { sample_rate, channels } })
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn units(&self, frame: Bytes, each: &mut dyn FnMut(Bytes, u32)) {
        each(frame, self.samples());
    }

    fn may_be_joined(&self) -> bool {
        self.enhanced
    }

    fn joins_before(&self) -> bool {
        !self.begins_unit()
    }
}

impl Sound for dts::FrameHeader {
    const DECODES_CUT: bool = false;

    fn format(&self, _frame: &[u8]) -> Option<Format> {
        let wave = WaveFormat::new(wave::DTS, self.channels.into(), self.sample_rate);
        Wrapper::audio(1, &wave.to_bytes()).ok().map(|wrapper| wrapper.format())
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn units(&self, frame: Bytes, each: &mut dyn FnMut(Bytes, u32)) {
        each(frame, self.samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ADTS frame of 44.1 kHz stereo AAC-LC around `body`, which holds what a CRC adds to the header.
    fn adts(blocks: u8, crc: bool, body: &[u8]) -> Bytes {
        let len = ADTS_LEN + body.len();
        let mut frame = vec![0xFF, if crc { 0xF0 } else { 0xF1 }, 0x50, 0x80 | (len >> 11) as u8];
        frame.extend([(len >> 3) as u8, (len << 5) as u8 | 0x1F, 0xFC | (blocks - 1)]);
        frame.extend(body);
        frame.into()
    }

    #[test]
    fn adts_frames_come_apart() {
        type Case<'a> = (&'a str, Bytes, &'a [(&'a [u8], u32)]);
        let cases: &[Case] = &[
            ("one block", adts(1, false, &[1, 2, 3]), &[(&[1, 2, 3], 1024)]),
            ("one with CRC", adts(1, true, &[9, 9, 1, 2, 3]), &[(&[1, 2, 3], 1024)]),
            ("two without CRC", adts(2, false, &[1, 2, 3]), &[(&[1, 2, 3], 2048)]),
            (
                "two with CRC",
                adts(2, true, &[0, 5, 9, 9, 1, 2, 3, 8, 8, 4, 5, 7, 7]),
                &[(&[1, 2, 3], 1024), (&[4, 5], 1024)],
            ),
            ("a place past the end", adts(2, true, &[0, 50, 9, 9, 1, 2, 3, 8, 8]), &[(&[], 2048)]),
            ("cut places", adts(4, true, &[0, 50]), &[(&[], 4096)]),
        ];
        for (name, frame, expected) in cases {
            let mut seen = Vec::new();
            let header = AdtsHeader::parse(frame).unwrap();
            header.units(frame.clone(), &mut |unit, samples| seen.push((unit.to_vec(), samples)));
            let expected: Vec<_> = expected.iter().map(|(unit, samples)| (unit.to_vec(), *samples)).collect();
            assert_eq!(seen, expected, "{name}");
        }
    }
}
