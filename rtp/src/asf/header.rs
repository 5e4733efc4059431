//! The header that receivers get beforehand, in the session description (ASF Specification section 3,
//! \[MS-RTSP\] 2.2.5.2.1).

use super::guid::{self, Guid};
use super::{MAX_PACKET, PREROLL_MS, packet};
use crate::clock::MediaTime;
use crate::format::{Format, Media};

/// The header and the data object's own together at most, bytes: ffmpeg 5.1 reads lines of 16 384 characters, which base64
/// fills with this much.
pub const MAX_HEADER: usize = 11_800;

/// The same in the header as in the data object; nobody compares it with anything else.
const FILE_ID: Guid = *b"mobidic's stream";

/// Bytes of the data object before its packets.
const DATA_HEAD: u64 = 50;

/// Seconds are counted in these.
const HUNDRED_NANOSECONDS: i64 = 100;

/// A Stream Properties Object (section 3.3) to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamProperties<'a> {
    /// 1 to 127.
    pub stream: u8,
    /// Which stream type.
    pub media: Media,
    /// What the type asks for: see [`video_data`]; for audio a WAVEFORMATEX.
    pub type_data: &'a [u8],
}

impl StreamProperties<'_> {
    /// The object's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.media {
            Media::Audio => guid::AUDIO,
            _ => guid::VIDEO,
        };
        let mut body = Vec::with_capacity(54 + self.type_data.len());
        body.extend_from_slice(&kind);
        body.extend_from_slice(&guid::NO_ERROR_CORRECTION);
        body.extend_from_slice(&0u64.to_le_bytes());
        body.extend_from_slice(&length(self.type_data));
        body.extend_from_slice(&0u32.to_le_bytes());
        body.extend_from_slice(&u16::from(self.stream & 0x7f).to_le_bytes());
        body.extend_from_slice(&0u32.to_le_bytes());
        body.extend_from_slice(self.type_data);
        object(&guid::STREAM_PROPERTIES, &body)
    }
}

/// A video stream's type-specific data (section 9.2) around a BITMAPINFOHEADER with what follows it.
pub fn video_data(width: u32, height: u32, bitmap_info: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(11 + bitmap_info.len());
    data.extend_from_slice(&width.to_le_bytes());
    data.extend_from_slice(&height.to_le_bytes());
    data.push(2);
    let size = u16::try_from(bitmap_info.len()).unwrap_or(u16::MAX);
    data.extend_from_slice(&size.to_le_bytes());
    data.extend_from_slice(&bitmap_info[..usize::from(size)]);
    data
}

/// What a presentation's ASF tracks are to receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the longest data packet, for `a=maxps`.
    pub max_packet: usize,
    /// Header object and the start of the data object.
    pub bytes: Vec<u8>,
}

