//! How a file is read: from front to back and once, in large pieces.

use super::super::Mp4Demuxer;
use super::files::{AAC, BOTH, H264, make};
use crate::container::{Demuxer, Event};
use bytes::Bytes;

/// The reads of a whole file.
fn reads(bytes: &[u8]) -> Vec<(u64, usize)> {
    let file = Bytes::copy_from_slice(bytes);
    let mut demuxer = Mp4Demuxer::new(file.len() as u64);
    let mut out = Vec::new();
    loop {
        match demuxer.poll().unwrap() {
            Event::Need { offset, length } => {
                out.push((offset, length));
                let start = offset as usize;
                demuxer.handle_bytes(offset, file.slice(start..start + length));
            }
            Event::End => return out,
            _ => {}
        }
    }
}

#[test]
fn an_interleaved_file_is_read_once_and_nearly_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let film = make(folder.path(), "film.mp4", &[BOTH, H264, AAC]);
    for flags in ["+faststart", "-faststart", "frag_keyframe+empty_moov"] {
        // Some minutes.
        let copy = ["-stream_loop", "60", "-i", &film, "-c", "copy", "-movflags", flags];
        let bytes = std::fs::read(make(folder.path(), "long.mp4", &[&copy])).unwrap();
        let reads = reads(&bytes);
        let total: usize = reads.iter().map(|(_, length)| length).sum();
        let back = reads.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        println!("{flags}: {} bytes by {} reads of {total} bytes, {back} of them back", bytes.len(), reads.len());
        // A fragment's header is looked for in a first piece, which ends in media that is read with its samples.
        let most = if flags.starts_with("frag") { bytes.len() * 12 / 10 } else { bytes.len() * 101 / 100 };
        assert!(total <= most, "{flags}: {total} of {}", bytes.len());
        assert!(back <= reads.len() / 10, "{flags}: {back} of {}", reads.len());
    }
}
