//! A track on its way: its entry, its format once that is known, and its frames.

use super::TIMESCALE;
use super::codec::Coding;
use super::order::Order;
use super::tracks::Entry;
use crate::container::steady::Steady;
use crate::container::{DemuxedSample, TrackInfo};
use rtp::format::Media;

/// A track on its way.
#[derive(Debug)]
pub(super) struct Lane {
    /// Of the track, from 1, those left out counted.
    pub number: u32,
    pub entry: Entry,
    pub coding: Coding,
    pub info: Option<TrackInfo>,
    pub left_out: bool,
    pub order: Order,
    pub steady: Steady,
    /// Frames that wait for all tracks to be known.
    pub waiting: Vec<DemuxedSample>,
    damaged: bool,
}

impl Lane {
    pub fn new(number: u32, entry: Entry, coding: Coding) -> Self {
        let order = Order::new(coding.depth(), entry.duration_ns);
        let (steady, waiting) = (Steady::default(), Vec::new());
        Self { number, entry, coding, info: None, left_out: false, order, steady, waiting, damaged: false }
    }

    /// Finds the format out; the answer is why there is none.
    pub fn settle(&mut self, first: Option<&[u8]>) -> Option<String> {
        let number = self.number;
        match self.coding.format(first) {
            Ok(format) => {
                let language = self.entry.language.clone();
                self.info = Some(TrackInfo { number, format, language, timescale: TIMESCALE });
                None
            }
            Err(why) => {
                self.left_out = true;
                Some(format!("track {number} is left out: {why}"))
            }
        }
    }

    /// Whether any frame may be the first: sound and text.
    pub fn is_free(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.format.media() != Media::Video)
    }

    pub fn is_text(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.format.media() == Media::Text)
    }

    /// Says once that there is damage, and in which block.
    pub fn damage(&mut self, at: Option<u64>, why: &str) -> Option<String> {
        let number = self.number;
        let place = at.map(|at| format!("in the block at byte {at}: ")).unwrap_or_default();
        (!std::mem::replace(&mut self.damaged, true))
            .then(|| format!("track {number}: {place}{why}; there may be more"))
    }
}
