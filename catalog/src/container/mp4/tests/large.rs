//! A file of more than 4 GiB, with a hole that takes no room on the disk.

use super::files::{AAC, BOTH, H264, make};
use super::tree::{Node, Tree, numbers, words};
use super::*;
use std::io::{Seek, SeekFrom, Write};

#[test]
fn samples_beyond_four_gibibytes_are_found() {
    const HOLE: u64 = (1 << 32) + 12_345;
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read(make(folder.path(), "plain.mp4", &[BOTH, H264, AAC])).unwrap();
    let mut tree = Tree::parse(&plain);
    let body = 8 + tree.0.iter().take_while(|node| &node.kind != b"mdat").map(|node| node.bytes().len()).sum::<usize>();
    let moov = plain.len() - tree.0.last().unwrap().bytes().len();
    // In front of `mdat`, whose length takes 64 bits here.
    let moved = HOLE + 8;
    for track in [1, 2] {
        let stbl = tree.stbl(track);
        let stco = numbers(&stbl.get(b"stco").fields);
        let offsets = stco[2..].iter().flat_map(|offset| (u64::from(*offset) + moved).to_be_bytes()).collect();
        stbl.remove(b"stco");
        stbl.inner.push(Node::leaf(b"co64", [words(&stco[..2]), offsets].concat()));
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&plain[..body - 8]).unwrap();
    file.write_all(&[words(&[1]), b"mdat".to_vec()].concat()).unwrap();
    file.write_all(&(HOLE + 16 + (moov - body) as u64).to_be_bytes()).unwrap();
    file.seek(SeekFrom::Current(HOLE as i64)).unwrap();
    file.write_all(&plain[body..moov]).unwrap();
    file.write_all(&tree.0.last().unwrap().bytes()).unwrap();
    let len = file.stream_position().unwrap();
    let found = drive(&mut Mp4Demuxer::new(len), &mut file).unwrap();
    assert_eq!(found.notes, [""; 0]);
    assert!(found.samples == demux(&plain).unwrap().samples);
}
