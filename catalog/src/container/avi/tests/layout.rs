//! The same film laid out in every way that writers have, right and wrong: the samples stay the same.

use super::demux;
use super::files::{MP3, MPEG4, PICTURE, TONE};
use super::played::make;
use crate::container::DemuxedSample;
use crate::container::avi::Avi;
use crate::container::testing::{Demuxed, drive};
use std::io::{Seek, SeekFrom, Write};

/// A film taken apart.
pub(super) struct Film {
    /// The list of headers as it is in the file.
    hdrl: Vec<u8>,
    chunks: Vec<Chunk>,
}

#[derive(Clone)]
struct Chunk {
    name: [u8; 4],
    data: Vec<u8>,
}

/// How it is put together.
#[derive(Clone, Default)]
pub(super) struct Layout {
    /// Chunks to a `rec ` list.
    pub rec: Option<usize>,
    pub unpadded: bool,
    /// Between chunks.
    pub junk: bool,
    /// What RIFF and `movi` claim to be long.
    pub sizes: Option<u32>,
    pub index: Index,
    /// All of the one stream, then all of the other.
    pub apart: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Index {
    #[default]
    FromList,
    FromFile,
    None,
    /// Only of the first half.
    Half,
    /// Every third is missing.
    Holes,
    Wrong,
}

pub(super) fn original() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::read(make(folder.path(), "film.avi", &[PICTURE, TONE, MPEG4, MP3])).unwrap()
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Name, place of the body, and size of each chunk in a range.
fn walk(bytes: &[u8], from: usize, to: usize) -> Vec<([u8; 4], usize, usize)> {
    let (mut at, mut out) = (from, Vec::new());
    while at + 8 <= to {
        let size = word(bytes, at + 4);
        out.push((bytes[at..at + 4].try_into().unwrap(), at + 8, size));
        at += 8 + size + (size & 1);
    }
    out
}

impl Film {
    pub fn new(file: &[u8]) -> Self {
        let mut film = Film { hdrl: Vec::new(), chunks: Vec::new() };
        for (name, at, size) in walk(file, 12, file.len()) {
            match (&name, &file[at..at + 4]) {
                (b"LIST", b"hdrl") => film.hdrl = file[at - 8..at + size].to_vec(),
                (b"LIST", b"movi") => {
                    let chunks = walk(file, at + 4, at + size).into_iter();
                    let chunks = chunks.map(|(name, at, size)| Chunk { name, data: file[at..at + size].to_vec() });
                    film.chunks.extend(chunks.filter(|chunk| chunk.name[0] == b'0'));
                }
                _ => {}
            }
        }
        film
    }

    /// The place of a stream header's body in `hdrl`.
    fn header(&self, stream: usize) -> usize {
        let places = self.hdrl.windows(4).enumerate().filter(|(_, name)| name == b"strh");
        places.map(|(at, _)| at + 8).nth(stream).unwrap()
    }

