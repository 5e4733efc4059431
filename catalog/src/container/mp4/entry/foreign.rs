//! Codecs without a payload format: where ASF has a name for them, their tracks travel in its packets
//! ([`crate::container::asf::wrap`]), else as QuickTime describes them ([`crate::container::quicktime`]).

use super::audio::Sound;
use super::{Kind, VISUAL};
use crate::container::ContainerError;
use crate::container::asf::wrap::Wrapper;
use crate::container::lossless::Lossless;
use crate::container::mp4::boxes::{Find, Piece};
use crate::container::mp4::codec::{Codec, Foreign};
use crate::container::mp4::ticks::Frame;
use crate::container::quicktime;
use crate::container::wave::{self, WaveFormat};
use rtp::format::Media;

/// QuickTime's name of a video codec, and what files for Windows call the same: the names that players look for in ASF.
const VIDEO: &[(&[u8; 4], &[u8; 4])] = &[
    (b"SVQ1", b"svq1"),
    (b"svq1", b"svq1"),
    (b"SVQ3", b"SVQ3"),
    (b"cvid", b"cvid"),
    (b"IV31", b"IV31"),
    (b"IV32", b"IV32"),
    (b"IV41", b"IV41"),
    (b"IV50", b"IV50"),
    (b"rpza", b"rpza"),
    (b"azpr", b"rpza"),
    (b"msvc", b"MSVC"),
    (b"CRAM", b"CRAM"),
    (b"WRLE", b"mrle"),
    (b"VP30", b"VP30"),
    (b"VP31", b"VP31"),
    (b"VP60", b"VP60"),
    (b"VP61", b"VP61"),
    (b"VP62", b"VP62"),
    (b"VP6F", b"VP6F"),
    (b"FLV1", b"FLV1"),
    (b"MP42", b"MP42"),
    (b"MP43", b"MP43"),
    (b"DIV3", b"DIV3"),
    (b"3IVD", b"DIV3"),
    (b"WMV1", b"WMV1"),
    (b"WMV2", b"WMV2"),
    (b"WMV3", b"WMV3"),
    (b"vc-1", b"WVC1"),
    (b"av01", b"AV01"),
    (b"dvc ", b"dvsd"),
    (b"dvcp", b"dvsd"),
    (b"dvpp", b"dvsd"),
    (b"dv5n", b"dv50"),
    (b"dv5p", b"dv50"),
    (b"mjp2", b"mjp2"),
    (b"png ", b"MPNG"),
    (b"CFHD", b"CFHD"),
    (b"FFV1", b"FFV1"),
    (b"HFYU", b"HFYU"),
    (b"drac", b"drac"),
    (b"yuvs", b"YUY2"),
    (b"2vuy", b"UYVY"),
    (b"2Vuy", b"UYVY"),
    (b"v210", b"v210"),
    (b"v308", b"v308"),
    (b"v408", b"v408"),
    (b"v410", b"v410"),
    (b"yuv4", b"yuv4"),
    (b"r210", b"r210"),
    (b"I420", b"I420"),
    (b"dvh5", b"dvh1"),
    (b"dvh6", b"dvh1"),
    (b"dvhp", b"dvh1"),
    (b"dvhq", b"dvh1"),
    (b"LJPG", b"LJPG"),
    (b"tga ", b"tga "),
    (b"ULRA", b"ULRA"),
    (b"ULRG", b"ULRG"),
    (b"ULY0", b"ULY0"),
    (b"ULY2", b"ULY2"),
    (b"ULH0", b"ULH0"),
    (b"ULH2", b"ULH2"),
];

/// Sound codecs that only QuickTime has a name for, and whose decoders need no more than rate and channels: receivers keep
/// nothing else of a sample description.
const QUICKTIME_SOUND: [&[u8; 4]; 10] =
    [b"MAC3", b"MAC6", b"Qclp", b"nmos", b"agsm", b"spex", b"fl32", b"fl64", b"in32", b"lpcm"];

/// Apple ProRes and Avid DNxHD: likewise, as their pictures say their size.
const QUICKTIME_VIDEO: [&[u8; 4]; 8] = [b"apch", b"apcn", b"apcs", b"apco", b"ap4h", b"ap4x", b"AVdn", b"AVdh"];
/// The RTP clock of those.
const CLOCK: u32 = 90_000;

