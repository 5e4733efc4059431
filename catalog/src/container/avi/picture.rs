//! From chunks of video to access units, each with its place in the order of showing.

mod mpeg;
mod mpeg4;
mod nal;

use super::header;
use super::order;
use super::riff::FourCc;
use super::sound::Refused;
use bytes::Bytes;
use mpeg::Mpeg;
use mpeg4::Mpeg4;
use nal::Nal;
use rtp::format::Format;

/// One access unit.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub data: Bytes,
    /// Those with lower ones are shown before it.
    pub key: u64,
    pub sync: bool,
}

/// Makes access units of chunks.
#[derive(Clone, Debug)]
pub(super) enum Codec {
    Mpeg(Mpeg),
    Mpeg4(Box<Mpeg4>),
    Nal(Box<Nal>),
    /// Every chunk is one, shown as it comes.
    Whole(u64),
}

/// A track of pictures as far as its first chunks tell.
#[derive(Debug)]
pub(super) struct Opened {
    pub codec: Codec,
    pub format: Format,
    /// How many pictures are decoded before the first is shown.
    pub delay: usize,
}

impl Codec {
    /// At most one access unit of the next chunk: what it holds beyond one comes with the next. `index_key`: what the
    /// index says on whether decoding may begin here.
    pub fn handle(&mut self, chunk: Bytes, index_key: bool) -> Option<Picture> {
        match self {
            Codec::Mpeg(codec) => codec.handle(chunk),
            Codec::Mpeg4(codec) => codec.handle(chunk),
            Codec::Nal(codec) => codec.handle(&chunk),
            Codec::Whole(count) => {
                *count += 1;
                Some(Picture { data: chunk, key: *count, sync: index_key })
            }
        }
    }

    /// Whether every picture can be decoded by itself, whatever an index says.
    pub fn is_intra(format: &Format) -> bool {
        matches!(format, Format::Jpeg { .. })
    }
}

/// What the pictures' codec is and how it travels, or why it has no payload format.
pub(super) fn open(info: &header::Picture, first: &[Bytes]) -> Result<Opened, Refused> {
    let name = info.compression.0.map(|letter| letter.to_ascii_uppercase());
    let (width, height) = (info.width, info.height);
    let (codec, format, told) = match &name {
        name if MPEG4.contains(&name) => mpeg4::open(info, first).map_err(Refused::Broken)?,
        name if H264.contains(&name) => nal::h264(info, first).map_err(Refused::Broken)?,
        name if H265.contains(&name) => nal::h265(info, first).map_err(Refused::Broken)?,
        b"MPG1" | b"PIM1" | b"VCR2" | [1, 0, 0, 0x10] => mpeg::open(false, info, first),
        b"MPG2" | b"MPEG" | b"PIM2" | b"EM2V" | b"MMES" | b"SLIF" | [2, 0, 0, 0x10] => mpeg::open(true, info, first),
        b"H263" | b"X263" | b"T263" | b"L263" | b"M263" | b"U263" | b"VX1K" => {
            (Codec::Whole(0), Format::H263 { width, height }, 0)
        }
        b"MJPG" | b"AVRN" | b"JPEG" | b"DMB1" | b"IJPG" | b"ACDV" | b"QIVG" => {
            (Codec::Whole(0), Format::Jpeg { width, height }, 0)
        }
        _ => return Err(Refused::NoPayload(format!("video of codec {} has no payload format", info.compression))),
    };
    if matches!(codec, Codec::Whole(_))
        && let Some(picture) = first.iter().find(|chunk| !chunk.is_empty())
    {
        format.store(picture, true, &mut Vec::new()).map_err(|error| Refused::NoPayload(error.to_string()))?;
    }
    let mut trial = codec.clone();
    let pictures = first.iter().filter_map(|chunk| trial.handle(chunk.clone(), true));
    let keys: Vec<u64> = pictures.map(|picture| picture.key).collect();
    Ok(Opened { codec, format, delay: told.max(order::depth(&keys)) })
}

/// In capitals; as many as writers gave to the same codec.
const MPEG4: [&[u8; 4]; 40] = [
    b"FMP4",
    b"DIVX",
    b"DX50",
    b"XVID",
    b"MP4S",
    b"M4S2",
    b"\x04\0\0\0",
    b"ZMP4",
    b"DIV1",
    b"BLZ0",
    b"MP4V",
    b"UMP4",
    b"WV1F",
    b"SEDG",
    b"RMP4",
    b"3IV2",
    b"WAWV",
    b"FFDS",
    b"FVFW",
    b"DCOD",
    b"MVXM",
    b"PM4V",
    b"SMP4",
    b"DXGM",
    b"VIDM",
    b"M4T3",
    b"GEOX",
    b"HDX4",
    b"DM4V",
    b"DMK2",
    b"DYM4",
    b"DIGI",
    b"EPHV",
    b"EM4A",
    b"M4CC",
    b"SN40",
    b"VSPX",
    b"ULDX",
    b"XVIX",
    b"QMP4",
];
const H264: [&[u8; 4]; 9] = [b"H264", b"X264", b"AVC1", b"DAVC", b"VSSH", b"Q264", b"V264", b"GAVC", b"\x05\0\0\x10"];
const H265: [&[u8; 4]; 6] = [b"HEVC", b"H265", b"X265", b"HVC1", b"HEV1", b"HM10"];

/// Keys of pictures of which each is either a reference, shown when the next one comes, or a B picture, shown at once.
#[derive(Clone, Debug, Default)]
struct References {
    count: u64,
    between: u64,
}

impl References {
    fn key(&mut self, is_b: bool) -> u64 {
        if is_b {
            self.between += 1;
            self.count << 32 | self.between
        } else {
            self.between = 0;
            self.count += 1;
            self.count << 32 | u64::from(u32::MAX)
        }
    }
}

/// The first of the places where the headers of a codec may be: behind the description, or in the first chunks.
fn headers<'a>(info: &'a header::Picture, first: &'a [Bytes], found: impl Fn(&[u8]) -> bool) -> Option<&'a Bytes> {
    std::iter::once(&info.extra).chain(first).find(|bytes| found(bytes))
}

/// For people.
fn missing(name: FourCc, what: &str) -> String {
    format!("{name} without {what} in its description or its first pictures")
}
