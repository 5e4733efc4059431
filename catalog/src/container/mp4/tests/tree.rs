//! A file as a tree of boxes, to be changed and written again, so that tests can have what no writer makes.

use super::super::boxes;

/// A box with its bytes or with the boxes inside.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub kind: [u8; 4],
    /// Fields before the inner boxes, or the whole body.
    pub fields: Vec<u8>,
    pub inner: Vec<Node>,
    /// Written with a size of 64 bits.
    pub wide: bool,
}

/// A file's top level. `moov` must come last, so that a change moves no sample.
pub(super) struct Tree(pub Vec<Node>);

impl Tree {
    pub fn parse(bytes: &[u8]) -> Self {
        let mut nodes = parse(bytes);
        nodes.sort_by_key(|node| &node.kind == b"moov");
        let tree = Self(nodes);
        assert_eq!(tree.bytes(), bytes, "a file whose moov is last");
        tree
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(Node::bytes).collect()
    }

    /// The box on the way `path` inside `trak` number `track` (from 1).
    pub fn at(&mut self, track: usize, path: &[&[u8; 4]]) -> &mut Node {
        let moov = self.0.last_mut().unwrap();
        let mut node = moov.inner.iter_mut().filter(|node| &node.kind == b"trak").nth(track - 1).unwrap();
        for kind in path {
            node = node.get(kind);
        }
        node
    }

    /// The sample table of a track.
    pub fn stbl(&mut self, track: usize) -> &mut Node {
        self.at(track, &[b"mdia", b"minf", b"stbl"])
    }

    /// Gives a track these edits: duration in the movie's timescale (1000 in ffmpeg's files), media time.
    pub fn set_edits(&mut self, track: usize, edits: &[(u32, i32)]) {
        let mut fields = vec![0; 4];
        fields.extend(words(&[edits.len() as u32]));
        for (duration, media_time) in edits {
            fields.extend(words(&[*duration, media_time.cast_unsigned(), 0x1_0000]));
        }
        self.at(track, &[b"edts"]).get(b"elst").fields = fields;
    }
}

impl Node {
    pub fn leaf(kind: &[u8; 4], fields: Vec<u8>) -> Self {
        Self { kind: *kind, fields, inner: Vec::new(), wide: false }
    }

    pub fn get(&mut self, kind: &[u8; 4]) -> &mut Node {
        self.inner.iter_mut().find(|node| &node.kind == kind).unwrap()
    }

    pub fn remove(&mut self, kind: &[u8; 4]) {
        self.inner.retain(|node| &node.kind != kind);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = self.fields.clone();
        body.extend(self.inner.iter().flat_map(Node::bytes));
        let mut out = Vec::new();
        if self.wide {
            out.extend(words(&[1]));
            out.extend(self.kind);
            out.extend((body.len() as u64 + 16).to_be_bytes());
        } else {
            out.extend(words(&[body.len() as u32 + 8]));
            out.extend(self.kind);
        }
        out.extend(body);
        out
    }
}

pub(super) fn parse(mut bytes: &[u8]) -> Vec<Node> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (_, head) = boxes::header(bytes).unwrap();
        let (whole, rest) = bytes.split_at(head.size.unwrap() as usize);
        let body = &whole[head.header as usize..];
        let mut node = Node::leaf(&head.kind.0, body.to_vec());
        node.wide = head.header == 16;
        if matches!(&node.kind, b"moov" | b"trak" | b"edts" | b"mdia" | b"minf" | b"stbl" | b"moof" | b"traf") {
            node.fields.clear();
            node.inner = parse(body);
        }
        out.push(node);
        bytes = rest;
    }
    out
}

/// Big-endian words.
pub(in super::super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Words back from bytes.
pub(super) fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect()
}
