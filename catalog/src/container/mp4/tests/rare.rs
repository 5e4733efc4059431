//! What ffmpeg reads but doesn't write: made from its files by changing boxes.

use super::files::{AAC, BOTH, H264, make};
use super::probed::same_as_ffprobe;
use super::tree::{Node, Tree, numbers, words};
use super::*;

/// Changes a file with H.264 (track 1) and AAC (track 2), holds it against ffprobe, gives what was found.
#[track_caller]
fn check(what: &str, change: impl FnOnce(&mut Tree)) -> Demuxed {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "plain.mp4", &[BOTH, H264, AAC]);
    let mut tree = Tree::parse(&std::fs::read(&path).unwrap());
    change(&mut tree);
    let path = folder.path().join(format!("{what}.mp4"));
    std::fs::write(&path, tree.bytes()).unwrap();
    same_as_ffprobe(path.to_str().unwrap())
}

#[test]
fn edit_lists_of_all_kinds() {
    let all = 3000;
    check("trim at a sync sample", |tree| {
        tree.set_edits(1, &[(1000, 1024 + 20 * 512)]);
        tree.set_edits(2, &[(1000, 1024 + 35280)]);
    });
    check("trim between sync samples", |tree| {
        tree.set_edits(1, &[(1000, 1024 + 27 * 512)]);
        tree.set_edits(2, &[(1000, 1024 * 40)]);
    });
    check("begins between two pictures", |tree| tree.set_edits(1, &[(all, 1024 + 200)]));
    check("begins inside an audio frame", |tree| tree.set_edits(2, &[(all, 1600)]));
    check("ends early", |tree| {
        tree.set_edits(1, &[(1130, 1024)]);
        tree.set_edits(2, &[(1130, 1024)]);
    });
    check("delayed", |tree| tree.set_edits(2, &[(333, -1), (all, 1024)]));
    check("both delayed", |tree| {
        tree.set_edits(1, &[(500, -1), (all, 1024)]);
        tree.set_edits(2, &[(123, -1), (all, 1024)]);
    });
    check("two edits", |tree| {
        tree.set_edits(1, &[(800, 1024), (800, 1024 + 40 * 512)]);
        tree.set_edits(2, &[(800, 1024), (800, 1024 + 70560)]);
    });
}

#[test]
fn tables_of_all_kinds() {
    check("co64", |tree| {
        for track in [1, 2] {
            let stbl = tree.stbl(track);
            let stco = numbers(&stbl.get(b"stco").fields);
            let mut fields = words(&stco[..2]);
            fields.extend(stco[2..].iter().flat_map(|offset| u64::from(*offset).to_be_bytes()));
            stbl.remove(b"stco");
            stbl.inner.push(Node::leaf(b"co64", fields));
        }
    });
    check("stz2", |tree| {
        let stbl = tree.stbl(2);
        let stsz = numbers(&stbl.get(b"stsz").fields);
        let mut fields = words(&[0, 16, stsz[2]]);
        fields.extend(stsz[3..].iter().flat_map(|size| (*size as u16).to_be_bytes()));
        stbl.remove(b"stsz");
        stbl.inner.push(Node::leaf(b"stz2", fields));
    });
    check("a wide moov", |tree| tree.0.last_mut().unwrap().wide = true);
    check("no stss", |tree| tree.stbl(1).remove(b"stss"));
    check("a short ctts", |tree| {
        let ctts = tree.stbl(1).get(b"ctts");
        let rows = numbers(&ctts.fields)[1];
        ctts.fields[4..8].copy_from_slice(&(rows - 4).to_be_bytes());
    });
}

/// Sizes in fields of 4, 8 and 16 bits are those of 32 bits.
#[test]
fn narrow_sizes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read(make(folder.path(), "plain.mp4", &[BOTH, H264, AAC])).unwrap();
    // What the samples are doesn't matter here: each is taken as far as its field counts.
    let with = |bits: u32, name: &[u8; 4]| {
        let mut tree = Tree::parse(&plain);
        let stbl = tree.stbl(2);
        let sizes: Vec<u32> = numbers(&stbl.get(b"stsz").fields)[3..].iter().map(|size| size % (1 << bits)).collect();
        let count = sizes.len() as u32;
        let narrow = match bits {
            4 => sizes.chunks(2).map(|pair| (pair[0] << 4 | pair.get(1).unwrap_or(&0)) as u8).collect(),
            8 => sizes.iter().map(|size| *size as u8).collect(),
            _ => sizes.iter().flat_map(|size| (*size as u16).to_be_bytes()).collect::<Vec<u8>>(),
        };
        stbl.remove(b"stsz");
        stbl.inner.push(match name {
            b"stz2" => Node::leaf(name, [words(&[0, bits, count]), narrow].concat()),
            _ => Node::leaf(name, [words(&[0, 0, count]), words(&sizes)].concat()),
        });
        demux(&tree.bytes()).unwrap()
    };
    for bits in [4, 8, 16] {
        let (narrow, wide) = (with(bits, b"stz2"), with(bits, b"stsz"));
        assert!(narrow.of(2).count() > 100 && narrow.samples == wide.samples, "{bits} bits");
    }
}

