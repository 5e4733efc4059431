//! Codecs that have a payload format of their own, as ASF describes them: they travel so beside one that has none.

use super::Wrapper;
use crate::container::wave::WaveFormat;
use bytes::{BufMut, Bytes, BytesMut};
use rtp::format::{Format, PcmCoding};

/// What becomes of an access unit before it is wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    AsItIs,
    /// NAL units behind four bytes of length become those behind start codes; these parameter sets, with their start
    /// codes, come before each sync sample.
    StartCodes(Bytes),
    /// Big-endian samples of so many bytes become little-endian.
    LittleEndian(usize),
}

impl Shape {
    pub fn apply(&self, data: &Bytes, sync: bool) -> Bytes {
        match self {
            Shape::AsItIs => data.clone(),
            Shape::StartCodes(sets) => {
                let mut out = BytesMut::with_capacity(data.len() + sets.len());
                if sync {
                    out.put_slice(sets);
                }
                let mut rest = &data[..];
                while let Some((length, after)) = rest.split_first_chunk() {
                    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).min(after.len());
                    let (unit, after) = after.split_at(length);
                    out.put_slice(&[0, 0, 0, 1]);
                    out.put_slice(unit);
                    rest = after;
                }
                out.freeze()
            }
            Shape::LittleEndian(width) => {
                let mut out = BytesMut::from(&data[..]);
                out.chunks_exact_mut((*width).max(1)).for_each(<[u8]>::reverse);
                out.freeze()
            }
        }
    }
}

/// The wrapper for stream number `stream` of a track in `format`.
///
/// # Errors
/// Why ASF can't carry it, for people.
pub(super) fn wrapper(stream: u8, format: &Format) -> Result<Wrapper, String> {
    let mut wrapper = undescribed(stream, format)?;
    if let Format::Asf { codec, .. } = &mut wrapper.format {
        // People know it by its own name, whatever it is called in ASF.
        *codec = format.describe();
    }
    Ok(wrapper)
}

fn undescribed(stream: u8, format: &Format) -> Result<Wrapper, String> {
    let video = |fourcc: &[u8; 4], width: u32, height: u32, private: &[u8]| {
        Wrapper::video_of(stream, *fourcc, width, height, 24, private)
    };
    let audio = |tag: u16, channels: u8, rate: u32, private: &[u8]| {
        Wrapper::audio(
            stream,
            &WaveFormat { extra: private.to_vec(), ..WaveFormat::new(tag, channels.into(), rate) }.to_bytes(),
        )
    };
    match format {
        // Of all its names those that ffmpeg, VLC and GStreamer know.
        Format::Mpv { mpeg2, width, height } => video(if *mpeg2 { b"mpg2" } else { b"mpg1" }, *width, *height, &[]),
        Format::H264 { sps, pps, width, height } => {
            let sets = start_coded([sps, pps]);
            Ok(video(b"H264", *width, *height, &sets)?.shaped(Shape::StartCodes(sets)))
        }
        Format::H265 { vps, sps, pps, width, height } => {
            let sets = start_coded([vps, sps, pps]);
            Ok(video(b"HEVC", *width, *height, &sets)?.shaped(Shape::StartCodes(sets)))
        }
        Format::Mp4vEs { config, width, height } => video(b"FMP4", *width, *height, config),
        Format::H263 { width, height } => video(b"H263", *width, *height, &[]),
        Format::Vp8 { width, height } => video(b"VP80", *width, *height, &[]),
        Format::Vp9 { width, height } => video(b"VP90", *width, *height, &[]),
        Format::Jpeg { width, height } => video(b"MJPG", *width, *height, &[]),
        Format::Mpa { layer, sample_rate, channels } => {
            audio(if *layer == 3 { 0x55 } else { 0x50 }, *channels, *sample_rate, &[])
        }
        Format::Aac { config, sample_rate, channels } => audio(0xFF, *channels, *sample_rate, config),
        // E-AC-3 has no tag of its own: decoders tell both by their frames.
        Format::Ac3 { sample_rate, channels } | Format::Eac3 { sample_rate, channels } => {
            audio(0x2000, *channels, *sample_rate, &[])
        }
        Format::Pcm { coding, sample_rate, channels } => {
            let (tag, width) = match coding {
                PcmCoding::Mulaw => (7, 1),
                PcmCoding::Alaw => (6, 1),
                PcmCoding::L16 => (1, 2),
                PcmCoding::L24 => (1, 3),
            };
            let block = width * u16::from(*channels);
            let wave = WaveFormat::new(tag, (*channels).into(), *sample_rate).in_blocks(block);
            let wave = WaveFormat { bits: width * 8, ..wave }.to_bytes();
            Ok(Wrapper::audio(stream, &wave)?.shaped(Shape::LittleEndian(width.into())))
        }
        Format::Amr { wide, channels } => {
            audio(0x57 + u16::from(*wide), *channels, if *wide { 16_000 } else { 8000 }, &[])
        }
        Format::Opus { channels } => {
            let mut head = b"OpusHead\x01".to_vec();
            head.extend([*channels, 0, 0, 0x80, 0xBB, 0, 0, 0, 0, 0]);
            audio(0x704F, *channels, 48_000, &head)
        }
        Format::Vorbis { headers, sample_rate, channels } => audio(0x566F, *channels, *sample_rate, &laced(headers)),
        Format::Speex { sample_rate } => audio(0xA109, 1, *sample_rate, &[]),
        Format::T140 {} => Err("text has no place beside it".into()),
        Format::QuickTime { .. } => Err("only QuickTime has a name for it".into()),
        Format::Mp2t { .. } => Err("a transport stream has all tracks in it".into()),
        Format::Asf { media, properties, codec, .. } => {
            // Behind the object's header and the fixed fields.
            let type_data = properties.get(78..).unwrap_or_default();
            Wrapper::new(stream, *media, type_data, 0, codec.clone())
        }
    }
}

