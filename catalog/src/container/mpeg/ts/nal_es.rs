//! H.264 and H.265 in packets: access units and their times.

use super::super::CLOCK;
use super::super::gathered::Gathered;
use super::super::timeline::Stamp;
use super::super::uncut::Uncut;
use super::elementary::Elementary;
use super::syntax::{Begin, Syntax, UnitInfo};
use super::times::Times;
use crate::container::es::Early;
use crate::container::limits;
use bytes::Bytes;
use rtp::codec::{nal, start_code};
use rtp::format::Format;

/// Bytes of a NAL unit and of an access unit: an hour without start codes would lie in memory as a whole. Level 6.2
/// lets no access unit have as much.
const MAX_UNIT: usize = limits::MAX_ACCESS_UNIT / 2;

/// Cuts one stream into access units of length-prefixed NAL units.
///
/// An access unit in which a packet's times begin has those. Another is decoded one picture after the one before, and
/// shown where its place in the order of showing puts it.
#[derive(Debug)]
pub(super) struct NalEs {
    /// From the start code of the unit that has begun.
    uncut: Uncut,
    begun: bool,
    /// Bytes of `uncut` that were searched for a start code.
    searched: usize,
    /// What comes before the first picture of which the parameter sets are known, by its place in the stream.
    early: Early<u64>,
    known: bool,
    syntax: Syntax,
    unit: AccessUnit,
    times: Times,
    format: Option<Format>,
    junk: u64,
}

/// The access unit that has begun.
#[derive(Debug, Default)]
struct AccessUnit {
    start: u64,
    data: Vec<u8>,
    info: UnitInfo,
}

impl NalEs {
    pub fn new(track: u32, syntax: Syntax) -> Self {
        Self {
            uncut: Uncut::default(),
            begun: false,
            searched: 0,
            early: Early::default(),
            known: false,
            syntax,
            unit: AccessUnit::default(),
            times: Times::new(track),
            format: None,
            junk: 0,
        }
    }

    /// Goes over the units that are whole, each ended by the next one's start code.
    fn cut(&mut self, gathered: &mut Gathered) {
        while let Some(at) = start_code::find(&self.uncut, self.searched) {
            let start = self.uncut.start();
            let unit = self.uncut.take(at);
            if self.begun {
                self.handle_unit(start, &unit, gathered);
            } else {
                // The first start code has a zero before it.
                self.junk += if unit.iter().all(|byte| *byte == 0) { 0 } else { at as u64 };
            }
            (self.begun, self.searched) = (true, start_code::PREFIX.len());
        }
        let kept = start_code::PREFIX.len() - 1;
        self.searched = self.searched.max(self.uncut.len().saturating_sub(kept));
        if self.uncut.len() > MAX_UNIT {
            self.junk += self.uncut.skip(self.uncut.len() - kept);
            (self.begun, self.searched) = (false, 0);
        }
    }

    /// A NAL unit from its start code, at `start` of the stream, to the zeros before the next one.
    fn handle_unit(&mut self, start: u64, bytes: &Bytes, gathered: &mut Gathered) {
        let Some(unit) = nal::annex_b(bytes).next() else { return };
        if self.known {
            return self.take_unit(start, unit, gathered);
        }
        self.early.keep(unit, start);
        self.known = self.syntax.learn(unit);
        while self.known
            && let Some((unit, start)) = self.early.next()
        {
            self.take_unit(start, &unit, gathered);
        }
        self.junk += self.early.take_junk();
    }

    fn take_unit(&mut self, start: u64, unit: &[u8], gathered: &mut Gathered) {
        match self.syntax.begin(unit, &self.unit.info) {
            Begin::Nothing => {}
            Begin::Unit => self.emit(gathered),
        }
        if self.unit.data.is_empty() {
            self.unit.start = start;
        }
        if self.unit.data.len() + unit.len() > MAX_UNIT || nal::push_prefixed(&mut self.unit.data, unit).is_err() {
            self.junk += (self.unit.data.len() + unit.len()) as u64;
            self.unit = AccessUnit::default();
            return;
        }
        self.syntax.add(unit, &mut self.unit.info);
    }

    /// The access unit is over.
    fn emit(&mut self, gathered: &mut Gathered) {
        let AccessUnit { start, data, mut info } = std::mem::take(&mut self.unit);
        let stamp = self.uncut.stamp(start);
        if self.format.is_none() {
            // What comes before the first picture that can be decoded is shown by no player, or by all.
            info.sync |= info.has_slice && self.syntax.shows_all();
            self.format = self.syntax.format().filter(|_| info.sync);
        }
        if self.format.is_none() || !info.has_slice {
            self.junk += data.len() as u64;
            return;
        }
        self.times.push(data.into(), stamp, &info, gathered);
    }
}

impl Elementary for NalEs {
    fn format(&self) -> Option<Format> {
        self.format.clone()
    }

    fn timescale(&self) -> u32 {
        CLOCK
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.uncut.push(payload, stamp);
        self.cut(gathered);
    }

    fn release_held(&mut self, gathered: &mut Gathered) {
        self.times.release(gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.cut(gathered);
        if self.begun {
            let (start, unit) = (self.uncut.start(), self.uncut.take(usize::MAX));
            self.handle_unit(start, &unit, gathered);
        }
        self.emit(gathered);
        self.times.release(gathered);
        self.early.drop_all();
        self.junk += self.early.take_junk();
    }

    fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}