    pub fn build(&self, layout: &Layout) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0AVI ".to_vec();
        out.extend(&self.hdrl);
        let movi = out.len();
        out.extend(b"LIST\0\0\0\0movi");
        let mut chunks = self.chunks.clone();
        if layout.apart {
            chunks.sort_by_key(|chunk| chunk.name);
        }
        let mut index = Vec::new();
        for group in chunks.chunks(layout.rec.unwrap_or(usize::MAX)) {
            let list = out.len();
            if layout.rec.is_some() {
                out.extend(b"LIST\0\0\0\0rec ");
            }
            for chunk in group {
                index.push((chunk.name, out.len(), chunk.data.len()));
                push(&mut out, chunk.name, &chunk.data, !layout.unpadded);
                if layout.junk {
                    push(&mut out, *b"JUNK", &[0; 30], true);
                }
            }
            if layout.rec.is_some() {
                close(&mut out, list);
            }
        }
        if out.len() % 2 == 1 {
            out.push(0);
        }
        close(&mut out, movi);
        let base = if layout.index == Index::FromFile { 0 } else { movi + 8 };
        match layout.index {
            Index::None => index.clear(),
            Index::Half => index.truncate(index.len() / 2),
            Index::Holes => {
                index = index.into_iter().enumerate().filter(|(at, _)| at % 3 != 1).map(|(_, row)| row).collect()
            }
            Index::Wrong => index.iter_mut().for_each(|(_, at, _)| *at += 6),
            Index::FromList | Index::FromFile => {}
        }
        if layout.index != Index::None {
            let row = |(name, at, size): ([u8; 4], usize, usize)| {
                [name, [16, 0, 0, 0], ((at - base) as u32).to_le_bytes(), (size as u32).to_le_bytes()].concat()
            };
            let rows: Vec<u8> = index.into_iter().flat_map(row).collect();
            push(&mut out, *b"idx1", &rows, true);
        }
        close(&mut out, 0);
        if let Some(size) = layout.sizes {
            out[4..8].copy_from_slice(&size.to_le_bytes());
            out[movi + 4..movi + 8].copy_from_slice(&size.to_le_bytes());
        }
        out
    }

    /// As OpenDML: two parts, each with an index of each stream, in entries of `words` words. The second part lies `hole`
    /// bytes behind the first, from where it begins here.
    fn build_open_dml(&self, words: u8, hole: u64) -> (Vec<u8>, usize) {
        let mut pieces: [Vec<[u64; 2]>; 2] = [Vec::new(), Vec::new()];
        let mut out = Vec::new();
        let hdrl_at = 12;
        let half = self.chunks.len() / 2;
        let mut second = 0;
        for (part, chunks) in [&self.chunks[..half], &self.chunks[half..]].into_iter().enumerate() {
            let riff = out.len();
            let moved = if part == 0 { 0 } else { hole };
            second = riff;
            out.extend(b"RIFF\0\0\0\0");
            out.extend(if part == 0 { b"AVI " } else { b"AVIX" });
            if part == 0 {
                out.extend(self.with_super_indexes(&[vec![[0; 2]; 2], vec![[0; 2]; 2]]));
            }
            let movi = out.len();
            out.extend(b"LIST\0\0\0\0movi");
            let mut places: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
            for chunk in chunks {
                let place = &mut places[usize::from(chunk.name[1] - b'0')];
                place.extend(((out.len() + 8 - movi) as u32).to_le_bytes());
                place.extend((chunk.data.len() as u32 | 1 << 31).to_le_bytes());
                place.extend(&[0; 4][..usize::from(words - 2) * 4]);
                push(&mut out, chunk.name, &chunk.data, true);
            }
            for (stream, rows) in places.iter().enumerate() {
                let count = (rows.len() / 4 / usize::from(words)) as u32;
                let name = [b"00dc", b"01wb"][stream];
                let head = [[words, 0, 0, 1], count.to_le_bytes(), *name].concat();
                let body = [head, (movi as u64 + moved).to_le_bytes().to_vec(), vec![0; 4], rows.clone()].concat();
                pieces[stream].push([out.len() as u64 + moved, body.len() as u64 + 8]);
                push(&mut out, [b'i', b'x', b'0', b'0' + stream as u8], &body, true);
            }
            close(&mut out, movi);
            close(&mut out, riff);
        }
        let hdrl = self.with_super_indexes(&pieces);
        out[hdrl_at..hdrl_at + hdrl.len()].copy_from_slice(&hdrl);
        (out, second)
    }