fn start_coded<const N: usize>(sets: [&Vec<Vec<u8>>; N]) -> Bytes {
    let mut out = Vec::new();
    for set in sets.into_iter().flatten() {
        out.extend([0, 0, 0, 1]);
        out.extend(set);
    }
    out.into()
}

/// Vorbis's headers as Matroska and others have them: their count less one, the lengths but the last's in bytes of up to
/// 255, then all of them.
fn laced(headers: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![u8::try_from(headers.len().saturating_sub(1)).unwrap_or(u8::MAX)];
    for header in headers.iter().take(headers.len().saturating_sub(1)) {
        out.extend(std::iter::repeat_n(255, header.len() / 255));
        out.push((header.len() % 255) as u8);
    }
    headers.iter().for_each(|header| out.extend(header));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_names_that_all_players_know() {
        let mpv = |mpeg2| Format::Mpv { mpeg2, width: 352, height: 288 };
        let jpeg = Format::Jpeg { width: 352, height: 288 };
        for (format, name) in [(mpv(false), b"mpg1"), (mpv(true), b"mpg2"), (jpeg, b"MJPG")] {
            let Format::Asf { properties, .. } = wrapper(1, &format).unwrap().format() else { panic!("{format:?}") };
            assert!(properties.windows(4).any(|bytes| bytes == name), "{format:?}");
        }
    }

    #[test]
    fn samples_take_the_shape_that_asf_has() {
        let units = Bytes::from_static(b"\0\0\0\x02ab\0\0\0\x01c");
        let sets = Bytes::from_static(b"\0\0\0\x01S");
        let shape = Shape::StartCodes(sets);
        assert_eq!(shape.apply(&units, false).as_ref(), b"\0\0\0\x01ab\0\0\0\x01c");
        assert_eq!(shape.apply(&units, true).as_ref(), b"\0\0\0\x01S\0\0\0\x01ab\0\0\0\x01c");
        assert_eq!(shape.apply(&Bytes::from_static(b"\xff\0\0\x09xy"), false).as_ref(), b"\0\0\0\x01xy");
        let samples = Bytes::from_static(&[1, 2, 3, 4, 5]);
        assert_eq!(Shape::LittleEndian(2).apply(&samples, true).as_ref(), [2, 1, 4, 3, 5]);
        assert_eq!(Shape::AsItIs.apply(&samples, true), samples);
    }

    #[test]
    fn headers_are_laced_with_their_lengths() {
        assert_eq!(laced(&[vec![1; 2], vec![2; 256], vec![3]])[..5], [2, 2, 255, 1, 1]);
        assert_eq!(laced(&[]), [0]);
    }

    #[test]
    fn a_stream_keeps_its_description_under_another_number() {
        let format = Wrapper::video_of(1, *b"SVQ3", 192, 242, 24, b"SEQH").unwrap().format();
        let again = wrapper(9, &format).unwrap().format();
        let Format::Asf { stream, properties, .. } = &again else { panic!("{again:?}") };
        let Format::Asf { properties: before, .. } = &format else { panic!("{format:?}") };
        assert_eq!((*stream, properties[72], &properties[78..]), (9, 9, &before[78..]));
    }
}
