//! The codecs that only Flash had, under the names that ASF or QuickTime has for them.

use crate::container::asf::wrap::Wrapper;
use crate::container::mp4::{Codec, Foreign};
use crate::container::quicktime;
use crate::container::wave::WaveFormat;

/// Pixels that a script may claim.
const MAX_PIXELS: f64 = 16_384.0;

/// The format tag of Flash's ADPCM that ffmpeg knows.
const ADPCM: u16 = 0x5346;

/// Video of the specification's codec `number`, whose tag has `data` behind its first byte, and how many bytes of it come before the
/// picture; or its name where it can't travel.
pub(super) fn video(number: u8, data: &[u8], (width, height): (u32, u32)) -> Result<(Codec, usize), String> {
    let (fourcc, skip) = match number {
        2 => (*b"FLV1", 0),
        3 => (*b"FSV1", 0),
        // One byte of cropping, which belongs to the description.
        4 => (*b"VP6F", 1),
        5 => return Err("VP6 with transparency".into()),
        6 => return Err("Screen video 2".into()),
        other => return Err(format!("number {other}")),
    };
    let own = data.get(..skip).ok_or("VP6 without a picture")?;
    let wrapper = Wrapper::video_of(1, fourcc, width, height, 24, own)?;
    Ok((Codec::Foreign(wrapper.into()), skip))
}

/// Flash's own ADPCM.
pub(super) fn adpcm(channels: u8, rate: u32) -> Result<Codec, String> {
    let wave = WaveFormat { bits: 4, ..WaveFormat::new(ADPCM, channels.into(), rate) };
    Ok(Codec::Foreign(Wrapper::audio(1, &wave.to_bytes())?.into()))
}

/// Codecs of the specification's numbers 4 to 6 and 11, which ASF has no name for: Nellymoser at 16 kHz, at 8 kHz, at any
/// rate, and Speex at 16 kHz.
pub(super) fn sound(number: u8, channels: u8, rate: u32) -> Option<Codec> {
    let (kind, name, channels, rate) = match number {
        4 => (*b"nmos", "Nellymoser", 1, 16_000),
        5 => (*b"nmos", "Nellymoser", 1, 8_000),
        6 => (*b"nmos", "Nellymoser", channels, rate),
        11 => (*b"spex", "Speex", 1, 16_000),
        _ => return None,
    };
    let codec = format!("{name} {rate} Hz {channels} channels");
    let format = quicktime::sound(kind, channels, rate, codec)?;
    Some(Codec::Foreign(Foreign { format, frame: None }))
}

/// The picture's width and height as a script tag says them, or zeros.
pub(super) fn size(script: &[u8]) -> (u32, u32) {
    let pixels = |name: &[u8]| number(script, name).map_or(0, |value| value.clamp(0.0, MAX_PIXELS) as u32);
    (pixels(b"width"), pixels(b"height"))
}

/// The number that a script's object has under a name (AMF 0: the name's length and bytes, a marker, the number).
fn number(script: &[u8], name: &[u8]) -> Option<f64> {
    let length = u16::try_from(name.len()).ok()?.to_be_bytes();
    let key = [&length[..], name, &[0]].concat();
    let at = script.windows(key.len()).position(|window| window == key)?;
    script.get(at + key.len()..)?.first_chunk().map(|bytes| f64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_tells_the_size() {
        let script =
            [&b"\0\x05width\0"[..], &320f64.to_be_bytes(), b"\0\x06height\0", &f64::NAN.to_be_bytes()].concat();
        assert_eq!(size(&script), (320, 0));
        assert_eq!(size(&script[..12]), (0, 0));
    }
}
