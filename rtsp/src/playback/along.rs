//! What goes along with another track's packets, since a connection takes both by one write.

use super::Playback;
use rtp::train::Framing;
use std::time::Instant;

impl Playback {
    /// Whether a track's next units go along with what another track gives to its connection now, though they are due a
    /// little later: what a write costs is the write. Half a quantum to either side is enough for sound always to go
    /// along with the nearest picture. Datagrams gain nothing by it: tracks have ports of their own.
    pub(super) fn goes_along(&self, at: usize, due: Instant, now: Instant) -> bool {
        let track = &self.tracks[at];
        let beside = self.written.is_some_and(|(other, when)| other != at && when == now);
        let interleaved = matches!(track.setup.framing, Framing::Interleaved { .. });
        if !beside || !interleaved || due > now + self.options.quantum / 2 {
            return false;
        }
        // What is not here yet may still come in time.
        let next = self.index.tracks[track.number].samples.get(track.cursor);
        next.is_some_and(|sample| self.has(sample.offset..sample.offset + u64::from(sample.size)))
    }
}
