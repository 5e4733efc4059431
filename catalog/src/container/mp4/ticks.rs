//! Audio in single ticks (QuickTime File Format, "Sample-to-chunk" of sound): the tables count every tick of the
//! clock as a sample, of which no receiver could do anything with one alone. What lies together in a chunk is cut
//! into bundles.

/// What audio of a constant rate is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::container) struct Frame {
    /// Ticks that belong together: 1 for PCM, 64 for IMA4.
    pub ticks: u32,
    /// Bytes of them, of all channels.
    pub bytes: u32,
    /// Ticks that a bundle should have, about.
    pub bundle: u32,
}

/// Bundles are of a fiftieth of a second: what telephony uses, and few packets.
const BUNDLES_PER_SECOND: u32 = 50;

impl Frame {
    /// PCM of frames of `bytes` bytes, `rate` a second.
    pub fn pcm(bytes: u32, rate: u32) -> Self {
        Self { ticks: 1, bytes, bundle: (rate / BUNDLES_PER_SECOND).max(1) }
    }

    /// Ticks of each bundle of a chunk that has `ticks`: whole frames, and the chunk cut evenly, so that
    /// no short bundle is left at its end.
    pub fn bundle(self, ticks: u32) -> u32 {
        let frame = self.ticks.max(1);
        let parts = ticks.div_ceil(self.bundle.max(frame)).max(1);
        ticks.div_ceil(parts).max(1).checked_next_multiple_of(frame).unwrap_or(u32::MAX)
    }

    /// Bytes of `ticks`; those of a frame that isn't whole are no part of it.
    pub fn size(self, ticks: u32) -> u32 {
        (ticks / self.ticks.max(1)).saturating_mul(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_evenly() {
        #[track_caller]
        fn check(frame: Frame, chunk: u32, want: (u32, u32)) {
            let bundle = frame.bundle(chunk);
            assert_eq!((bundle, frame.size(bundle)), want);
        }
        let stereo = Frame::pcm(4, 44_100);
        check(stereo, 22_050, (882, 3528));
        check(stereo, 1024, (512, 2048));
        check(stereo, 1, (1, 4));
        check(stereo, 0, (1, 4));
        check(stereo, u32::MAX, (882, 3528));
        check(Frame::pcm(1, 10), 3, (1, 1));
        let ima4 = Frame { ticks: 64, bytes: 34, bundle: 1024 };
        check(ima4, 6400, (960, 510));
        check(ima4, 100, (128, 68));
        check(Frame { ticks: 4096, bytes: 1486, bundle: 4096 }, 40_960, (4096, 1486));
        check(Frame { ticks: u32::MAX, bytes: u32::MAX, bundle: 0 }, u32::MAX, (u32::MAX, u32::MAX));
        check(Frame { ticks: 0, bytes: 0, bundle: 0 }, 5, (1, 0));
    }
}
