//! Sample descriptions: which codec a track's samples are in, and its configuration
//! (ISO 14496-12 section 8.5.2, 14496-14; QuickTime File Format, sample descriptions).

mod audio;
mod foreign;
mod video;

use super::boxes::{Find, FourCc, Piece};
use super::codec::Codec;
use super::esds::{self, Descriptor};
use super::ticks::Frame;
use crate::container::ContainerError;
use nom::number::complete::be_u32;
use rtp::format::Media;
pub(in crate::container) use video::{avc_codec, hevc_codec};

/// A sample description.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub kind: Kind,
    /// For audio of a constant rate: what single ticks of it are bundled by.
    pub frame: Option<Frame>,
}

/// What it turned out to be.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// One that we can send.
    Known(Codec),
    /// Named for people.
    Unknown(String),
    /// Named likewise, with the scheme.
    Encrypted(String),
}

/// Most descriptions of one track that are told apart.
const MAX_DESCRIPTIONS: usize = 64;

/// All descriptions in `stsd`, in order; `media` and `timescale` are the track's.
pub(super) fn read(stsd: &Piece, media: Media, timescale: u32) -> Result<Vec<Description>, ContainerError> {
    // Version, flags and the entry count come before the entries.
    let entries = stsd.children(8)?;
    if entries.is_empty() {
        return Err(stsd.error(8, "no sample description"));
    }
    entries.iter().take(MAX_DESCRIPTIONS).map(|entry| read_entry(entry, media, timescale)).collect()
}

fn read_entry(entry: &Piece, media: Media, timescale: u32) -> Result<Description, ContainerError> {
    let mut frame = None;
    let kind = match &entry.kind.0 {
        b"encv" | b"enca" | b"drmi" | b"drms" => encrypted(entry)?,
        b"avc1" | b"avc3" => video::avc(entry)?,
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => video::hevc(entry)?,
        b"mp4v" => video::mpeg4(entry)?,
        b"s263" | b"h263" | b"H263" | b"U263" => video::plain(entry, |width, height| Codec::H263 { width, height })?,
        b"vp08" => video::plain(entry, |width, height| Codec::Vp8 { width, height })?,
        b"vp09" => video::plain(entry, |width, height| Codec::Vp9 { width, height })?,
        b"jpeg" | b"mjpa" | b"dmb1" | b"AVDJ" => video::plain(entry, |width, height| Codec::Jpeg { width, height })?,
        b"mp4a" => audio::mpeg4(entry)?,
        // QuickTime's two names of MPEG audio layer III; the second is the Windows format tag.
        b".mp3" | b"ms\0\x55" => audio::plain(entry, |_| Codec::MpegAudio)?,
        b"ac-3" => audio::plain(entry, |_| Codec::Ac3)?,
        b"ec-3" => audio::plain(entry, |_| Codec::Eac3)?,
        b"samr" => audio::plain(entry, |_| Codec::Amr { wide: false })?,
        b"sawb" => audio::plain(entry, |_| Codec::Amr { wide: true })?,
        b"Opus" => audio::opus(entry)?,
        b"m1v " | b"m1v1" | b"mpeg" | b"mp1v" => video::plain(entry, |width, height| mpeg(false, width, height))?,
        // MPEG-2 of cameras and cutting rooms: each size and rate has its own name.
        b"mp2v" | b"m2v1" | b"mpg2" | b"AVmp" => video::plain(entry, |width, height| mpeg(true, width, height))?,
        [b'h', b'd', b'v', _] | [b'x', b'd', b'v' | b'5' | b'h', _] | [b'm', b'x', b'3'..=b'5', b'n' | b'p'] => {
            video::plain(entry, |width, height| mpeg(true, width, height))?
        }
        b"tx3g" | b"text" if media == Media::Text => Kind::Known(Codec::Text),
        _ if media == Media::Text => Kind::Unknown(entry.kind.to_string()),
        // The names of uncompressed pictures are among those of samples.
        _ if media == Media::Video => foreign::video(entry)?,
        _ => audio::pcm_or_foreign(entry, timescale)?,
    };
    if let Kind::Known(codec) = &kind {
        frame = codec.frame();
    }
    Ok(Description { kind, frame })
}

fn mpeg(mpeg2: bool, width: u32, height: u32) -> Codec {
    Codec::MpegVideo { mpeg2, width, height }
}

fn encrypted(entry: &Piece) -> Result<Kind, ContainerError> {
    let skip = if matches!(&entry.kind.0, b"encv" | b"drmi") { VISUAL } else { SOUND };
    let boxes = entry.children(skip).unwrap_or_default();
    let inner = boxes.find(b"sinf").map(|sinf| sinf.children(0)).transpose()?.unwrap_or_default();
    let name = |kind, at: usize| {
        let body = &inner.find(kind)?.body;
        let name = body.get(at..at + 4)?;
        Some(FourCc([name[0], name[1], name[2], name[3]]).to_string())
    };
    let codec = name(b"frma", 0).unwrap_or_else(|| entry.kind.to_string());
    let scheme = name(b"schm", 4).unwrap_or_else(|| "unnamed".into());
    Ok(Kind::Encrypted(format!("{codec}, scheme {scheme}")))
}

/// Bytes of a visual sample entry's fields before its boxes.
const VISUAL: usize = 78;
/// Likewise of a sound entry's, version 0.
const SOUND: usize = 28;

/// What `esds` says, with its place for errors.
fn descriptor(boxes: &[Piece], entry: &Piece) -> Result<Descriptor, ContainerError> {
    let piece = boxes.need(b"esds", entry)?;
    piece.parse("an elementary stream descriptor", |input| {
        let (input, _) = be_u32(input)?;
        esds::descriptor(input)
    })
}