    /// The headers with the places of the indexes' pieces.
    fn with_super_indexes(&self, pieces: &[Vec<[u64; 2]>; 2]) -> Vec<u8> {
        let mut out = b"LIST\0\0\0\0hdrl".to_vec();
        let mut streams = pieces.iter();
        for (name, at, size) in walk(&self.hdrl, 12, self.hdrl.len()) {
            let body = &self.hdrl[at..at + size];
            if &name != b"LIST" || !body.starts_with(b"strl") {
                push(&mut out, name, body, true);
                continue;
            }
            let list = out.len();
            out.extend(b"LIST\0\0\0\0strl");
            // ffmpeg leaves room for an index of its own.
            for (name, at, size) in walk(body, 4, body.len()).into_iter().filter(|(name, ..)| name != b"JUNK") {
                push(&mut out, name, &body[at..at + size], true);
            }
            let rows = streams.next().unwrap();
            let mut index = [[4, 0, 0, 0], (rows.len() as u32).to_le_bytes(), *b"00dc"].concat();
            index.extend([0; 12]);
            for [at, size] in rows {
                index.extend(at.to_le_bytes());
                index.extend((*size as u32).to_le_bytes());
                index.extend([0; 4]);
            }
            push(&mut out, *b"indx", &index, true);
            close(&mut out, list);
        }
        close(&mut out, 0);
        out
    }
}

fn push(out: &mut Vec<u8>, name: [u8; 4], data: &[u8], padded: bool) {
    out.extend(name);
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    if padded && data.len() % 2 == 1 {
        out.push(0);
    }
}

/// Writes the size of the list that began at `at` and ends here.
fn close(out: &mut [u8], at: usize) {
    let size = (out.len() - at - 8) as u32;
    out[at + 4..at + 8].copy_from_slice(&size.to_le_bytes());
}

/// The samples of each track.
fn tracks(found: &Demuxed) -> Vec<Vec<DemuxedSample>> {
    found.tracks.iter().map(|track| found.of(track.number).cloned().collect()).collect()
}

#[test]
fn the_layout_makes_no_difference() {
    let file = original();
    let (film, want) = (Film::new(&file), demux(&file).unwrap());
    let unindexed = "it has no index; its chunks are looked for one by one";
    let wrong = "its index leads elsewhere; its chunks are looked for one by one";
    let (half, third) = (film.chunks.len().div_ceil(2), (film.chunks.len() + 1) / 3);
    let (half, third) = [half, third].map(|n| format!("its index leaves out {n} chunks, which were found")).into();
    let plain = Layout::default();
    let unfinished = |size| Layout { sizes: Some(size), index: Index::None, ..Layout::default() };
    let cases: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        ("as usual", film.build(&plain), None),
        ("index from the file's start", film.build(&Layout { index: Index::FromFile, ..plain.clone() }), None),
        ("no index", film.build(&Layout { index: Index::None, ..plain.clone() }), Some(unindexed)),
        ("half an index", film.build(&Layout { index: Index::Half, ..plain.clone() }), Some(&half)),
        ("an index with holes", film.build(&Layout { index: Index::Holes, ..plain.clone() }), Some(&third)),
        ("a wrong index", film.build(&Layout { index: Index::Wrong, ..plain.clone() }), Some(wrong)),
        ("lists of three", film.build(&Layout { rec: Some(3), ..plain.clone() }), None),
        (
            "lists without index",
            film.build(&Layout { rec: Some(3), index: Index::None, ..plain.clone() }),
            Some(unindexed),
        ),
        ("no padding", film.build(&Layout { unpadded: true, ..plain.clone() }), None),
        (
            "no padding, no index",
            film.build(&Layout { unpadded: true, index: Index::None, ..plain.clone() }),
            Some(unindexed),
        ),
        ("junk between", film.build(&Layout { junk: true, ..plain.clone() }), None),
        ("not interleaved", film.build(&Layout { apart: true, ..plain.clone() }), None),
        ("sizes of 0", film.build(&unfinished(0)), Some(unindexed)),
        ("sizes of all ones", film.build(&unfinished(u32::MAX)), Some(unindexed)),
        ("OpenDML in two parts", film.build_open_dml(2, 0).0, None),
        ("OpenDML with fields", film.build_open_dml(3, 0).0, None),
    ];
    for (name, bytes, note) in cases {
        let found = demux(&bytes).unwrap();
        assert_eq!(found.notes, note.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(found.tracks, want.tracks, "{name}");
        assert!(tracks(&found) == tracks(&want), "{name}");
        // Sound and picture come together wherever they lie: the interleaver has no need to wait.
        let ahead = |track: u32| found.samples.iter().take(60).filter(|sample| sample.track == track).count();
        assert!(bytes.len() > super::super::limits::BATCH_BYTES || (ahead(1) > 5 && ahead(2) > 5), "{name}");
    }
}

