//! The reading side: a blocking thread that drives the demuxer and gives out what is to be written.

use super::IngestError;
use super::interleave::{Interleaver, WINDOW};
use super::source::SourceFile;
use crate::container::{ContainerError, Demuxer, Event, limits};
use crate::index::Track;
use crate::presentation::SourceHash;
use std::io;
use std::path::Path;
use tokio::sync::mpsc;

/// Bytes given out at once.
const CHUNK: usize = 1 << 20;
/// Chunks that wait for the nodes at most; the reader waits then.
pub(super) const CHUNKS: usize = 2;

/// How a file's demuxer is found: given its first bytes, its length, and which program of it is wanted.
pub(super) type Opener = fn(&[u8], u64, Option<u16>) -> Option<Result<Box<dyn Demuxer>, ContainerError>>;

/// The next bytes of the media object.
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    /// How far the file has been read.
    pub read: u64,
}

/// What is known at the end.
pub(super) struct Pumped {
    pub tracks: Vec<Track>,
    pub hash: SourceHash,
    pub notes: Vec<String>,
}

/// Reads `file` to its end. `None` where nobody takes the chunks any more. Blocks.
pub(super) fn pump(
    mut file: SourceFile,
    path: &Path,
    open: Opener,
    chunks: &mpsc::Sender<Chunk>,
) -> Result<Option<Pumped>, IngestError> {
    let path = || path.to_path_buf();
    let unreadable = |error: io::Error| IngestError::File { path: path(), reason: error.to_string() };
    let mut found = None;
    for length in [limits::PROBE_LEN, limits::LONG_PROBE_LEN] {
        let head = file.read(0, length).map_err(unreadable)?;
        found = open(&head, file.size(), file.program());
        if found.is_some() || file.size() <= head.len() as u64 {
            break;
        }
    }
    let demuxer = found.ok_or_else(|| IngestError::NotMedia { path: path() })?;
    let mut demuxer = demuxer.map_err(|error| IngestError::Container { path: path(), error })?;
    let mut interleaver = Interleaver::new(WINDOW);
    let mut notes = Notes::default();
    let mut out = Vec::with_capacity(CHUNK + CHUNK / 4);
    let mut ended = false;
    while !ended {
        match demuxer.poll().map_err(|error| IngestError::Container { path: path(), error })? {
            Event::Need { offset, length } => {
                if chunks.is_closed() {
                    return Ok(None);
                }
                demuxer.handle_bytes(offset, file.read(offset, length).map_err(unreadable)?);
                continue;
            }
            Event::Track(track) if interleaver.tracks() < limits::MAX_TRACKS => interleaver.add_track(track),
            Event::Track(track) => {
                notes.add(format!("track {}: left out, {} are enough", track.number, limits::MAX_TRACKS))
            }
            Event::Note(note) => notes.add(note),
            Event::Sample(sample) => interleaver.push(&sample),
            Event::End => {
                interleaver.end();
                ended = true;
            }
        }
        while interleaver.pop(&mut out).map_err(|error| IngestError::Table { path: path(), error })? {
            if out.len() >= CHUNK && !give(&mut out, &file, chunks) {
                return Ok(None);
            }
        }
    }
    if !out.is_empty() && !give(&mut out, &file, chunks) {
        return Ok(None);
    }
    let mut notes = notes.finish();
    let tracks = interleaver.finish(&mut notes);
    if tracks.is_empty() {
        return Err(IngestError::NothingPlayable { path: path(), notes });
    }
    // What no track needed belongs to the file's hash all the same.
    let hash = file.finish_hash(|_| !chunks.is_closed()).map_err(unreadable)?;
    Ok(hash.map(|hash| Pumped { tracks, hash, notes }))
}

fn give(out: &mut Vec<u8>, file: &SourceFile, chunks: &mpsc::Sender<Chunk>) -> bool {
    let bytes = std::mem::replace(out, Vec::with_capacity(CHUNK + CHUNK / 4));
    chunks.blocking_send(Chunk { bytes, read: file.progress() }).is_ok()
}

#[derive(Default)]
struct Notes {
    kept: Vec<String>,
    more: u64,
}

impl Notes {
    fn add(&mut self, note: String) {
        if self.kept.len() < limits::MAX_NOTES {
            self.kept.push(note);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("and {} more such notes", self.more));
        }
        self.kept
    }
}