impl Header {
    /// For a presentation that lasts `duration`, whose ASF tracks are among `tracks`, each with the bytes of all its
    /// samples. `None` where no track is ASF.
    pub fn new<'a>(tracks: impl Iterator<Item = (&'a Format, u64)>, duration: MediaTime) -> Option<Self> {
        let max_packet = u32::try_from(MAX_PACKET).unwrap_or(u32::MAX);
        let (mut streams, mut count, mut media_bytes) = (Vec::new(), 0u32, 0u64);
        for (format, bytes) in tracks {
            if let Format::Asf { properties, .. } = format {
                streams.extend_from_slice(properties);
                count += 1;
                media_bytes = media_bytes.saturating_add(bytes);
            }
        }
        if count == 0 {
            return None;
        }
        // At least as many as there are: the least that a packet has is one byte.
        let packets = media_bytes / (packet::OVERHEAD as u64 + 1) + 1;
        let data_size = packets.saturating_mul(u64::from(max_packet)).saturating_add(DATA_HEAD);
        let span = u64::try_from(duration.0 / HUNDRED_NANOSECONDS).unwrap_or(0);
        let preroll = u64::from(PREROLL_MS) * 10_000;
        let bits = media_bytes.saturating_mul(8).saturating_mul(10_000_000) / span.max(1);
        let mut file = Vec::with_capacity(80);
        file.extend_from_slice(&FILE_ID);
        file.extend_from_slice(&data_size.to_le_bytes());
        file.extend_from_slice(&0u64.to_le_bytes());
        file.extend_from_slice(&packets.to_le_bytes());
        file.extend_from_slice(&span.saturating_add(preroll).to_le_bytes());
        file.extend_from_slice(&span.to_le_bytes());
        file.extend_from_slice(&u64::from(PREROLL_MS).to_le_bytes());
        // Seekable, and no broadcast.
        file.extend_from_slice(&2u32.to_le_bytes());
        file.extend_from_slice(&max_packet.to_le_bytes());
        file.extend_from_slice(&max_packet.to_le_bytes());
        file.extend_from_slice(&u32::try_from(bits).unwrap_or(u32::MAX).to_le_bytes());
        let mut extension = guid::RESERVED_1.to_vec();
        extension.extend_from_slice(&6u16.to_le_bytes());
        extension.extend_from_slice(&0u32.to_le_bytes());
        let mut body = (count + 2).to_le_bytes().to_vec();
        body.extend_from_slice(&[1, 2]);
        body.extend_from_slice(&object(&guid::FILE_PROPERTIES, &file));
        body.extend_from_slice(&object(&guid::HEADER_EXTENSION, &extension));
        body.extend_from_slice(&streams);
        let mut bytes = object(&guid::HEADER, &body);
        bytes.extend_from_slice(&guid::DATA);
        bytes.extend_from_slice(&data_size.to_le_bytes());
        bytes.extend_from_slice(&FILE_ID);
        bytes.extend_from_slice(&packets.to_le_bytes());
        bytes.extend_from_slice(&[1, 1]);
        Some(Self { max_packet: MAX_PACKET, bytes })
    }
}

fn object(name: &Guid, body: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend_from_slice(&(body.len() as u64 + 24).to_le_bytes());
    out.extend_from_slice(body);
    out
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_its_streams_and_nothing_but_asf_is_in_it() {
        let stream = |stream, media| Format::Asf {
            stream,
            media,
            properties: StreamProperties { stream, media, type_data: &[7; 18] }.to_bytes(),
            codec: "x".into(),
        };
        let other = Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 };
        assert_eq!(Header::new([(&other, 9)].into_iter(), MediaTime(1)), None);
        let (video, audio) = (stream(1, Media::Video), stream(2, Media::Audio));
        let tracks = [(&video, 10_000), (&other, 1), (&audio, 5_000)];
        let header = Header::new(tracks.into_iter(), MediaTime(2_000_000_000)).unwrap();
        let long = |at: usize| u64::from_le_bytes(header.bytes[at..at + 8].try_into().unwrap());
        let objects = header.bytes.len() - 50;
        assert_eq!((&header.bytes[..16], long(16)), (&guid::HEADER[..], objects as u64));
        assert_eq!(header.bytes[24..28], 4u32.to_le_bytes());
        assert_eq!(objects, 30 + 104 + 46 + 2 * (78 + 18));
        // Play duration with the preroll, send duration, preroll.
        assert_eq!((long(94), long(102), long(110)), (20_000_000, 20_000_000, 0));
        assert_eq!(header.bytes[objects..objects + 16], guid::DATA);
        assert_eq!(long(objects + 16), long(70), "data size and file size");
        assert!(header.bytes.len() < MAX_HEADER);
    }

    #[test]
    fn video_data_says_how_long_the_format_is() {
        let data = video_data(320, 240, &[9; 40]);
        assert_eq!(data[..11], [64, 1, 0, 0, 240, 0, 0, 0, 2, 40, 0]);
        assert_eq!(data.len(), 51);
    }
}