#[test]
fn a_part_beyond_four_gibibytes_is_found() {
    // Of two chunks that say nothing, as long as chunks can be said to be.
    const JUNK: u32 = (1 << 31) + 4096;
    const HOLE: u64 = 2 * (JUNK as u64 + 8);
    let original = original();
    let (bytes, second) = Film::new(&original).build_open_dml(2, HOLE);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes[..second]).unwrap();
    for _ in 0..2 {
        file.write_all(&[&b"JUNK"[..], &JUNK.to_le_bytes()].concat()).unwrap();
        file.seek(SeekFrom::Current(JUNK.into())).unwrap();
    }
    file.write_all(&bytes[second..]).unwrap();
    let found = drive(&mut Avi::new(HOLE + bytes.len() as u64), &mut file).unwrap();
    assert_eq!(found.notes, [""; 0]);
    assert!(tracks(&found) == tracks(&demux(&original).unwrap()));
}

#[test]
fn a_delayed_stream_begins_later() {
    let file = original();
    let mut film = Film::new(&file);
    let want = demux(&file).unwrap();
    // dwStart of the sound, in frames of 1152 samples.
    let at = film.header(1) + 28;
    film.hdrl[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
    let found = demux(&film.build(&Layout::default())).unwrap();
    let moved = |track: u32| found.of(track).next().unwrap().pts - want.of(track).next().unwrap().pts;
    let scales = [f64::from(found.tracks[0].timescale), f64::from(found.tracks[1].timescale)];
    let late = moved(2) as f64 / scales[1] - moved(1) as f64 / scales[0];
    assert!((late - 11_520.0 / 44_100.0).abs() < 0.001, "{late}");
    // Hours before the first sound are nobody's wish.
    film.hdrl[at..at + 4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    assert!(tracks(&demux(&film.build(&Layout::default())).unwrap()) == tracks(&want));
}

#[test]
fn rates_of_zero_come_from_the_main_header() {
    let file = original();
    let mut film = Film::new(&file);
    let at = film.header(0) + 20;
    film.hdrl[at..at + 8].fill(0);
    let found = demux(&film.build(&Layout::default())).unwrap();
    let times: Vec<f64> = found.of(1).map(|sample| sample.dts as f64 / f64::from(found.tracks[0].timescale)).collect();
    assert!((times[50] - times[0] - 2.0).abs() < 1e-6, "{}", times[50] - times[0]);
}

#[test]
fn empty_chunks_keep_their_time() {
    let file = original();
    let mut film = Film::new(&file);
    let video: Vec<usize> = (0..film.chunks.len()).filter(|&at| &film.chunks[at].name == b"00dc").collect();
    let empty = Chunk { name: *b"00dc", data: Vec::new() };
    film.chunks.insert(video[30], empty);
    let (found, want) = (demux(&film.build(&Layout::default())).unwrap(), demux(&file).unwrap());
    let dts = |found: &Demuxed| found.of(1).map(|sample| sample.dts).collect::<Vec<_>>();
    let (found, want) = (dts(&found), dts(&want));
    assert_eq!((found.len(), &found[..30]), (want.len(), &want[..30]));
    assert_eq!(found[30..], want[30..].iter().map(|dts| dts + 3600).collect::<Vec<_>>());
}
