//! A channel's packets: made once, kept from the newest sync sample on.

use super::{ChannelOptions, Live};
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

impl LiveUnit {
    /// A unit that is shown when it is decoded, where decoding may begin: as all audio is.
    pub fn sound(data: impl Into<Bytes>, at: Ticks) -> Self {
        Self { data: data.into(), dts: at, pts: at, sync: true }
    }
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
    /// How many of them leave together, from the first on.
    pub at_once: usize,
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

    /// This one and the next of its track as one, for those who have had neither: what costs them is the send. It has this
    /// one's number. `None` where they are more than `train_packets`, or decoding may begin with the next but not with this.
    pub fn with(&self, next: &Burst, train_packets: usize) -> Option<Burst> {
        let follows = next.first_sequence == self.first_sequence.wrapping_add(self.train.len() as u16);
        let fits = self.train.len() + next.train.len() <= train_packets && (self.is_sync() || !next.is_sync());
        if next.track != self.track || !follows || !fits {
            return None;
        }
        let mut train = Train::new(Framing::Datagram);
        train.append(&self.train);
        train.append(&next.train);
        train.fill_up(train_packets);
        Some(Burst {
            number: self.number,
            track: self.track,
            units: self.units.iter().chain(&next.units).cloned().collect(),
            at_once: train.len().max(1),
            train,
            first_sequence: self.first_sequence,
            arrived: self.arrived,
        })
    }
}

/// Makes the packets.
pub(super) struct Packets {
    starts: Vec<rtp::clock::RtpTimestamp>,
    packetizers: Vec<Packetizer>,
    bursts: u64,
    train_packets: usize,
    padding: bool,
}

impl Packets {
    pub(super) fn new(live: &Live, options: &ChannelOptions) -> Self {
        let packetizers = live.sources.iter().zip(&live.index.tracks).map(|(source, track)| {
            let mut packetizer = Packetizer::new(
                &track.format,
                source.payload_type,
                source.ssrc,
                source.first_sequence,
                options.max_packet,
            );
            packetizer.share_sends(options.padding);
            packetizer
        });
        let packetizers = packetizers.collect();
        let starts = live.sources.iter().map(|source| source.start).collect();
        Self { packetizers, starts, bursts: 0, train_packets: options.train_packets.max(1), padding: options.padding }
    }

    /// Each track's next sequence number, and the number of the next burst.
    pub(super) fn next(&self) -> (Vec<u16>, u64) {
        (self.packetizers.iter().map(Packetizer::next_sequence).collect(), self.bursts + 1)
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
        // Full trains, the rest behind them: of what has come already as little as can be is held back.
        let at_once = train.len().clamp(1, self.train_packets);
        if self.padding {
            train.fill_up(at_once);
        }
        self.bursts += 1;
        Ok(Burst { number: self.bursts, track, units, train, at_once, first_sequence, arrived })
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
