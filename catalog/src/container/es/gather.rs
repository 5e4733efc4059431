//! NAL units of H.264 and H.265 in byte stream format (annex B) that gather to access units, and how these leave: in the
//! order of their counts, at the rate that the parameter sets tell.

use super::ranks::Ranks;
use super::sections::{MAX_SECTION, Sections};
use super::{Stream, TRACK, unit_of};
use crate::container::DemuxedSample;
use bytes::BytesMut;
use rtp::codec::nal::push_prefixed;
use rtp::format::Format;
use std::collections::VecDeque;

/// Pictures per second, as numerator and denominator, where no parameter set tells.
const DEFAULT_RATE: (u32, u64) = (25, 1);

/// What both codecs need below their rules of where a picture begins.
#[derive(Debug, Default)]
pub(super) struct Gather {
    sections: Sections,
    /// The access unit that comes together.
    unit: Vec<u8>,
    begun: Option<Begun>,
    junk: u64,
}

/// What the first picture settles.
#[derive(Debug)]
struct Begun {
    format: Format,
    timescale: u32,
    ranks: Ranks,
}

/// A whole picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    /// Its place in the order of showing.
    pub count: i64,
    pub sync: bool,
    /// A new count begins with it.
    pub begins: bool,
    /// Pictures per second as the parameter sets tell.
    pub rate: Option<(u32, u64)>,
    /// How many pictures at most are decoded before one that is shown earlier.
    pub depth: usize,
}

/// A codec's rules of what a unit is, and where a picture begins.
pub(super) trait Pictures: Send {
    fn gather(&self) -> &Gather;

    fn gather_mut(&mut self) -> &mut Gather;

    /// The next NAL unit.
    fn handle_unit(&mut self, unit: &[u8], out: &mut VecDeque<DemuxedSample>);

    /// The access unit is over, if it has a picture.
    fn emit(&mut self, out: &mut VecDeque<DemuxedSample>);

    fn take_units(&mut self, at_end: bool, out: &mut VecDeque<DemuxedSample>) {
        while let Some(section) = self.gather_mut().next(at_end) {
            self.handle_unit(unit_of(&section), out);
        }
    }
}

impl<P: Pictures> Stream for P {
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>) {
        self.gather_mut().handle(bytes);
        self.take_units(false, out);
    }

    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.take_units(true, out);
        self.emit(out);
        self.gather_mut().finish(out);
    }

    fn track(&self) -> Option<(Format, u32)> {
        self.gather().track()
    }

    fn take_junk(&mut self) -> u64 {
        self.gather_mut().take_junk()
    }
}

impl Gather {
    pub fn handle(&mut self, bytes: &[u8]) {
        self.sections.push(bytes);
    }

    /// The next NAL unit behind its start code; [`unit_of`] it is what it says.
    pub fn next(&mut self, at_end: bool) -> Option<BytesMut> {
        std::iter::from_fn(|| self.sections.next(at_end)).find(|section| !unit_of(section).is_empty())
    }

    /// Adds a unit to the access unit; false if that became too long, and is left out.
    pub fn append(&mut self, unit: &[u8]) -> bool {
        // Sections are far shorter than what the length can say.
        let _ = push_prefixed(&mut self.unit, unit);
        let fits = self.unit.len() <= 2 * MAX_SECTION;
        if !fits {
            self.leave_out();
        }
        fits
    }

    /// The access unit is of no use.
    pub fn leave_out(&mut self) {
        self.junk += self.unit.len() as u64;
        self.unit.clear();
    }

    /// Bytes are left out that never came here.
    pub fn add_junk(&mut self, bytes: u64) {
        self.junk += bytes;
    }

    /// A unit belongs to none.
    pub fn pass_over(&mut self, unit: &[u8]) {
        self.junk += unit.len() as u64;
    }

    /// The access unit is over. `format` is asked once, with the first picture where decoding may begin: what comes
    /// before it is left out.
    pub fn emit(
        &mut self,
        picture: Picture,
        format: impl FnOnce() -> Option<Format>,
        out: &mut VecDeque<DemuxedSample>,
    ) {
        let (numerator, denominator) = told(picture.rate).unwrap_or(DEFAULT_RATE);
        if self.begun.is_none()
            && picture.sync
            && let Some(format) = format()
        {
            self.begun = Some(Begun { format, timescale: numerator, ranks: Ranks::new(picture.depth) });
        }
        let Some(begun) = &mut self.begun else { return self.leave_out() };
        // Rates may be told in billionths, and another than the first one's counts in that one's units.
        let duration = u128::from(begun.timescale) * u128::from(denominator) / u128::from(numerator);
        let duration = i64::try_from(duration).unwrap_or(i64::MAX).clamp(1, i64::from(begun.timescale) * 60);
        if picture.begins {
            begun.ranks.begin_sequence(picture.depth);
        }
        let data = std::mem::take(&mut self.unit).into();
        let sample = DemuxedSample { track: TRACK, dts: 0, pts: 0, duration, sync: picture.sync, data };
        begun.ranks.push(sample, picture.count, out);
    }

    pub fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        if let Some(begun) = &mut self.begun {
            begun.ranks.finish(out);
        }
    }

    pub fn track(&self) -> Option<(Format, u32)> {
        self.begun.as_ref().map(|begun| (begun.format.clone(), begun.timescale))
    }

    pub fn take_junk(&mut self) -> u64 {
        self.sections.take_junk() + std::mem::take(&mut self.junk)
    }
}

/// A rate, if it is one that films have.
fn told(rate: Option<(u32, u64)>) -> Option<(u32, u64)> {
    rate.filter(|&(numerator, denominator)| {
        u64::from(numerator) <= denominator * 1000 && denominator <= u64::from(numerator) * 10
    })
}
