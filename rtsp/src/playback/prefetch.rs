//! What the next packets of a playback will need, asked for beforehand (see [`crate::worker::prefetch`]).

use super::Playback;
use crate::worker::prefetch::{prefetch, prefetch_at};

/// Bytes of a group of access units that are asked for; the processor goes on by itself once they are read in order.
const BYTES: usize = 512;

impl Playback {
    /// The tracks, and the list of the units that are here.
    pub fn prefetch_tracks(&self) {
        prefetch(self.tracks.as_slice());
        prefetch(self.reader.list());
    }

    /// The next sample's entry in its table; the tracks should be here.
    pub fn prefetch_sample(&self) {
        let next = self.tracks.iter().min_by_key(|track| track.due);
        let Some(track) = next.filter(|track| track.rest.is_none()) else { return };
        if let Some(address) = self.index.tracks.get(track.number).and_then(|of| of.samples.address(track.cursor)) {
            prefetch_at(address, 2 * size_of::<[u32; 5]>());
        }
    }

    /// The next sample's bytes; its entry should be here.
    pub fn prefetch_bytes(&self) {
        let next = self.tracks.iter().min_by_key(|track| track.due);
        let Some(track) = next.filter(|track| track.rest.is_none()) else { return };
        let sample = self.index.tracks.get(track.number).and_then(|of| of.samples.get(track.cursor));
        if let Some(bytes) = sample.and_then(|sample| self.reader.peek(sample.offset)) {
            prefetch_at(bytes.as_ptr(), bytes.len().min(BYTES));
        }
    }
}
