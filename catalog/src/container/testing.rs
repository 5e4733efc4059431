//! Drives a demuxer over a file in tests, and finds the files and programs that tests need.

use super::{ContainerError, DemuxedSample, Demuxer, Event, Kind, TrackInfo, limits, open, probe};
use bytes::Bytes;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that came out of a file.
#[derive(Debug, Default)]
pub(crate) struct Demuxed {
    pub tracks: Vec<TrackInfo>,
    pub samples: Vec<DemuxedSample>,
    pub notes: Vec<String>,
}

impl Demuxed {
    /// The samples of track `number` in decode order.
    pub fn of(&self, number: u32) -> impl Iterator<Item = &DemuxedSample> {
        self.samples.iter().filter(move |sample| sample.track == number)
    }

    /// The bytes of all samples of track `number`, one after another.
    pub fn stream(&self, number: u32) -> Vec<u8> {
        self.of(number).flat_map(|sample| sample.data.iter().copied()).collect()
    }
}

/// Runs `demuxer` over `file` to its end and checks the driving contract on the way.
pub(crate) fn drive(demuxer: &mut dyn Demuxer, file: &mut (impl Read + Seek)) -> Result<Demuxed, ContainerError> {
    let mut out = Demuxed::default();
    let len = file.seek(SeekFrom::End(0)).unwrap();
    // A demuxer that reads everything twice in pieces of 64 bytes is still within this.
    let mut events_left = 10_000 + len;
    loop {
        events_left = events_left.checked_sub(1).expect("the demuxer goes on without end");
        match demuxer.poll()? {
            Event::Need { offset, length } => {
                assert!(length > 0 && length <= limits::MAX_READ, "a read of {length} bytes");
                file.seek(SeekFrom::Start(offset)).unwrap();
                let mut bytes = Vec::new();
                file.by_ref().take(length as u64).read_to_end(&mut bytes).unwrap();
                demuxer.handle_bytes(offset, Bytes::from(bytes));
            }
            Event::Track(track) => {
                assert!(out.samples.is_empty(), "track {} after the first sample", track.number);
                out.tracks.push(track);
            }
            Event::Note(note) => out.notes.push(note),
            Event::Sample(sample) => {
                assert!(out.tracks.iter().any(|track| track.number == sample.track), "sample of no track");
                assert!(sample.data.len() <= limits::MAX_ACCESS_UNIT);
                out.samples.push(sample);
            }
            Event::End => {
                assert!(matches!(demuxer.poll(), Ok(Event::End)), "something after the end");
                return Ok(out);
            }
        }
    }
}

/// What `bytes` are by [`probe`], as the whole of a file.
pub(crate) fn probe_bytes(bytes: &[u8]) -> Option<Kind> {
    let lengths = [limits::PROBE_LEN, limits::LONG_PROBE_LEN].into_iter();
    lengths.map(|length| bytes.len().min(length)).find_map(|length| probe(&bytes[..length], bytes.len() as u64))
}

/// Opens `bytes` as a file of `kind` and drives it to the end.
pub(crate) fn drive_bytes(kind: Kind, bytes: &[u8]) -> Result<Demuxed, ContainerError> {
    drive(open(kind, bytes.len() as u64).as_mut(), &mut std::io::Cursor::new(bytes))
}

/// A file of the media folder: `MOBIDIC_MEDIA`, else `../shared/media` beside the workspace. `None`, with a line that
/// says so, where there is none.
pub(crate) fn media(name: &str) -> Option<Vec<u8>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
    let folder = std::env::var_os("MOBIDIC_MEDIA").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no media folder");
        return None;
    }
    Some(std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name} of the media folder: {error}")))
}

/// Standard output of a program that must end well.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} (install the Debian package ffmpeg): {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {messages}");
    output.stdout
}