/// Durations of the header are nobody's business where fragments follow, nor is a length of `mdat` that the file lacks.
#[test]
fn lies_of_the_header_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        |name, flags| std::fs::read(make(folder.path(), name, &[BOTH, H264, AAC, &["-movflags", flags]])).unwrap();
    let places = |bytes: &[u8], name: &[u8; 4]| -> Vec<usize> {
        bytes.windows(4).enumerate().filter(|(_, window)| window == name).map(|(at, _)| at).collect()
    };
    let fragmented = file("fragmented.mp4", "frag_keyframe+empty_moov");
    let want = demux(&fragmented).unwrap();
    for duration in [1, 12_345_678, u32::MAX] {
        let mut bytes = fragmented.clone();
        // Behind the name: version and flags, two dates, and the timescale or the track's number with a reserved word.
        for (name, behind) in [(b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)] {
            for at in places(&fragmented, name) {
                bytes[at + behind..at + behind + 4].copy_from_slice(&duration.to_be_bytes());
            }
        }
        let found = demux(&bytes).unwrap();
        assert!(found.samples == want.samples && found.notes == want.notes, "{duration}: {:?}", found.notes);
    }
    let plain = file("first.mp4", "+faststart");
    let want = demux(&plain).unwrap();
    let mdat = *places(&plain, b"mdat").first().unwrap();
    for longer in [1, 1000, 1 << 30] {
        let mut bytes = plain.clone();
        let size = u32::from_be_bytes(bytes[mdat - 4..mdat].try_into().unwrap()) + longer;
        bytes[mdat - 4..mdat].copy_from_slice(&size.to_be_bytes());
        let found = demux(&bytes).unwrap();
        assert!(found.samples == want.samples, "mdat longer by {longer}: {:?}", found.notes);
    }
}

#[test]
fn a_box_of_size_zero_goes_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "plain.mp4", &[BOTH, H264, AAC]);
    let plain = std::fs::read(&path).unwrap();
    let mut bytes = plain.clone();
    let moov = Tree::parse(&bytes).0.last().unwrap().bytes().len();
    let at = bytes.len() - moov;
    bytes[at..at + 4].fill(0);
    assert_eq!(demux(&bytes).unwrap().samples, demux(&plain).unwrap().samples);
}

#[test]
fn narrow_lengths_of_nal_units_become_wide() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "plain.mp4", &[BOTH, H264, AAC]);
    let plain = std::fs::read(&path).unwrap();
    let want = demux(&plain).unwrap();
    let mut tree = Tree::parse(&plain);
    // Samples of track 1 once more behind everything, with lengths of two bytes, each a chunk of its own.
    let mut more = Vec::new();
    let (mut sizes, mut offsets) = (Vec::new(), Vec::new());
    let start = plain.len() - tree.0.last().unwrap().bytes().len() + 8;
    for sample in want.of(1) {
        let mut rest = sample.data.as_ref();
        offsets.push((start + more.len()) as u32);
        let before = more.len();
        while let Some((length, after)) = rest.split_at_checked(4) {
            let length = u32::from_be_bytes(length.try_into().unwrap());
            more.extend((length as u16).to_be_bytes());
            more.extend(&after[..length as usize]);
            rest = &after[length as usize..];
        }
        sizes.push((more.len() - before) as u32);
    }
    let count = sizes.len() as u32;
    let stbl = tree.stbl(1);
    stbl.get(b"stsz").fields = [words(&[0, 0, count]), words(&sizes)].concat();
    stbl.get(b"stsc").fields = words(&[0, 1, 1, 1, 1]);
    stbl.get(b"stco").fields = [words(&[0, count]), words(&offsets)].concat();
    let stsd = &mut stbl.get(b"stsd").fields;
    let avcc = stsd.windows(4).position(|name| name == b"avcC").unwrap();
    stsd[avcc + 4 + 4] = 0xfd;
    let moov = tree.0.pop().unwrap();
    tree.0.push(Node::leaf(b"mdat", more));
    tree.0.push(moov);
    assert_eq!(demux(&tree.bytes()).unwrap().samples, want.samples);
}

#[test]
fn a_second_description_brings_its_parameter_sets() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "plain.mp4", &[BOTH, H264, AAC]);
    let mut tree = Tree::parse(&std::fs::read(&path).unwrap());
    let plain = demux(&tree.bytes()).unwrap();
    let stbl = tree.stbl(1);
    let stsd = &mut stbl.get(b"stsd").fields;
    stsd[7] = 2;
    let again = stsd[8..].to_vec();
    stsd.extend(again);
    let found = demux(&tree.bytes()).unwrap();
    assert_eq!(found.notes, ["track 1 has 2 sample descriptions: it is announced by the first"]);
    for (with, without) in found.of(1).zip(plain.of(1)) {
        if without.sync {
            assert!(with.data.ends_with(&without.data) && with.data.len() > without.data.len());
        } else {
            assert_eq!(with.data, without.data);
        }
    }
}

#[test]
fn a_second_description_in_another_codec_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "plain.mp4", &[BOTH, H264, AAC]);
    let mut tree = Tree::parse(&std::fs::read(&path).unwrap());
    let plain = demux(&tree.bytes()).unwrap();
    let stbl = tree.stbl(1);
    let stsd = &mut stbl.get(b"stsd").fields;
    stsd[7] = 2;
    let mut again = stsd[8..].to_vec();
    again[4..8].copy_from_slice(b"s263");
    stsd.extend(again);
    let stsc = &mut stbl.get(b"stsc").fields;
    let rows = stsc.len();
    stsc[rows - 1] = 2;
    let found = demux(&tree.bytes()).unwrap();
    assert!((1..plain.of(1).count()).contains(&found.of(1).count()));
    assert!(
        found.notes.iter().any(|note| note.ends_with("its sample description 2 can't be used")),
        "{:?}",
        found.notes
    );
}
