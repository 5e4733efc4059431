//! A channel's packets: made once, kept from the newest sync sample on.

use super::Live;
use bytes::Bytes;
use rtp::{
    access_unit::AccessUnit,
    clock::Ticks,
    format::Media,
    packetizer::Packetizer,
    payload::PayloadError,
    train::{Framing, Train},
};
use std::{collections::VecDeque, sync::Arc, time::Instant};

/// Bytes kept for those who join; a feed without sync samples would otherwise fill the memory.
const MAX_KEPT: usize = 16 << 20;

/// One access unit as a feed brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveUnit {
    /// In stored form (see [`rtp::format::Format::store`]).
    pub data: Bytes,
    /// When it is decoded, by the track's clock.
    pub dts: Ticks,
    /// When it is shown or heard, likewise.
    pub pts: Ticks,
    /// Whether decoding may begin here.
    pub sync: bool,
}

/// Units of one track that came together, and their packets.
#[derive(Debug)]
pub struct Burst {
    /// Counts a channel's bursts, over all tracks.
    pub number: u64,
    /// The place in the index.
    pub track: usize,
    /// On the channel's timeline.
    pub units: Vec<LiveUnit>,
    /// Their packets, as for UDP.
    pub train: Train,
    /// The number of the first packet.
    pub first_sequence: u16,
    /// When they came.
    pub arrived: Instant,
}

impl Burst {
    /// Whether decoding may begin with its first unit.
    pub fn is_sync(&self) -> bool {
        self.units.first().is_some_and(|unit| unit.sync)
    }
}

/// Makes the packets.
pub(super) struct Packets {
    starts: Vec<rtp::clock::RtpTimestamp>,
    packetizers: Vec<Packetizer>,
    bursts: u64,
}

impl Packets {
    pub(super) fn new(live: &Live, max_packet: usize) -> Self {
        let packetizers = live.sources.iter().zip(&live.index.tracks).map(|(source, track)| {
            let mut packetizer =
                Packetizer::new(&track.format, source.payload_type, source.ssrc, source.first_sequence, max_packet);
            packetizer.share_sends(true);
            packetizer
        });
        let packetizers = packetizers.collect();
        Self { packetizers, starts: live.sources.iter().map(|source| source.start).collect(), bursts: 0 }
    }

    pub(super) fn next_sequences(&self) -> Vec<u16> {
        self.packetizers.iter().map(Packetizer::next_sequence).collect()
    }

    /// # Errors
    /// A unit that is not its format's stored form: none of them is sent.
    pub(super) fn lay_down(
        &mut self,
        track: usize,
        units: Vec<LiveUnit>,
        arrived: Instant,
    ) -> Result<Burst, PayloadError> {
        let (packetizer, start) = (&mut self.packetizers[track], self.starts[track]);
        let first_sequence = packetizer.next_sequence();
        let mut train = Train::new(Framing::Datagram);
        let of = |unit: &LiveUnit| start.plus(unit.pts);
        let access: Vec<AccessUnit<'_>> =
            units.iter().map(|unit| AccessUnit { data: &unit.data, timestamp: of(unit), sync: unit.sync }).collect();
        packetizer.packetize(&access, &mut train)?;
        self.bursts += 1;
        Ok(Burst { number: self.bursts, track, units, train, first_sequence, arrived })
    }
}

/// The bursts from the newest sync sample on: of the video where there is any.
#[derive(Default)]
pub(super) struct Kept {
    bursts: VecDeque<Arc<Burst>>,
    bytes: usize,
    /// A group that grew too large is not kept: nothing is, up to the next sync sample.
    skipping: bool,
}

impl Kept {
    pub(super) fn keep(&mut self, burst: &Arc<Burst>, live: &Live) {
        let is_video = |track: usize| live.index.tracks.get(track).is_some_and(|t| t.format.media() == Media::Video);
        let leads = match (0..live.index.tracks.len()).find(|track| is_video(*track)) {
            Some(video) => burst.track == video,
            None => true,
        };
        if leads && burst.is_sync() {
            self.clear();
            self.skipping = false;
        }
        if self.skipping {
            return;
        }
        self.bytes += burst.train.bytes().len();
        self.bursts.push_back(burst.clone());
        if self.bytes > MAX_KEPT {
            self.clear();
            self.skipping = true;
        }
    }

    pub(super) fn bursts(&self) -> Vec<Arc<Burst>> {
        self.bursts.iter().cloned().collect()
    }

    fn clear(&mut self) {
        self.bursts.clear();
        self.bytes = 0;
    }
}