/// A video codec by its name.
pub(super) fn video(entry: &Piece) -> Result<Kind, ContainerError> {
    let unknown = || Kind::Unknown(entry.kind.to_string());
    let (width, height) = super::video::visual(entry)?;
    if QUICKTIME_VIDEO.contains(&&entry.kind.0) {
        let codec = format!("{} video {width}x{height}", entry.kind);
        let format = quicktime::described(Media::Video, &quicktime::boxed(entry.kind.0, &entry.body), CLOCK, codec);
        let known = format.map(|format| Kind::Known(Codec::Foreign(Foreign { format, frame: None })));
        return Ok(known.unwrap_or_else(unknown));
    }
    let Some(&(_, name)) = VIDEO.iter().find(|(known, _)| **known == entry.kind.0) else { return Ok(unknown()) };
    let word = |at: usize| entry.body.get(at..at + 2).map_or(0, |word| u16::from_be_bytes([word[0], word[1]]));
    // The colour depth; from 33 on it counts greys.
    let depth = word(74);
    if matches!(depth, 1..=8 | 33..=40) && name != b"MPNG" {
        return Ok(Kind::Unknown(format!("{} with a palette", entry.kind)));
    }
    let boxes = entry.children(VISUAL).unwrap_or_default();
    let private = match name {
        // Decoders look for Sorenson's header in the whole description, from its name on.
        b"SVQ3" => [&entry.kind.0[..], &entry.body].concat(),
        b"AV01" => boxes.find(b"av1C").map(|found| found.body.to_vec()).unwrap_or_default(),
        b"WVC1" => boxes.find(b"dvc1").and_then(|found| found.body.get(7..)).unwrap_or_default().to_vec(),
        _ => boxes.find(b"glbl").map(|found| found.body.to_vec()).unwrap_or_default(),
    };
    let depth = if depth == 0 { 24 } else { depth };
    Ok(kind(entry, Wrapper::video_of(1, *name, width, height, depth, &private), None))
}

/// A sound codec by its name, or `None`.
pub(super) fn audio(entry: &Piece, sound: &Sound, timescale: u32) -> Option<Kind> {
    let rate = if sound.rate == 0 { timescale } else { sound.rate };
    let frame = sound.packet.map(|(ticks, bytes)| Frame { ticks, bytes, bundle: rate / 50 });
    // Version 2 has no such fields in the same place.
    let samples = (&entry.kind.0 == b"lpcm").then(|| Frame::pcm(sound.bits / 8 * u32::from(sound.channels), rate));
    let frame = frame.or(samples.filter(|frame| frame.bytes > 0));
    let inside = sound.boxes.find(b"wave").and_then(|wave| wave.children(0).ok()).unwrap_or_default();
    let plain = |tag| WaveFormat::new(tag, sound.channels.into(), rate);
    let described = match &entry.kind.0 {
        b"ima4" => {
            let channels = sound.channels.max(1);
            return Some(Kind::Known(Codec::Ima4 { rate, channels }));
        }
        &[b'm', b's', high, low] => {
            // What Windows says of it lies in a box of the same name.
            let whole =
                inside.iter().chain(&sound.boxes).find(|found| found.kind == entry.kind && found.body.len() >= 16);
            let block = frame.map_or(0, |frame| u16::try_from(frame.bytes).unwrap_or(0));
            let tag = u16::from_be_bytes([high, low]);
            match whole {
                Some(found) => found.body.to_vec(),
                None => WaveFormat { bits: 4, ..plain(tag).in_blocks(block) }.to_bytes(),
            }
        }
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"DTS " => plain(wave::DTS).to_bytes(),
        b"fLaC" => {
            // Version and flags, then the first metadata block with its header: that on the stream.
            let info = sound.boxes.find(b"dfLa").and_then(|found| found.body.get(8..42))?;
            if let Some(codec) = Lossless::flac(info) {
                return Some(Kind::Known(Codec::Lossless(codec)));
            }
            let bits = u16::try_from(sound.bits).unwrap_or(16);
            WaveFormat { bits, extra: info.to_vec(), ..plain(wave::FLAC) }.to_bytes()
        }
        b"alac" if let Some(codec) = alac(sound, &inside) => return Some(Kind::Known(Codec::Lossless(codec))),
        name if QUICKTIME_SOUND.contains(&name) => {
            let codec = format!("{} {rate} Hz {} channels", entry.kind, sound.channels);
            let whole = quicktime::boxed(*name, &entry.body);
            let format = quicktime::described(Media::Audio, &whole, rate, codec)?;
            return Some(Kind::Known(Codec::Foreign(Foreign { format, frame })));
        }
        _ => return None,
    };
    Some(kind(entry, Wrapper::audio(1, &described), frame))
}

/// Apple Lossless by its cookie, which lies in a box of the same name, behind version and flags.
fn alac(sound: &Sound, inside: &[Piece]) -> Option<Lossless> {
    let found = inside.iter().chain(&sound.boxes).find(|found| &found.kind.0 == b"alac")?;
    Lossless::alac(found.body.get(4..)?)
}

/// DTS that `esds` names.
pub(super) fn dts(entry: &Piece, channels: u8, rate: u32) -> Kind {
    let described = WaveFormat::new(wave::DTS, channels.into(), rate).to_bytes();
    kind(entry, Wrapper::audio(1, &described), None)
}

fn kind(entry: &Piece, wrapper: Result<Wrapper, String>, frame: Option<Frame>) -> Kind {
    match wrapper {
        Ok(wrapper) => Kind::Known(Codec::Foreign(Foreign { format: wrapper.format(), frame })),
        Err(why) => Kind::Unknown(format!("{}: {why}", entry.kind)),
    }
}
