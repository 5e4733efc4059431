//! Packets of a burst that leave together, laid out once for all who watch.

use crate::{channel::Burst, net::udp::MAX_SEGMENTED_BYTES};
use rtp::{packet::HEADER_LEN, train::Segments};
use std::{ops::Range, sync::Arc};

/// Some packets of a burst.
pub(super) struct Chunk<'a> {
    pub(super) burst: &'a Arc<Burst>,
    pub(super) packets: Range<usize>,
    /// As they are sent over UDP.
    pub(super) segments: Vec<Segments>,
    /// Bytes with RTP headers, and of payload alone.
    pub(super) bytes: usize,
    pub(super) octets: u64,
    /// Behind `$` heads, by the channel's number: players mostly choose the same two.
    frames: Vec<(u8, Vec<u8>)>,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(burst: &'a Arc<Burst>, packets: Range<usize>, max_segments: usize) -> Self {
        let train = &burst.train;
        let mut segments = Vec::new();
        let mut from = packets.start;
        while from < packets.end {
            let most = max_segments.min(packets.end - from);
            let Some(next) = train.segments(from, most, MAX_SEGMENTED_BYTES) else { break };
            from += next.count;
            segments.push(next);
        }
        let bytes = train.end(packets.end) - train.end(packets.start);
        let octets = bytes.saturating_sub(packets.len() * HEADER_LEN + train.padding(packets.clone()));
        Self { burst, packets, segments, bytes, octets: octets as u64, frames: Vec::new() }
    }

    /// The packets as frames of an interleaved channel (RFC 2326 section 10.12), made once for all who have that number.
    pub(super) fn frames(&mut self, channel: u8) -> &[u8] {
        let known = self.frames.iter().position(|(number, _)| *number == channel);
        let at = known.unwrap_or_else(|| {
            let mut run = Vec::with_capacity(self.bytes + 4 * self.packets.len());
            for packet in self.packets.clone().map(|number| self.burst.train.packet(number)) {
                // A packet is shorter than 64 KiB.
                let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
                run.extend_from_slice(&[b'$', channel]);
                run.extend_from_slice(&length.to_be_bytes());
                run.extend_from_slice(packet);
            }
            self.frames.push((channel, run));
            self.frames.len() - 1
        });
        &self.frames[at].1
    }
}
