//! Which access units of a track leave together.

use super::{
    Playback,
    send::{FRAME_HEADER, RTP_HEADER},
};
use catalog::sample::Sample;
use rtp::clock::Ticks;
use std::time::{Duration, Instant};

/// Access units that are laid down together at most, whatever their time: bounds what one call does.
pub(super) const MAX_GROUP: usize = 16;

/// Access units of one track that are laid down together.
pub(super) struct Group {
    pub(super) samples: [Sample; MAX_GROUP],
    pub(super) count: usize,
    pub(super) bytes: usize,
    /// From the first one's decoding to the end of the last.
    pub(super) span: Ticks,
}

impl Playback {
    /// Whether sends are to be saved from now on: what is due within a quantum of a track's next unit then goes along with
    /// it. What costs a busy worker is the send.
    pub fn set_thrifty(&mut self, thrifty: bool) {
        self.thrifty = thrifty;
    }

    /// The access units that leave together, from a track's cursor on: film of a quantum, and where that saves a send also
    /// what is due by now, or soon. Only the first one's bytes may be missing.
    pub(super) fn group(&self, at: usize, now: Instant) -> Option<Group> {
        let track = &self.tracks[at];
        let samples = &self.index.tracks[track.number].samples;
        let first = samples.get(track.cursor)?;
        let span = samples.duration(track.cursor).unwrap_or_default();
        let mut group = Group { samples: [first; MAX_GROUP], count: 1, bytes: first.size as usize, span };
        if track.is_sparse(self.rate) {
            group.span = track.next(self.rate, samples, track.cursor).1;
            return Some(group);
        }
        let end = (self.end < self.index.duration).then(|| track.clock.ticks(self.end));
        // One packet of small units, unless the operator wants more at once.
        let max_bytes = if track.bundled && self.options.quantum <= self.options.bundle {
            self.options.max_packet.saturating_sub(RTP_HEADER + FRAME_HEADER)
        } else {
            usize::MAX
        };
        let (one_train, soon) = (self.one_train(), now.max(track.due + self.ahead()));
        // Timestamps of one source must not go back, and a transport stream's clock is its packets' coming. Nothing else is
        // due where neither much time has passed nor much is taken along.
        let saves = soon > track.due + self.options.quantum / 2 && track.group > Ticks(0) && !track.multiplexed;
        while group.count < MAX_GROUP {
            let number = track.cursor + group.count;
            let Some(sample) = samples.get(number) else { break };
            let span = Ticks(sample.dts.0 + samples.duration(number).unwrap_or_default().0 - first.dts.0);
            // Four bytes each are more than any payload format's header for a unit.
            let bytes = group.bytes + sample.size as usize;
            let together = span <= track.group && bytes.saturating_add(4 * (group.count + 1)) <= max_bytes;
            // Where decoding may begin a group begins: a connection that takes little takes that.
            let along = saves && (first.sync || !sample.sync) && bytes <= one_train;
            let fits = together || (along && self.due(self.order(track, &sample)) <= soon);
            let outside = track.skips(&sample) || end.is_some_and(|end| sample.pts >= end);
            if !fits || outside || !self.has(sample.offset..sample.offset + u64::from(sample.size)) {
                break;
            }
            group.samples[group.count] = sample;
            group.count += 1;
            group.bytes = bytes;
            group.span = span;
        }
        Some(group)
    }

    /// How early a unit may go along with the one before, to save a send: a quantum, and an eighth that takes in pictures of
    /// which there are 24 a second.
    fn ahead(&self) -> Duration {
        if self.thrifty { self.options.quantum * 9 / 8 } else { Duration::ZERO }
    }

    /// Bytes of access units that leave at once: more would be spread, and save nothing.
    fn one_train(&self) -> usize {
        self.options.train_packets.saturating_mul(self.options.max_packet.saturating_sub(RTP_HEADER))
    }
}
