//! WAV: one track of sound in a RIFF file (Multimedia Programming Interface and Data Specifications 1.0), and RF64 and
//! BW64, which are the same over 4 GiB (EBU Tech 3306). What has no payload format is for ASF: ADPCM, floating point and
//! whatever else has a format tag and blocks of constant length.

use super::avi::riff::{HEADER_LEN, LIST_HEADER_LEN, header, padded};
use super::avi::sound::{self, FIRST_BYTES, Opened, Refused, Sound};
use super::loader::{Loader, OverLoader};
use super::wave::WaveFormat;
use super::{ContainerError, DemuxedSample, Event, TrackInfo};
use bytes::Bytes;
use std::collections::VecDeque;

/// Chunks before the sound: 8-byte ones could go on for the whole file.
const MAX_CHUNKS: usize = 1024;
/// Bytes of the description of the sound.
const MAX_FORMAT: u32 = 64 << 10;
/// Bytes read at once.
const READ: u64 = 256 << 10;

/// Whether a file that begins with `head` is a WAV file.
pub fn looks_like(head: &[u8]) -> bool {
    let name = |at: usize| head.get(at..at + 4);
    matches!(name(0), Some(b"RIFF" | b"RF64" | b"BW64")) && name(8) == Some(b"WAVE")
}

/// Reads a WAV file.
pub struct Wav {
    loader: Loader,
    state: State,
    out: VecDeque<Event>,
}

enum State {
    /// The next chunk begins at `at`; the description may have been met.
    Chunks {
        at: u64,
        left: usize,
        wave: Option<WaveFormat>,
    },
    /// The description lies there.
    Format {
        at: u64,
        size: u32,
        left: usize,
    },
    /// The sound lies there; its first bytes say what it is.
    First {
        wave: WaveFormat,
        at: u64,
        end: u64,
    },
    Sound {
        sound: Sound,
        samples: i64,
        at: u64,
        end: u64,
    },
    End,
}

/// The only one.
const TRACK: u32 = 1;

impl OverLoader for Wav {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        match std::mem::replace(&mut self.state, State::End) {
            State::Chunks { at, left, wave } => self.chunk(at, left, wave)?,
            State::Format { at, size, left } => self.format(at, size, left)?,
            State::First { wave, at, end } => self.first(wave, at, end)?,
            State::Sound { sound, samples, at, end } => self.sound(sound, samples, at, end),
            State::End => return Ok(false),
        }
        Ok(true)
    }
}

impl Wav {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        let state = State::Chunks { at: LIST_HEADER_LEN, left: MAX_CHUNKS, wave: None };
        Self { loader: Loader::new("wav", len), state, out: VecDeque::new() }
    }

    fn chunk(&mut self, at: u64, left: usize, wave: Option<WaveFormat>) -> Result<(), ContainerError> {
        let len = self.loader.file_len();
        if len.saturating_sub(at) < HEADER_LEN || left == 0 {
            return Err(error(
                at,
                if wave.is_some() { "no sound (data)" } else { "no description of the sound (fmt)" },
            ));
        }
        let Some(bytes) = self.loader.whole(at, HEADER_LEN) else {
            self.state = State::Chunks { at, left, wave };
            return Ok(());
        };
        let Ok((_, (name, size))) = header(&bytes) else { return Err(error(at, "a chunk's header expected")) };
        let body = at + HEADER_LEN;
        self.state = match (&name.0, wave) {
            (b"fmt ", _) => State::Format { at: body, size, left },
            (b"data", Some(wave)) => {
                // Unfinished, or over 4 GiB, where another chunk has the size: it goes to the end of the file.
                let open = matches!(size, 0 | u32::MAX);
                let end = if open { len } else { len.min(body + u64::from(size)) };
                if !open && end < body + u64::from(size) {
                    let note = format!("the file ends {} bytes before its sound does", body + u64::from(size) - end);
                    self.out.push_back(Event::Note(note));
                }
                State::First { wave, at: body, end }
            }
            (_, wave) => State::Chunks { at: body + padded(size), left: left - 1, wave },
        };
        Ok(())
    }

    fn format(&mut self, at: u64, size: u32, left: usize) -> Result<(), ContainerError> {
        let room = self.loader.file_len() - at;
        if size > MAX_FORMAT || u64::from(size) > room {
            return Err(error(at, format!("a description of the sound (fmt) of {size} bytes, {room} are left")));
        }
        let Some(bytes) = self.loader.whole(at, size.into()) else {
            self.state = State::Format { at, size, left };
            return Ok(());
        };
        let wave = WaveFormat::read(&bytes);
        let wave = wave.ok_or_else(|| error(at, format!("a description of the sound (fmt) of {size} bytes")))?;
        self.state = State::Chunks { at: at + padded(size), left: left - 1, wave: Some(wave) };
        Ok(())
    }

    fn first(&mut self, wave: WaveFormat, at: u64, end: u64) -> Result<(), ContainerError> {
        let size = (end - at).min(FIRST_BYTES as u64);
        if size == 0 {
            return Err(error(at, "no sound: nothing follows its header"));
        }
        let Some(bytes) = self.loader.whole(at, size) else {
            self.state = State::First { wave, at, end };
            return Ok(());
        };
        let Opened { sound, format, sample_rate } = sound::open_unbroken(&wave, &[bytes]).map_err(|refused| {
            let (Refused::NoPayload(reason) | Refused::Broken(reason)) = refused;
            error(at, format!("no track that can be sent: {reason}"))
        })?;
        self.out.push_back(Event::Track(TrackInfo { number: TRACK, format, language: None, timescale: sample_rate }));
        self.loader.clear();
        self.state = State::Sound { sound, samples: 0, at, end };
        Ok(())
    }

    fn sound(&mut self, mut sound: Sound, mut samples: i64, at: u64, end: u64) {
        let out = &mut self.out;
        let mut each = |data: Bytes, count: u32| {
            let duration = i64::from(count);
            let sample = DemuxedSample { track: TRACK, dts: samples, pts: samples, duration, sync: true, data };
            samples += duration;
            out.push_back(Event::Sample(sample));
        };
        let size = (end - at).min(READ);
        if size == 0 {
            return sound.finish(&mut each);
        }
        let Some(bytes) = self.loader.whole(at, size) else {
            self.state = State::Sound { sound, samples, at, end };
            return;
        };
        self.loader.clear();
        sound.handle(bytes, &mut each);
        self.state = State::Sound { sound, samples, at: at + size, end };
    }
}

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: "wav", offset, path: String::new(), reason: reason.into() }
}

#[cfg(test)]
mod tests;
