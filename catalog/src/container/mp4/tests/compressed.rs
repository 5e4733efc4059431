//! Headers that are compressed: the same samples, or an error that says what was found.

use super::files::{AAC, BOTH, H264, make};
use super::tree::{Node, Tree, words};
use super::*;
use crate::container::mp4::limits::MAX_INFLATED;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn node(kind: &[u8; 4], inner: Vec<Node>) -> Node {
    Node { kind: *kind, fields: Vec::new(), inner, wide: false }
}

/// A `moov` that holds `packed` by `method`.
fn compressed(method: &[u8], packed: &[u8]) -> Node {
    let cmvd = Node::leaf(b"cmvd", [words(&[1 << 30]).as_slice(), packed].concat());
    node(b"moov", vec![node(b"cmov", vec![Node::leaf(b"dcom", method.to_vec()), cmvd])])
}

#[test]
fn an_inflated_header_is_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read(make(folder.path(), "plain.mov", &[BOTH, H264, AAC])).unwrap();
    let mut tree = Tree::parse(&plain);
    let moov = tree.0.pop().unwrap().bytes();
    tree.0.push(compressed(b"zlib", &deflate(&moov)));
    let packed = tree.bytes();
    assert!(packed.len() < plain.len());
    let (got, want) = (demux(&packed).unwrap(), demux(&plain).unwrap());
    assert_eq!((got.tracks, got.samples, got.notes), (want.tracks, want.samples, want.notes));
}

#[test]
fn what_is_no_compressed_header_is_refused_in_bounds() {
    #[track_caller]
    fn check(moov: &Node, want: &str) {
        assert_eq!(demux(&moov.bytes()).unwrap_err().to_string(), want);
    }
    let bomb = deflate(&vec![0; MAX_INFLATED as usize + 1]);
    check(
        &compressed(b"zlib", &bomb),
        "mp4: at byte 40 in moov/cmov/cmvd: a header of more than 16777216 bytes when inflated",
    );
    check(
        &compressed(b"adec", b""),
        "mp4: at byte 24 in moov/cmov/dcom: a header compressed by \"adec\"; only zlib is known",
    );
    check(
        &compressed(b"zlib", &deflate(b"\0\0\0\x08free")),
        "mp4: at byte 40 in moov/cmov/cmvd: the header is inflated, but it is no moov box",
    );
    check(
        &compressed(b"zlib", &deflate(b"\0\0\0\x10moov\0\0\0\x09trak")),
        "mp4: at byte 8 in moov/cmov/cmvd/moov (inflated): \
         box trak of 9 bytes where only 8 are left in its parent",
    );
    let nested = compressed(b"zlib", &deflate(&compressed(b"zlib", b"").bytes())).bytes();
    assert!(demux(&nested).unwrap_err().reason.starts_with("no track that can be sent"));
    let cut = &deflate(&[1; 4096])[..12];
    let error = demux(&compressed(b"zlib", cut).bytes()).unwrap_err().to_string();
    assert!(error.starts_with("mp4: at byte 40 in moov/cmov/cmvd: zlib data expected: "), "{error}");
}
