//! `moov` and its tracks (ISO 14496-12 sections 8.2 to 8.4).

use super::boxes::{Find, FourCc, Piece, version_flags};
use super::edits::{self, Edit};
use super::entry::{self, Description, Kind};
use super::fragment::Defaults;
use super::inflate;
use super::tables::Tables;
use crate::container::ContainerError;
use crate::container::limits::MAX_TRACKS;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{be_u16, be_u32, be_u64};
use rtp::format::Media;
use std::sync::Arc;

/// What `moov` says.
#[derive(Debug)]
pub(super) struct Movie {
    /// Those that we can send.
    pub tracks: Vec<Track>,
    /// What was left out, for people.
    pub notes: Vec<String>,
    /// By track id; `None`: the file has no fragments.
    pub fragments: Option<Vec<(u32, Defaults)>>,
}

/// One track.
#[derive(Debug)]
pub(super) struct Track {
    /// Place in `moov`, from 1, as in the paths of errors.
    pub number: u32,
    /// As fragments name it.
    pub id: u32,
    /// Ticks per second.
    pub timescale: u32,
    pub language: Option<String>,
    pub audio: bool,
    pub text: bool,
    pub descriptions: Vec<Description>,
    pub tables: Arc<Tables>,
    /// In media timescale.
    pub edits: Vec<Edit>,
}

impl Movie {
    /// Reads `moov` of a file of `len` bytes.
    pub fn read(moov: &Piece, len: u64) -> Result<Self, ContainerError> {
        let boxes = moov.children(0)?;
        if let Some(compressed) = boxes.find(b"cmov") {
            let moov = inflate::movie(compressed)?;
            // One in the other without end would be a bomb.
            return Self::of(&moov.children(0)?, &moov, len);
        }
        Self::of(&boxes, moov, len)
    }

    fn of(boxes: &[Piece], moov: &Piece, len: u64) -> Result<Self, ContainerError> {
        let movie_timescale = match boxes.find(b"mvhd") {
            Some(mvhd) => {
                mvhd.parse("a movie header", |input| timescale_and_rest(input).map(|(end, (scale, _))| (end, scale)))?
            }
            None => 0,
        };
        let fragments = boxes.find(b"mvex").map(read_defaults).transpose()?;
        let chapters = boxes.iter().filter(|piece| &piece.kind.0 == b"trak").flat_map(chapters).collect::<Vec<u32>>();
        let mut movie = Self { tracks: Vec::new(), notes: Vec::new(), fragments };
        for (piece, number) in boxes.iter().filter(|piece| &piece.kind.0 == b"trak").zip(1u32..) {
            if number as usize > MAX_TRACKS {
                return Err(piece.error(0, format!("more than {MAX_TRACKS} tracks")));
            }
            let fragmented = movie.fragments.is_some();
            let context = Context { movie_timescale, fragmented, chapters: &chapters, len };
            match read_track(piece, number, context, &mut movie.notes)? {
                Found::Track(track) => movie.tracks.push(track),
                Found::Other(what) => movie.notes.push(format!("track {number} is left out: {what}")),
            }
        }
        if movie.tracks.is_empty() {
            let why = if movie.notes.is_empty() { "it has none".into() } else { movie.notes.join("; ") };
            return Err(moov.error(0, format!("no track that can be sent: {why}")));
        }
        Ok(movie)
    }
}

enum Found {
    Track(Track),
    /// Why not.
    Other(String),
}

/// What the movie says of all its tracks.
#[derive(Clone, Copy)]
struct Context<'a> {
    movie_timescale: u32,
    fragmented: bool,
    /// Ids of tracks that hold the names of another one's chapters.
    chapters: &'a [u32],
    /// Bytes of the file.
    len: u64,
}

/// Ids of the tracks that hold the names of this one's chapters (QuickTime File Format, chapter lists).
fn chapters(trak: &Piece) -> Vec<u32> {
    let inside = |piece: &Piece, kind| piece.children(0).ok().and_then(|boxes| boxes.find(kind).cloned());
    let list = inside(trak, b"tref").and_then(|tref| inside(&tref, b"chap"));
    let ids =
        list.map(|list| list.body.chunks_exact(4).map(|id| u32::from_be_bytes([id[0], id[1], id[2], id[3]])).collect());
    ids.unwrap_or_default()
}

