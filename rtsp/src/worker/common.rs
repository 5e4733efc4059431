//! What many viewers have in common, kept once: what all of them read stays in the processor's caches.

use crate::playback::PlaybackOptions;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};
use stripes::{id::ObjectId, layout::Layout};

/// Bytes of payload that a packet may have at least, however small a viewer wants it: a picture in packets of a few
/// bytes would be millions of them.
const LEAST_BLOCKSIZE: usize = 256;

/// Things that are kept before those that nobody uses are looked for.
const FEW: usize = 64;

/// One worker's.
pub(super) struct Common {
    playback: PlaybackOptions,
    playbacks: Kept<(usize, bool), PlaybackOptions>,
    layouts: Kept<ObjectId, Layout>,
}

impl Common {
    pub(super) fn new(playback: PlaybackOptions) -> Self {
        Self { playback, playbacks: Kept::default(), layouts: Kept::default() }
    }

    /// As a viewer needs it: packets as small as it wants them (RFC 2326 section 12.7 lets us choose the nearest that we
    /// can), and the goodbye when it may come.
    pub(super) fn playback(&mut self, blocksize: Option<u32>, live555: bool) -> Arc<PlaybackOptions> {
        const RTP_HEADER: usize = 12;
        let live555 = live555 || self.playback.live555;
        let size = blocksize.map(|size| usize::try_from(size).unwrap_or(usize::MAX).max(LEAST_BLOCKSIZE));
        let size = size.map_or(usize::MAX, |size| size.saturating_add(RTP_HEADER));
        let max_packet = self.playback.max_packet.min(size);
        let make = || PlaybackOptions { max_packet, live555, ..self.playback.clone() };
        self.playbacks.get((max_packet, live555), |_| true, make)
    }

    /// The layout that all viewers of an object share while it is the same.
    pub(super) fn layout(&mut self, media: &Layout) -> Arc<Layout> {
        self.layouts.get(media.object, |known| known == media, || media.clone())
    }
}

/// What somebody uses, by its key.
struct Kept<K, V> {
    known: HashMap<K, Weak<V>>,
    /// How many there may be before the unused ones go.
    bound: usize,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn get(&mut self, key: K, same: impl Fn(&V) -> bool, make: impl FnOnce() -> V) -> Arc<V> {
        let known = self.known.get(&key).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| same(known)) {
            return known;
        }
        if self.known.len() >= self.bound {
            self.known.retain(|_, value| value.strong_count() > 0);
            self.bound = FEW.max(2 * self.known.len());
        }
        let made = Arc::new(make());
        self.known.insert(key, Arc::downgrade(&made));
        made
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new(), bound: FEW }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stripes::{id::NodeId, layout::Policy};

    fn media(object: u128, length: u64) -> Layout {
        let policy = Policy { unit_size: 1 << 16, data: 1, parity: 0 };
        Layout::new(ObjectId(object), length, policy, vec![NodeId(1)], 0)
    }

    #[test]
    fn viewers_of_one_object_share_its_layout_while_it_is_the_same() {
        let mut common = Common::new(PlaybackOptions::default());
        let first = common.layout(&media(1, 5));
        assert!(Arc::ptr_eq(&first, &common.layout(&media(1, 5))));
        let longer = common.layout(&media(1, 6));
        assert_eq!((first.length, longer.length), (5, 6));
        assert!(Arc::ptr_eq(&longer, &common.layout(&media(1, 6))));
        for object in 2..1_000 {
            common.layout(&media(object, 5));
        }
        assert!(common.layouts.known.len() <= FEW, "unused ones go");
        assert!(Arc::ptr_eq(&longer, &common.layout(&media(1, 6))));
    }

    #[test]
    fn a_viewer_gets_its_packets_as_small_as_it_wants_them() {
        let mut common = Common::new(PlaybackOptions::default());
        let cases = [(None, 1400), (Some(500), 512), (Some(1), 268), (Some(1_388), 1400), (Some(u32::MAX), 1400)];
        for (blocksize, max_packet) in cases {
            assert_eq!(common.playback(blocksize, false).max_packet, max_packet, "{blocksize:?}");
        }
        let [usual, drops] = [false, true].map(|drops| common.playback(None, drops));
        assert_eq!((usual.live555, drops.live555), (false, true));
        assert!(Arc::ptr_eq(&usual, &common.playback(Some(9_000), false)));
        assert!(Arc::ptr_eq(&drops, &common.playback(None, true)));
    }
}
