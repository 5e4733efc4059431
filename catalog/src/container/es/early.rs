//! Video that begins in its middle: units whose headers are still to come. Players show such pictures once they know the
//! headers, if with errors, where the codec lets them: MPEG-4 visual and H.265, not H.264.

use rtp::codec::mpeg4_visual::{Config, VOP, config_len};
use rtp::format::Format;
use std::collections::VecDeque;

/// Bytes that are kept until headers come: pictures without any would lie in memory as a whole. Encoders repeat them
/// every few seconds.
const MAX_LEN: usize = 8 << 20;
/// What a unit takes beside its own bytes: a million of four bytes are no more than that allows.
const ENTRY: usize = 64;

/// Units before the first headers, each with what belongs to it.
#[derive(Debug)]
pub(in crate::container) struct Early<T> {
    units: VecDeque<(Vec<u8>, T)>,
    len: usize,
    junk: u64,
}

impl<T> Default for Early<T> {
    fn default() -> Self {
        Self { units: VecDeque::new(), len: 0, junk: 0 }
    }
}

impl<T> Early<T> {
    /// Keeps a unit; all are left out where they become too many.
    pub fn keep(&mut self, unit: &[u8], with: T) {
        self.len += unit.len() + ENTRY;
        if self.len > MAX_LEN {
            self.drop_all();
            self.junk += unit.len() as u64;
            return;
        }
        self.units.push_back((unit.to_vec(), with));
    }

    /// The first unit that is kept, taken out.
    pub fn next(&mut self) -> Option<(Vec<u8>, T)> {
        self.units.pop_front()
    }

    /// No headers will come.
    pub fn drop_all(&mut self) {
        self.junk += self.units.iter().map(|(unit, _)| unit.len() as u64).sum::<u64>();
        (self.units, self.len) = (VecDeque::new(), 0);
    }

    /// Bytes left out since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }

    /// Of MPEG-4 visual: keeps a section, from its start code on; what the headers say where it is the first picture
    /// behind some. Then [`Early::next`] gives all back.
    pub fn keep_visual(&mut self, section: &[u8], with: T) -> Option<(Config, Format)> {
        let is_picture = |section: &[u8]| section.get(3) == Some(&VOP);
        if !is_picture(section) {
            self.keep(section, with);
            return None;
        }
        let behind_last = self.units.iter().rposition(|(unit, _)| is_picture(unit)).map_or(0, |last| last + 1);
        let headers: Vec<u8> = self.units.range(behind_last..).flat_map(|(unit, _)| unit).copied().collect();
        self.keep(section, with);
        let config = Config::parse(&headers).ok()?;
        let (width, height) = (config.layer.width, config.layer.height);
        Some((config, Format::Mp4vEs { config: headers[..config_len(&headers)].to_vec(), width, height }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_headers_is_bounded() {
        let long = [&[0, 0, 1, VOP][..], &[7; 100_000]].concat();
        for (count, unit) in [(1000, &long[..]), (300_000, &long[..4])] {
            let mut early = Early::default();
            for number in 0..count {
                assert!(early.keep_visual(unit, number).is_none());
                assert!(early.len <= MAX_LEN);
            }
            let kept: usize = std::iter::from_fn(|| early.next()).map(|(unit, _)| unit.len()).sum();
            assert_eq!(early.take_junk() + kept as u64, (count * unit.len()) as u64);
        }
    }
}
