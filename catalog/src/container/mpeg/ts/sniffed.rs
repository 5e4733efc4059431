//! Sound that is known by its content: private data that no descriptor names, where its first bytes are frames of a kind
//! that we know, and what calls itself MPEG audio or AAC and may be the other.

use super::super::CLOCK;
use super::super::gathered::Gathered;
use super::super::timeline::Stamp;
use super::elementary::{self, Elementary};
use super::kind::Kind;
use rtp::codec::frames::{FrameHeader, Scan, Scanner};
use rtp::codec::{aac, ac3, dts, mpeg_audio};
use rtp::format::Format;

/// Bytes looked at, in packets of which each begins with a time: subtitles have none of sound's frames in that.
const MAX_LOOK: usize = 32 << 10;
const MAX_PIECES: usize = 1000;

/// Keeps what comes until it is known what it is.
#[derive(Debug)]
pub(super) struct Sniffed {
    track: u32,
    /// What it is called, and is where its content says nothing.
    expected: Option<Kind>,
    state: State,
    junk: u64,
}

#[derive(Debug)]
enum State {
    Looking(Vec<(Vec<u8>, Option<Stamp>)>),
    Found(Box<dyn Elementary>),
    Nothing,
}

impl Sniffed {
    pub fn new(track: u32, expected: Option<Kind>) -> Self {
        Self { track, expected, state: State::Looking(Vec::new()), junk: 0 }
    }

    /// It is of `kind`; what came goes there.
    fn begin(&mut self, kind: Kind, gathered: &mut Gathered) {
        let mut es = elementary::plain(kind, self.track);
        if let State::Looking(pieces) = &mut self.state {
            for (bytes, stamp) in pieces.drain(..) {
                es.handle_payload(&bytes, stamp, gathered);
            }
        }
        self.state = State::Found(es);
    }
}

impl Elementary for Sniffed {
    fn format(&self) -> Option<Format> {
        if let State::Found(es) = &self.state { es.format() } else { None }
    }

    fn timescale(&self) -> u32 {
        if let State::Found(es) = &self.state { es.timescale() } else { CLOCK }
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        let pieces = match &mut self.state {
            State::Found(es) => return es.handle_payload(payload, stamp, gathered),
            State::Nothing => {
                self.junk += payload.len() as u64;
                return;
            }
            State::Looking(pieces) => pieces,
        };
        pieces.push((payload.to_vec(), stamp));
        let all: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        let enough = all.len() > MAX_LOOK || pieces.len() > MAX_PIECES;
        if let Some(kind) = tell(&all).or(self.expected.filter(|_| enough)) {
            self.begin(kind, gathered);
        } else if enough {
            self.junk += all.len() as u64;
            self.state = State::Nothing;
        }
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        if let (State::Looking(_), Some(kind)) = (&self.state, self.expected) {
            self.begin(kind, gathered);
        }
        if let State::Found(es) = &mut self.state {
            es.finish(gathered);
        }
    }

    fn release_held(&mut self, gathered: &mut Gathered) {
        if let State::Found(es) = &mut self.state {
            es.release_held(gathered);
        }
    }

    fn take_junk(&mut self) -> u64 {
        let junk = std::mem::take(&mut self.junk);
        if let State::Found(es) = &mut self.state { junk + es.take_junk() } else { junk }
    }
}

/// The kind of which `bytes` begin with two frames, but for the rest of one before.
fn tell(bytes: &[u8]) -> Option<Kind> {
    // Its sync word of 32 bits is sure by itself, and its frames are long enough to look like others inside.
    if dts::FrameHeader::parse(bytes).is_ok() {
        return Some(Kind::Dts);
    }
    let (mut aac, mut ac3, mut mpeg) = (Scanner::new(), Scanner::new(), Scanner::new());
    let found = [
        (skipped::<ac3::FrameHeader>(&mut ac3, bytes), Kind::Ac3),
        (skipped::<aac::AdtsHeader>(&mut aac, bytes), Kind::Adts),
        (skipped::<mpeg_audio::FrameHeader>(&mut mpeg, bytes), Kind::MpegAudio),
    ];
    found
        .into_iter()
        .filter_map(|(skipped, kind)| Some((skipped?, kind)))
        .min_by_key(|(skipped, _)| *skipped)
        .map(|(_, kind)| kind)
}

/// Bytes before the first frame of a kind, if there is one and they are no more than a frame.
fn skipped<H: FrameHeader>(scanner: &mut Scanner<H>, bytes: &[u8]) -> Option<usize> {
    match scanner.scan(bytes, false) {
        Scan::Frame { skip, .. } => Some(skip).filter(|skip| *skip <= H::MAX_FRAME),
        Scan::More { .. } => None,
    }
}
