//! Memory asked for before it is needed.
//!
//! With a thousand viewers each one's state has left the cache when its turn comes, and serving it is mostly waiting
//! for memory, one miss after the other. The worker knows who comes next, so the misses can run side by side.

use super::Playback;

/// Bytes of a group of access units that are asked for: most of what leaves next. The processor goes on by itself once they
/// are read in order, but not over the end of a page.
const BYTES: usize = 3 << 10;

impl Playback {
    /// The state itself.
    pub fn prefetch(&self) {
        prefetch(self);
    }

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
        let Some(sample) = sample else { return };
        if let Some(bytes) = self.reader.peek(sample.offset) {
            prefetch_at(bytes.as_ptr(), bytes.len().min(sample.size as usize).min(BYTES));
        }
    }
}

/// Bytes that come into the cache together.
const LINE: usize = 64;

/// Lines asked for at most by one call: the processor drops what it can't keep track of.
const MAX_LINES: usize = 48;

/// Asks for the memory of `what`, without waiting for it.
pub(crate) fn prefetch<T: ?Sized>(what: &T) {
    prefetch_at(std::ptr::from_ref(what).cast(), size_of_val(what));
}

/// The same of `bytes` bytes from an address on, which need not be valid: nothing is read.
pub(crate) fn prefetch_at(address: *const u8, bytes: usize) {
    for line in 0..bytes.div_ceil(LINE).min(MAX_LINES) {
        let address = address.wrapping_add(line * LINE);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch has no effect but on the cache, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(address.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = address;
    }
}
