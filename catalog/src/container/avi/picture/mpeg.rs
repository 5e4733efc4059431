//! MPEG-1 and MPEG-2 video: a chunk is a frame with the headers before it.

use super::{Codec, Picture, References, header, headers};
use bytes::Bytes;
use rtp::codec::mpeg_video::{CodingType, PICTURE, Picture as PictureHeader, SEQUENCE, Sequence};
use rtp::codec::start_code::start_codes;
use rtp::format::Format;

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Mpeg {
    references: References,
}

/// The codec, its format and how many pictures wait to be shown.
pub(super) fn open(mpeg2: bool, info: &header::Picture, first: &[Bytes]) -> (Codec, Format, usize) {
    let codec = Codec::Mpeg(Mpeg::default());
    let Some(sequence) = headers(info, first, |bytes| sequence(bytes).is_some()).and_then(|bytes| sequence(bytes))
    else {
        return (codec, Format::Mpv { mpeg2, width: info.width, height: info.height }, 1);
    };
    let Sequence { mpeg2, width, height, low_delay, .. } = sequence;
    (codec, Format::Mpv { mpeg2, width, height }, usize::from(!low_delay))
}

fn sequence(bytes: &[u8]) -> Option<Sequence> {
    let found = start_codes(bytes).take_while(|found| found.code != PICTURE).find(|found| found.code == SEQUENCE)?;
    Sequence::parse(&bytes[found.offset..]).ok()
}

impl Mpeg {
    pub fn handle(&mut self, data: Bytes) -> Option<Picture> {
        let mut has_sequence = false;
        for found in start_codes(&data) {
            match found.code {
                SEQUENCE => has_sequence = true,
                PICTURE => {
                    let kind = PictureHeader::parse(&data[found.offset..]).ok()?.coding_type;
                    let sync = has_sequence && kind == CodingType::I;
                    return Some(Picture { key: self.references.key(kind == CodingType::B), sync, data });
                }
                _ => {}
            }
        }
        None
    }
}
