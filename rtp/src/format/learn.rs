//! What a stream's own headers say: what a description left open, learned from the first units, and formats told by
//! headers alone.

use super::Format;
use crate::codec::{ac3, h264, h265, mpeg_audio, mpeg_video, mpeg4_visual, nal::length_prefixed, start_code, vorbis};

impl Format {
    /// Vorbis by its three headers; `None` where the first is not one.
    pub fn vorbis(headers: Vec<Vec<u8>>) -> Option<Self> {
        let vorbis::Identification { channels, sample_rate, .. } = vorbis::Identification::parse(headers.first()?)?;
        Some(Format::Vorbis { headers, sample_rate, channels })
    }

    /// Whether all is known that receivers must be told, and what a format says of itself to people. The size of VP9 and
    /// H.263 pictures nobody needs.
    pub fn is_complete(&self) -> bool {
        match self {
            Format::Mpv { width, .. } | Format::Vp8 { width, .. } | Format::Jpeg { width, .. } => *width > 0,
            Format::Mpa { sample_rate, .. } => *sample_rate > 0,
            Format::H264 { sps, pps, .. } => !sps.is_empty() && !pps.is_empty(),
            Format::H265 { vps, sps, pps, .. } => !vps.is_empty() && !sps.is_empty() && !pps.is_empty(),
            Format::Mp4vEs { config, .. } => !config.is_empty(),
            Format::Aac { config, .. } => !config.is_empty(),
            Format::Ac3 { channels, .. } | Format::Eac3 { channels, .. } => *channels > 0,
            Format::Vorbis { headers, .. } => !headers.is_empty(),
            Format::Pcm { .. } | Format::Amr { .. } | Format::H263 { .. } | Format::Vp9 { .. } => true,
            Format::Opus { .. } | Format::T140 {} | Format::Asf { .. } | Format::Mp2t { .. } => true,
            Format::QuickTime { .. } | Format::Speex { .. } => true,
        }
    }

    /// Learns from a unit as it came off the wire, if it holds what is missing.
    pub fn learn(&mut self, unit: &[u8]) {
        if self.is_complete() {
            return;
        }
        match self {
            Format::Mpv { mpeg2, width, height } => {
                let start = start_code::start_codes(unit).find(|found| found.code == mpeg_video::SEQUENCE);
                let sequence = start.and_then(|found| mpeg_video::Sequence::parse(&unit[found.offset..]).ok());
                if let Some(sequence) = sequence {
                    (*mpeg2, *width, *height) = (sequence.mpeg2, sequence.width, sequence.height);
                }
            }
            Format::Mpa { layer, sample_rate, channels } => {
                if let Ok(frame) = mpeg_audio::FrameHeader::parse(unit) {
                    (*layer, *sample_rate, *channels) = (frame.layer, frame.sample_rate, frame.channels());
                }
            }
            Format::H264 { sps, pps, width, height } => {
                for nal in length_prefixed(unit, 4).map_while(Result::ok) {
                    match h264::unit_type(nal) {
                        h264::SPS if sps.is_empty() => {
                            let Ok(parsed) = h264::Sps::parse(nal) else { continue };
                            (*width, *height) = (parsed.width, parsed.height);
                            sps.push(nal.to_vec());
                        }
                        h264::PPS if pps.is_empty() => pps.push(nal.to_vec()),
                        _ => {}
                    }
                }
            }
            Format::H265 { vps, sps, pps, width, height } => {
                for nal in length_prefixed(unit, 4).map_while(Result::ok) {
                    match h265::unit_type(nal) {
                        h265::VPS if vps.is_empty() => vps.push(nal.to_vec()),
                        h265::SPS if sps.is_empty() => {
                            let Ok(parsed) = h265::Sps::parse(nal) else { continue };
                            (*width, *height) = (parsed.width, parsed.height);
                            sps.push(nal.to_vec());
                        }
                        h265::PPS if pps.is_empty() => pps.push(nal.to_vec()),
                        _ => {}
                    }
                }
            }
            Format::Mp4vEs { config, width, height } => {
                if let Ok(found) = mpeg4_visual::Config::parse(unit) {
                    *config = unit[..mpeg4_visual::config_len(unit)].to_vec();
                    (*width, *height) = (found.layer.width, found.layer.height);
                }
            }
            Format::Ac3 { channels, .. } | Format::Eac3 { channels, .. } => {
                if let Ok(frame) = ac3::FrameHeader::parse(unit) {
                    *channels = frame.channels;
                }
            }
            Format::Vp8 { width, height } => {
                // RFC 6386 section 9.1: after three bytes of frame tag and three of start code.
                if let Some(&[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1]) = unit.first_chunk::<10>()
                    && tag & 1 == 0
                {
                    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
                    (*width, *height) = (size(w0, w1), size(h0, h1));
                }
            }
            Format::Jpeg { width, height } => {
                if let Some(found) = jpeg_size(unit) {
                    (*width, *height) = found;
                }
            }
            _ => {}
        }
    }
}

/// Of the start of frame: precision, height and width behind marker and length (ITU-T T.81 B.2.2).
fn jpeg_size(image: &[u8]) -> Option<(u32, u32)> {
    let mut rest = image.strip_prefix(&[0xFF, 0xD8])?;
    while let Some((&[0xFF, marker, high, low], after)) = rest.split_first_chunk::<4>() {
        if matches!(marker, 0xC0 | 0xC1) {
            let [_, h0, h1, w0, w1] = *after.first_chunk::<5>()?;
            return Some((u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into()));
        }
        rest = after.get(usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?..)?;
    }
    None
}