fn read_track(
    trak: &Piece,
    number: u32,
    context: Context<'_>,
    notes: &mut Vec<String>,
) -> Result<Found, ContainerError> {
    let Context { movie_timescale, fragmented, chapters, len } = context;
    let boxes = trak.children(0)?;
    let id = boxes.need(b"tkhd", trak)?.parse("a track header", track_id)?;
    let mdia = boxes.need(b"mdia", trak)?;
    let media = mdia.children(0)?;
    let mdhd = media.need(b"mdhd", mdia)?;
    let (timescale, language) = mdhd.parse("a media header", timescale_and_language)?;
    let handler = match media.find(b"hdlr") {
        Some(hdlr) => hdlr.parse("a handler", handler)?,
        None => FourCc(*b"none"),
    };
    let media_kind = match &handler.0 {
        b"vide" => Media::Video,
        b"soun" => Media::Audio,
        b"hint" => return Ok(Found::Other("a hint track (ready-made packets of another server)".into())),
        b"text" | b"sbtl" if chapters.contains(&id) => return Ok(Found::Other("the names of chapters".into())),
        b"text" | b"sbtl" => Media::Text,
        b"subt" | b"clcp" => return Ok(Found::Other(format!("a text track (handler {handler})"))),
        _ => return Ok(Found::Other(format!("neither video nor audio (handler {handler})"))),
    };
    let audio = media_kind == Media::Audio;
    let kind = match media_kind {
        Media::Video => "video",
        Media::Audio => "audio",
        Media::Text => "text",
    };
    let minf = media.need(b"minf", mdia)?;
    let inner = minf.children(0)?;
    let stbl = inner.need(b"stbl", minf)?;
    let stsd = stbl.children(0)?;
    let stsd = stsd.need(b"stsd", stbl)?;
    let descriptions = entry::read(stsd, media_kind, timescale)?;
    match &descriptions[0].kind {
        Kind::Known(_) => {}
        Kind::Unknown(codec) => return Ok(Found::Other(format!("{kind} in a codec not supported ({codec})"))),
        Kind::Encrypted(codec) => {
            return Err(stsd.error(8, format!("track {number} ({kind}) is encrypted ({codec}); it can't be sent")));
        }
    }
    if timescale == 0 {
        return Err(mdhd.error(0, "a timescale of 0"));
    }
    if descriptions.len() > 1 {
        notes.push(format!(
            "track {number} has {} sample descriptions: it is announced by the first",
            descriptions.len()
        ));
    }
    // Fragmented files mostly leave the tables out or empty.
    let without_tables = fragmented && stbl.children(0)?.find(b"stsz").is_none();
    let tables = if without_tables { Tables::empty() } else { Tables::read(stbl, descriptions[0].frame, len)? };
    // A tick may also be a whole frame (AMR with 50 ticks a second).
    if tables.is_ticks() && audio && descriptions[0].frame.is_none() && timescale >= MIN_TICKS {
        return Ok(Found::Other("audio in single ticks of a codec that has no constant frames".into()));
    }
    let edits = match boxes.find(b"edts") {
        Some(edts) => match edts.children(0)?.find(b"elst") {
            Some(elst) => edits::read(elst, movie_timescale, timescale)?,
            None => Vec::new(),
        },
        None => Vec::new(),
    };
    let text = media_kind == Media::Text;
    Ok(Found::Track(Track { number, id, timescale, language, audio, text, descriptions, tables, edits }))
}

/// Ticks per second from which on one is no access unit: none lasts less than 2.5 ms.
const MIN_TICKS: u32 = 400;

/// The track's id, in either version of `tkhd`.
fn track_id(input: &[u8]) -> IResult<&[u8], u32> {
    let (input, (version, _)) = version_flags(input)?;
    let (input, _) = take(if version == 1 { 16usize } else { 8 })(input)?;
    be_u32(input)
}

/// `mvhd` and `mdhd` begin alike: creation, modification, timescale, duration.
fn timescale_and_rest(input: &[u8]) -> IResult<&[u8], (u32, &[u8])> {
    let (input, (version, _)) = version_flags(input)?;
    let (input, _) = take(if version == 1 { 16usize } else { 8 })(input)?;
    let (input, timescale) = be_u32(input)?;
    let (input, _duration) = if version == 1 {
        be_u64(input)?
    } else {
        let (input, duration) = be_u32(input)?;
        (input, u64::from(duration))
    };
    Ok((&input[input.len()..], (timescale, input)))
}

fn timescale_and_language(input: &[u8]) -> IResult<&[u8], (u32, Option<String>)> {
    let (end, (timescale, rest)) = timescale_and_rest(input)?;
    let (_, code) = be_u16(rest)?;
    Ok((end, (timescale, language(code))))
}

/// Three letters of five bits (ISO 639-2/T), or a Macintosh language code (QuickTime, below 0x400).
fn language(code: u16) -> Option<String> {
    if code < 0x400 {
        return MACINTOSH.get(usize::from(code)).map(|name| name.to_string());
    }
    let letters = [code >> 10 & 31, code >> 5 & 31, code & 31].map(|five| (five as u8).wrapping_add(0x60));
    let text = String::from_utf8(letters.to_vec()).ok()?;
    (text != "und" && text.bytes().all(|letter| letter.is_ascii_lowercase())).then_some(text)
}

/// The first of the Macintosh language codes. English (0) is what writers leave there by default, but it is
/// also what it says.
const MACINTOSH: [&str; 15] =
    ["eng", "fra", "deu", "ita", "nld", "swe", "spa", "dan", "por", "nor", "heb", "jpn", "ara", "fin", "ell"];

fn handler(input: &[u8]) -> IResult<&[u8], FourCc> {
    let (input, _) = take(8usize)(input)?;
    let (input, kind) = take(4usize)(input)?;
    Ok((input, FourCc([kind[0], kind[1], kind[2], kind[3]])))
}

/// `trex` boxes: what fragments leave unsaid (ISO 14496-12 section 8.8.3).
fn read_defaults(mvex: &Piece) -> Result<Vec<(u32, Defaults)>, ContainerError> {
    mvex.children(0)?
        .iter()
        .filter(|piece| &piece.kind.0 == b"trex")
        .map(|trex| {
            trex.parse("track defaults", |input| {
                let (input, _) = version_flags(input)?;
                let (input, track) = be_u32(input)?;
                let (input, description) = be_u32(input)?;
                let (input, duration) = be_u32(input)?;
                let (input, size) = be_u32(input)?;
                let (input, flags) = be_u32(input)?;
                Ok((input, (track, Defaults { description, duration, size, flags })))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_of_both_kinds_are_named() {
        #[track_caller]
        fn check(code: u16, want: Option<&str>) {
            assert_eq!(language(code).as_deref(), want);
        }
        check(0x15c7, Some("eng"));
        check(0x10b5, Some("deu"));
        check(0x55c4, None);
        check(2, Some("deu"));
        check(0x3ff, None);
        check(0x7fff, None);
    }
}
