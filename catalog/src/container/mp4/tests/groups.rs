//! Where decoding may begin by other tables than that of sync samples.

use super::files::{AAC, BOTH, H264, make};
use super::tree::{Node, Tree, numbers, words};
use super::*;
use std::path::Path;

/// The sync samples of track 1, from 0.
fn sync(found: &Demuxed) -> Vec<usize> {
    found.of(1).enumerate().filter(|(_, sample)| sample.sync).map(|(number, _)| number).collect()
}

/// All sync samples but the first are taken out of their table and named in `other`, made of their numbers.
fn without(plain: &[u8], other: impl Fn(&[u32]) -> Node) -> Tree {
    let mut tree = Tree::parse(plain);
    let stbl = tree.stbl(1);
    let stss = numbers(&stbl.get(b"stss").fields);
    stbl.get(b"stss").fields = words(&[0, 1, stss[2]]);
    stbl.inner.push(other(&stss[3..]));
    tree
}

/// A sample group of this type with these samples (from 1) in it.
fn group(kind: &[u8; 4], samples: &[u32]) -> Node {
    let (mut rows, mut next) = (Vec::new(), 1);
    for sample in samples {
        rows.extend([sample - next, 0, 1, 1]);
        next = sample + 1;
    }
    let head = [words(&[0]), kind.to_vec(), words(&[rows.len() as u32 / 2])].concat();
    Node::leaf(b"sbgp", [head, words(&rows)].concat())
}

fn plain(folder: &Path) -> Vec<u8> {
    std::fs::read(make(folder, "plain.mp4", &[BOTH, H264, AAC])).unwrap()
}

#[test]
fn open_groups_of_pictures_are_entered() {
    let folder = tempfile::tempdir().unwrap();
    let plain = plain(folder.path());
    let all = sync(&demux(&plain).unwrap());
    assert_eq!(all, [0, 20, 40, 60]);
    let stps = |samples: &[u32]| Node::leaf(b"stps", [words(&[0, samples.len() as u32]), words(samples)].concat());
    let cases: [(&str, Tree, &[usize]); 3] = [
        ("a group of random access", without(&plain, |samples| group(b"rap ", samples)), &all),
        ("partial sync samples", without(&plain, stps), &all),
        ("a gradual refresh", without(&plain, |samples| group(b"roll", samples)), &[0]),
    ];
    for (name, tree, want) in cases {
        assert_eq!(sync(&demux(&tree.bytes()).unwrap()), want, "{name}");
    }
}

#[test]
fn fragments_have_groups_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    let file = std::fs::read(make(folder.path(), "fragments.mp4", &[BOTH, H264, AAC, &flags])).unwrap();
    let all = sync(&demux(&file).unwrap());
    assert!(all.len() > 3, "{all:?}");
    // The first sample of each fragment is said to be none of sync, and a group says that it is one all the same.
    let changed = |grouped: bool| {
        let mut tree = Tree(super::tree::parse(&file));
        for moof in tree.0.iter_mut().filter(|node| &node.kind == b"moof") {
            let extra = grouped.then(|| group(b"rap ", &[1])).map_or(0, |node| node.bytes().len() as u32);
            for (number, traf) in moof.inner.iter_mut().filter(|node| &node.kind == b"traf").enumerate() {
                let trun = traf.get(b"trun");
                let mut fields = numbers(&trun.fields);
                // Flags: where the data begins, and what the first sample is.
                assert_eq!(fields[0] & 1, 1);
                fields[2] += extra;
                if number == 0 {
                    assert_eq!(fields[0] & 0x404, 4, "only the first has flags of its own");
                    fields[3] = 0x0101_0000;
                    if grouped {
                        traf.get(b"trun").fields = words(&fields);
                        traf.inner.push(group(b"rap ", &[1]));
                        continue;
                    }
                }
                traf.get(b"trun").fields = words(&fields);
            }
        }
        demux(&tree.bytes()).unwrap()
    };
    assert_eq!(sync(&changed(false)), [0; 0]);
    assert_eq!(sync(&changed(true)), all);
}
