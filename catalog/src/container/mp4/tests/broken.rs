//! Files that are cut, damaged or lies: an error or what is left of them, never a panic, never without end or bound.

use super::super::limits::{BATCH_BYTES, MAX_REPEATED};
use super::files::{AAC, BOTH, H264, make};
use super::tree::{Node, Tree, words};
use super::*;
use proptest::prelude::*;

fn file(flags: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::read(make(folder.path(), "file.mp4", &[BOTH, H264, AAC, &["-movflags", flags]])).unwrap()
}

/// The ways in which a file may be laid out.
const LAYOUTS: [&str; 3] = ["+faststart", "-faststart", "frag_keyframe+empty_moov"];

#[test]
fn cut_files_give_what_is_there_or_a_clear_error() {
    for layout in LAYOUTS {
        let whole = file(layout);
        let all = demux(&whole).unwrap().samples.len();
        for tenth in 0..10 {
            let cut = &whole[..whole.len() * tenth / 10];
            match demux(cut) {
                Ok(found) => {
                    assert!(found.samples.len() < all, "{layout}, {tenth} tenths");
                    let noted = found.notes.iter().any(|note| note.contains("the end of the file"));
                    // A fragment may end just there.
                    assert!(noted || layout.starts_with("frag"), "{:?}", found.notes);
                }
                Err(error) => {
                    let text = error.to_string();
                    let clear = ["no moov box", "but the file ends after", "no track that can be sent"];
                    assert!(clear.iter().any(|part| text.contains(part)), "{layout}, {tenth} tenths: {text}");
                    assert!(error.offset <= whole.len() as u64);
                }
            }
        }
        // A third of a fragmented or fast-starting file has something to show.
        if layout != "-faststart" {
            assert!(!demux(&whole[..whole.len() * 2 / 5]).unwrap().samples.is_empty());
        }
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let whole = file("+faststart");
    let short = &whole[..whole.len() / 2];
    let mut demuxer = Mp4Demuxer::new(whole.len() as u64);
    let error = drive(&mut demuxer, &mut std::io::Cursor::new(short)).unwrap_err();
    assert_eq!(error.offset, short.len() as u64);
    assert_eq!(error.reason, format!("the file ends here, it was {} bytes long when it was opened", whole.len()));
}

#[test]
fn a_damaged_fragment_is_left_out_alone() {
    let mut bytes = file("frag_keyframe+empty_moov");
    let moofs: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"moof").collect();
    let whole = demux(&bytes).unwrap();
    let traf = moofs[1] + bytes[moofs[1]..].windows(4).position(|name| name == b"traf").unwrap();
    bytes[traf - 4] = 0x7f;
    let found = demux(&bytes).unwrap();
    let begin = format!("a fragment is left out: mp4: at byte {} in moof: box traf of ", traf - 4);
    assert!(matches!(found.notes.as_slice(), [note] if note.starts_with(&begin)), "{:?}", found.notes);
    // Twenty pictures to a fragment, and those after it keep their times.
    assert_eq!(found.of(1).count(), 55);
    assert_eq!(found.of(1).last(), whole.of(1).last());
}

