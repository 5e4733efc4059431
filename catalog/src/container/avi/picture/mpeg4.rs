//! MPEG-4 visual: a chunk is a picture (VOP), or two of them in the packed form of DivX 5.

use super::{Codec, Picture, References, header, headers, missing};
use bytes::{Bytes, BytesMut};
use rtp::codec::mpeg4_visual::{CodingType, Config, FIRST_LAYER, LAST_LAYER, Layer, USER_DATA, VOP, Vop, config_len};
use rtp::codec::start_code::start_codes;
use rtp::format::Format;

/// Bytes of the longest picture that only fills the place of one that came packed with another.
const MAX_FILLER: usize = 19;

#[derive(Clone, Debug)]
pub(in super::super) struct Mpeg4 {
    layer: Layer,
    /// The picture that came packed behind another.
    packed: Option<Bytes>,
    references: References,
}

/// The codec, its format and how many pictures wait to be shown.
pub(super) fn open(info: &header::Picture, first: &[Bytes]) -> Result<(Codec, Format, usize), String> {
    let bytes = headers(info, first, |bytes| Config::parse(bytes).is_ok());
    let bytes = bytes.ok_or_else(|| missing(info.compression, "a video object layer"))?;
    let config = bytes.slice(..config_len(bytes));
    let Config { layer, packed, .. } = Config::parse(&config).map_err(|error| error.to_string())?;
    let or = |size: u32, other: u32| if size > 0 { size } else { other };
    let (width, height) = (or(layer.width, info.width), or(layer.height, info.height));
    let delay = usize::from(packed || layer.low_delay == Some(false));
    let codec = Mpeg4 { layer, packed: None, references: References::default() };
    Ok((Codec::Mpeg4(Box::new(codec)), Format::Mp4vEs { config: unpacked(config).to_vec(), width, height }, delay))
}

impl Mpeg4 {
    pub fn handle(&mut self, chunk: Bytes) -> Option<Picture> {
        let mut pictures = start_codes(&chunk).filter(|found| found.code == VOP).map(|found| found.offset);
        pictures.next()?;
        let unit = match (pictures.next(), self.packed.take()) {
            (Some(second), _) => {
                self.packed = Some(chunk.slice(second..));
                chunk.slice(..second)
            }
            (None, Some(packed)) => {
                if chunk.len() > MAX_FILLER {
                    self.packed = Some(chunk);
                }
                packed
            }
            (None, None) => chunk,
        };
        self.picture(unit)
    }

    /// `None` for one that says only that nothing changes.
    fn picture(&mut self, unit: Bytes) -> Option<Picture> {
        let mut says_packed = false;
        for found in start_codes(&unit) {
            let rest = &unit[found.offset..];
            match found.code {
                FIRST_LAYER..=LAST_LAYER => self.layer = Layer::parse(rest).unwrap_or(self.layer),
                USER_DATA => says_packed = true,
                VOP => {
                    let vop = Vop::parse(rest, &self.layer).ok()?;
                    if !vop.coded {
                        return None;
                    }
                    let key = self.references.key(vop.coding_type == CodingType::B);
                    let sync = vop.coding_type == CodingType::I;
                    let data = if says_packed { unpacked(unit.clone()) } else { unit };
                    return Some(Picture { data, key, sync });
                }
                _ => {}
            }
        }
        None
    }
}

/// Takes from DivX's user data the letter by which decoders expect packed pictures, as they are packed no longer.
fn unpacked(bytes: Bytes) -> Bytes {
    /// Longer than any version it ever wrote.
    const LONGEST: usize = 32;
    let mut places = Vec::new();
    for found in start_codes(&bytes).filter(|found| found.code == USER_DATA) {
        let start = found.offset + 4;
        let Some(rest) = bytes[start..].strip_prefix(b"DivX") else { continue };
        let text = rest.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if text > 0 && rest[text - 1] == b'p' {
            places.push(start + 4 + text - 1);
        }
    }
    if places.is_empty() {
        return bytes;
    }
    let mut bytes = BytesMut::from(bytes.as_ref());
    for place in places {
        bytes[place] = b'n';
    }
    bytes.freeze()
}
