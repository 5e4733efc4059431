//! Video whose sections begin with start codes, in packets: what the codecs have in common of which each section is told by
//! its first byte.

use super::super::CLOCK;
use super::super::gathered::Gathered;
use super::super::marks::Marks;
use super::super::timeline::Stamp;
use super::elementary::Elementary;
use super::syntax::UnitInfo;
use super::times::Times;
use crate::container::es::Sections;
use rtp::format::Format;

/// Cuts one stream into the access units that `P` makes of its sections.
#[derive(Debug)]
pub(super) struct SectionEs<P> {
    sections: Sections,
    pictures: P,
    marks: Marks,
    times: Times,
    junk: u64,
}

/// What a codec makes of sections.
pub(super) trait Pictures: Default + Send + std::fmt::Debug {
    /// Known from the first access unit on.
    fn format(&self) -> Option<Format>;

    /// The next section, from its start code on.
    fn handle_section(&mut self, section: &[u8], way: &mut Way<'_>);

    /// The stream is over.
    fn finish(&mut self, way: &mut Way<'_>);
}

/// Where a section comes from, and where what it makes goes.
pub(super) struct Way<'a> {
    /// Where the section begins in the stream.
    start: u64,
    marks: &'a mut Marks,
    times: &'a mut Times,
    junk: &'a mut u64,
    gathered: &'a mut Gathered,
}

impl Way<'_> {
    /// The time of the picture that begins with the section.
    pub fn stamp(&mut self) -> Option<Stamp> {
        self.marks.take(self.start)
    }

    /// Gives an access unit out.
    pub fn push(&mut self, unit: Vec<u8>, stamp: Option<Stamp>, info: &UnitInfo) {
        self.times.push(unit.into(), stamp, info, self.gathered);
    }

    /// Counts bytes that are left out.
    pub fn leave_out(&mut self, bytes: u64) {
        *self.junk += bytes;
    }
}

impl<P: Pictures> SectionEs<P> {
    pub fn new(track: u32) -> Self {
        Self {
            sections: Sections::default(),
            pictures: P::default(),
            marks: Marks::default(),
            times: Times::new(track),
            junk: 0,
        }
    }

    fn cut(&mut self, at_end: bool, gathered: &mut Gathered) {
        let Self { sections, pictures, marks, times, junk } = self;
        let mut way = Way { start: 0, marks, times, junk, gathered };
        while let Some(section) = sections.next(at_end) {
            way.start = sections.taken() - section.len() as u64;
            pictures.handle_section(&section, &mut way);
        }
        if at_end {
            pictures.finish(&mut way);
        }
    }
}

impl<P: Pictures> Elementary for SectionEs<P> {
    fn format(&self) -> Option<Format> {
        self.pictures.format()
    }

    fn timescale(&self) -> u32 {
        CLOCK
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        if let Some(stamp) = stamp {
            self.marks.add(self.sections.pushed(), stamp);
        }
        self.sections.push(payload);
        self.cut(false, gathered);
    }

    fn release_held(&mut self, gathered: &mut Gathered) {
        self.times.release(gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.cut(true, gathered);
        self.times.release(gathered);
    }

    fn take_junk(&mut self) -> u64 {
        self.sections.take_junk() + std::mem::take(&mut self.junk)
    }
}