/// Tables that claim what they don't have.
#[test]
fn claims_without_bytes_are_refused_with_their_place() {
    #[track_caller]
    fn check(path: &[&[u8; 4]], fields: Vec<u8>, want: &str) {
        let mut tree = Tree::parse(&file("-faststart"));
        tree.at(2, path).fields = fields;
        let error = demux(&tree.bytes()).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    const STBL: [&[u8; 4]; 3] = [b"mdia", b"minf", b"stbl"];
    let table = |name| [STBL.as_slice(), &[name]].concat();
    let many = u32::MAX;
    let inside = "moov/trak[2]/mdia/minf/stbl";
    check(&table(b"stsz"), words(&[0, 5, many]), &format!("{inside}: {many} samples; at most 16777216 are read"));
    check(&table(b"stsz"), words(&[0, 0, 1 << 24]), "stsz: 16777216 samples claimed, the box has room for 0");
    check(&table(b"stsz"), words(&[0]), &format!("in {inside}/stsz: sample size and a count expected"));
    check(&table(b"stco"), words(&[0, many, 0]), "stco: 4294967295 entries claimed, the box has room for 1");
    check(&table(b"stts"), words(&[0, 2, 1, 1]), "stts: 2 entries claimed, the box has room for 1");
    check(&[b"edts", b"elst"], words(&[0, many]), "in moov/trak[2]/edts/elst: an edit list expected");
    check(&[b"mdia", b"mdhd"], vec![0; 30], "moov/trak[2]/mdia/mdhd: a timescale of 0");
    check(&table(b"stsd"), words(&[0, 0]), "stsd: no sample description");
}

#[test]
fn tables_that_point_to_the_same_bytes_over_and_over_end() {
    let mut tree = Tree::parse(&file("-faststart"));
    let stbl = tree.stbl(2);
    stbl.remove(b"stsz");
    // Ten thousand samples of 100 KB, all at the file's start.
    let chunks = 10_000;
    let sizes = [words(&[0, 0, chunks]), words(&vec![100_000; chunks as usize])].concat();
    stbl.inner.push(Node::leaf(b"stsz", sizes));
    stbl.get(b"stsc").fields = words(&[0, 1, 1, 1, 1]);
    stbl.get(b"stco").fields = [words(&[0, chunks]), words(&vec![40; chunks as usize])].concat();
    let error = demux(&tree.bytes()).map(|found| found.of(2).count()).unwrap_err().to_string();
    assert!(error.contains("samples overlap"), "{error}");
    // Edits that each show all of it.
    let mut tree = Tree::parse(&file("-faststart"));
    tree.set_edits(2, &[(3000, 0); 257]);
    assert!(demux(&tree.bytes()).unwrap_err().to_string().contains("elst: more than 256 edits"));
}

#[test]
fn all_samples_of_a_huge_count_beyond_the_end_are_passed_over() {
    let mut tree = Tree::parse(&file("-faststart"));
    let stbl = tree.stbl(2);
    stbl.get(b"stsz").fields = words(&[0, 1 << 30, 1 << 24]);
    stbl.get(b"stsc").fields = words(&[0, 1, 1, 1 << 24, 1]);
    let found = demux(&tree.bytes()).unwrap();
    assert_eq!((found.tracks.len(), found.of(1).count()), (1, 75));
    assert!(found.notes.iter().any(|note| note.contains("beyond the end of the file")), "{:?}", found.notes);
}

#[test]
fn junk_is_none_of_ours() {
    #[track_caller]
    fn check(head: &[u8], want: bool) {
        assert_eq!(looks_like(head), want, "{}", head.escape_ascii());
    }
    check(b"\0\0\0\x18ftypisom\0\0\0\0", true);
    check(b"\0\0\0\x01mdat\0\0\0\0\0\0\x10\0", true);
    check(b"\0\0\0\x08wide", true);
    check(b"\0\0\0\x08ftyp", false);
    check(b"RIFF\0\0\0\0AVI ", false);
    check(b"\0\0\x01\xba\x44\0\x04\0", false);
    check(b"\0\0\0\x07mdat", false);
    check(b"moov", false);
    check(b"", false);
}

/// Whatever comes: it ends, and says no more than it was given.
fn survives(bytes: &[u8]) {
    if let Ok(found) = demux(bytes) {
        let out: usize = found.samples.iter().map(|sample| sample.data.len()).sum();
        assert!(out as u64 <= (bytes.len() as u64 + 1) * (MAX_REPEATED + 1) + BATCH_BYTES as u64);
    }
}

#[test]
fn flipped_bits_do_no_harm() {
    for layout in LAYOUTS {
        let whole = file(layout);
        // Every byte of the headers: they lie before the first media bytes or after the last.
        let moov = whole.windows(4).position(|name| name == b"moov").unwrap();
        let size = u32::from_be_bytes(whole[moov - 4..moov].try_into().unwrap()) as usize;
        let moof = whole.windows(4).position(|name| name == b"moof").map_or(0..0, |at| at - 4..at + 1500);
        for (number, at) in (moov - 4..moov - 4 + size).chain(moof).enumerate() {
            let mut broken = whole.clone();
            broken[at] ^= 1 << (number % 8);
            survives(&broken);
            if number % 3 == 0 {
                broken[at] = 0xff;
                survives(&broken);
            }
        }
    }
}

/// Boxes of known and unknown names in each other, with bytes of all kinds.
fn any_box() -> impl Strategy<Value = Vec<u8>> {
    const LEAVES: [&[u8; 4]; 19] = [
        b"tkhd", b"mdhd", b"hdlr", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"stss",
        b"elst", b"trex", b"tfhd", b"tfdt", b"trun", b"mvhd", b"free",
    ];
    const NESTS: [&[u8; 4]; 10] =
        [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"avc1"];
    let bytes = prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..64);
    let leaf = (prop::sample::select(&LEAVES[..]), bytes).prop_map(|(kind, bytes)| Node::leaf(kind, bytes));
    let tree = leaf.prop_recursive(6, 64, 8, |inner| {
        (prop::sample::select(&NESTS[..]), prop::collection::vec(inner, 0..8)).prop_map(|(kind, inner)| Node {
            kind: *kind,
            fields: Vec::new(),
            inner,
            wide: false,
        })
    });
    prop::collection::vec(tree, 0..6).prop_map(|nodes| Tree(nodes).bytes())
}

proptest! {
    #[test]
    fn random_boxes_do_no_harm(bytes in any_box()) {
        survives(&bytes);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        survives(&bytes);
        survives(&[b"\0\0\0\0moov".as_slice(), &bytes].concat());
    }
}
