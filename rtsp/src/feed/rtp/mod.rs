//! RTP packets of a feed's tracks, checked and put together to units on one line. No sockets, no clock.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`RtpFeed`] | all tracks of a feed: packets in, units and reports out |
//! | [`RtpTrack`] | what is known of one track beforehand |
//! | [`FeedCounts`] | what came, and what was wrong with it |
//! | `source` | which source is believed: after two packets in sequence, and another only when it is silent |
//! | `reorder` | packets brought into order, 64 or 100 ms long |
//! | `line` | the tracks' clocks on one line: by sender reports, before them by arrival |
//! | `order` | decode times of pictures that are shown in another order |
//!
//! Give every packet to [`RtpFeed::handle_rtp`] or [`RtpFeed::handle_rtcp`], and call [`RtpFeed::handle_timeout`] when
//! [`RtpFeed::poll_timeout`] says so. Once [`RtpFeed::described`] gives the tracks, take units with [`RtpFeed::poll`].
//!
//! A picture that has lost packets is dropped and counted: a decoder makes do with one that is missing, but shows one that
//! is broken. Frames of sound are whole or not there.

mod line;
mod order;
mod reorder;
mod source;
#[cfg(test)]
mod tests;

use crate::channel::{LiveUnit, TrackDescription};
use bytes::Bytes;
use line::Line;
use order::DecodeOrder;
use rtp::{
    clock::Ticks,
    cname::cname,
    depacketizer::{Depacketizer, ReceivedUnit},
    format::Media,
    packet::RtpPacket,
    rtcp::{Packet, parse_compound, write_receiver_report},
};
use source::Sources;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Units that wait until all tracks are known: a sender that never says what a track is would fill the memory.
const MAX_WAITING: usize = 32 << 20;

/// Tracks of which nothing is known for so long are left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often receiver reports are sent (RFC 3550 section 6.2: five seconds at least, for sessions as small).
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What is known of a track beforehand.
#[derive(Clone, Debug)]
pub struct RtpTrack {
    /// Its format may be incomplete: the rest is learned from the first units.
    pub description: TrackDescription,
    /// All its packets have.
    pub payload_type: u8,
    /// AAC as MP4A-LATM.
    pub latm: bool,
    /// Its packets come in order, on a TCP connection.
    pub ordered: bool,
}

/// What came of all tracks together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounts {
    /// Packets of the feed's own sources.
    pub packets: u64,
    /// That never came.
    pub lost: u64,
    /// That came twice, or after they were given up.
    pub late: u64,
    /// That are no RTP, of another payload type or source, or whose payload is broken.
    pub refused: u64,
    /// Units given out.
    pub units: u64,
    /// Units dropped because something of them is lost or broken.
    pub broken: u64,
}

/// All tracks of a feed.
#[derive(Debug)]
pub struct RtpFeed {
    tracks: Vec<Track>,
    line: Line,
    ready: VecDeque<(usize, LiveUnit)>,
    waiting_bytes: usize,
    /// The first packet came then.
    first: Option<Instant>,
    last: Option<Instant>,
    /// By which tracks are known to the channel, once they are.
    places: Option<Vec<Option<usize>>>,
    counts: FeedCounts,
    ssrc: u32,
    cname: String,
    report_at: Option<Instant>,
    reports: VecDeque<(usize, Vec<u8>)>,
}

#[derive(Debug)]
struct Track {
    known: RtpTrack,
    sources: Sources,
    depacketizer: Depacketizer,
    order: DecodeOrder,
}

impl Track {
    fn new(known: RtpTrack) -> Self {
        let format = &known.description.format;
        let sources = Sources::new(format.clock_rate(), known.ordered);
        Self { sources, depacketizer: depacketizer(&known), order: DecodeOrder::new(format), known }
    }
}

fn depacketizer(track: &RtpTrack) -> Depacketizer {
    match track.latm {
        true => Depacketizer::latm(&track.description.format),
        false => Depacketizer::new(&track.description.format),
    }
}

impl RtpFeed {
    /// Nothing has come yet.
    pub fn new(tracks: Vec<RtpTrack>, now: Instant) -> Self {
        let rates = tracks.iter().map(|track| track.description.format.clock_rate()).collect();
        Self {
            tracks: tracks.into_iter().map(Track::new).collect(),
            line: Line::new(rates, now),
            ready: VecDeque::new(),
            waiting_bytes: 0,
            first: None,
            last: None,
            places: None,
            counts: FeedCounts::default(),
            ssrc: rand::random(),
            cname: cname(rand::random()),
            report_at: None,
            reports: VecDeque::new(),
        }
    }

    /// A datagram or frame came where RTP of a track is sent to.
    pub fn handle_rtp(&mut self, track: usize, bytes: Bytes, now: Instant) {
        let Some(of) = self.tracks.get_mut(track) else { return };
        let packet = match RtpPacket::parse(&bytes) {
            Ok(packet) if packet.payload_type == of.known.payload_type => packet,
            // Also what is sent to open a way through a firewall.
            _ => return self.counts.refused += 1,
        };
        let mut out = Vec::new();
        let another = of.sources.handle(&packet, bytes.clone(), now, &mut out);
        if another {
            tracing::info!(track, ssrc = packet.ssrc, "another source sends");
            of.depacketizer = depacketizer(&of.known);
            of.order.restart();
            self.line.restart(track);
        }
        if !out.is_empty() {
            self.last = Some(now);
            self.first.get_or_insert(now);
            self.report_at.get_or_insert(now + REPORT_EVERY);
        }
        self.depacketize(track, &out, now);
    }

    /// The same of RTCP.
    pub fn handle_rtcp(&mut self, track: usize, bytes: &[u8], now: Instant) {
        let Some(of) = self.tracks.get_mut(track) else { return };
        for packet in parse_compound(bytes).flatten() {
            match packet {
                Packet::SenderReport { report, .. } if of.sources.handle_report(&report, now) => {
                    self.line.report(track, &report, now);
                }
                Packet::Bye { ssrcs } => ssrcs.into_iter().for_each(|ssrc| of.sources.handle_bye(ssrc)),
                _ => {}
            }
        }
    }

    /// What was waited for has not come, or reports are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for track in 0..self.tracks.len() {
            let mut out = Vec::new();
            self.tracks[track].sources.release(now, &mut out);
            self.depacketize(track, &out, now);
        }
        if self.report_at.is_some_and(|at| now >= at) {
            self.report_at = Some(now + REPORT_EVERY);
            for (number, track) in self.tracks.iter_mut().enumerate() {
                let mut report = Vec::new();
                if let Some(block) = track.sources.report_block(now)
                    && write_receiver_report(&mut report, self.ssrc, &[block], &self.cname).is_ok()
                {
                    self.reports.push_back((number, report));
                }
            }
        }
    }

    /// When [`RtpFeed::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tracks.iter().filter_map(|track| track.sources.due()).chain(self.report_at).min()
    }

    /// A receiver report, and of which track.
    pub fn poll_report(&mut self) -> Option<(usize, Vec<u8>)> {
        self.reports.pop_front()
    }

    /// The tracks for the channel, as soon as all of them are known, or some and the others stay unknown.
    pub fn described(&mut self, now: Instant) -> Option<Vec<TrackDescription>> {
        let complete = |track: &Track| track.known.description.format.is_complete();
        if self.places.is_none() {
            let waited = self.first.is_some_and(|first| now.saturating_duration_since(first) >= PATIENCE);
            let enough = self.tracks.iter().all(complete) || (waited && self.tracks.iter().any(complete));
            if !enough {
                return None;
            }
            let mut next = 0..;
            self.places = Some(self.tracks.iter().map(|t| complete(t).then(|| next.next()).flatten()).collect());
            for track in self.tracks.iter().filter(|track| !complete(track)) {
                tracing::warn!(
                    format = track.known.description.format.encoding_name(),
                    "left out: nothing is known of it"
                );
            }
        }
        let known = self.tracks.iter().zip(self.places.iter().flatten()).filter(|(_, place)| place.is_some());
        Some(known.map(|(track, _)| track.known.description.clone()).collect())
    }

    /// The next unit, of which described track; none before they are described.
    pub fn poll(&mut self) -> Option<(usize, LiveUnit)> {
        let places = self.places.as_ref()?;
        loop {
            let (track, unit) = self.ready.pop_front()?;
            self.waiting_bytes = self.waiting_bytes.saturating_sub(unit.data.len());
            if let Some(Some(place)) = places.get(track) {
                self.counts.units += 1;
                return Some((*place, unit));
            }
        }
    }

    /// When the last packet came that was taken.
    pub fn last_packet(&self) -> Option<Instant> {
        self.last
    }

    /// All that has sent has said goodbye, and nobody has followed for `patience`.
    pub fn has_left(&self, patience: Duration, now: Instant) -> bool {
        let mut sources = self.tracks.iter().filter_map(|track| track.sources.has_left());
        self.last.is_some_and(|last| now.saturating_duration_since(last) >= patience) && sources.all(|left| left)
    }

    /// What came so far.
    pub fn counts(&self) -> FeedCounts {
        let mut counts = self.counts;
        for track in &self.tracks {
            let (lost, late) = track.sources.missed();
            counts.lost += lost;
            counts.late += late;
            counts.refused += track.sources.foreign;
        }
        counts
    }

    fn depacketize(&mut self, track: usize, packets: &[Bytes], now: Instant) {
        for bytes in packets {
            let Some(of) = self.tracks.get_mut(track) else { return };
            let Ok(packet) = RtpPacket::parse(bytes) else { continue };
            self.counts.packets += 1;
            if let Err(error) = of.depacketizer.handle(&packet) {
                tracing::debug!(track, sequence = packet.sequence.0, %error, "a payload that is broken");
                self.counts.refused += 1;
            }
            while let Some(unit) = self.tracks.get_mut(track).and_then(|of| of.depacketizer.poll()) {
                self.unit(track, unit, now);
            }
        }
    }

    fn unit(&mut self, track: usize, unit: ReceivedUnit, now: Instant) {
        let Some(of) = self.tracks.get_mut(track) else { return };
        let format = &mut of.known.description.format;
        if unit.lost && format.media() == Media::Video {
            return self.counts.broken += 1;
        }
        if !format.is_complete() {
            format.learn(&unit.data);
            if format.is_complete() {
                of.order = DecodeOrder::new(format);
            }
        }
        let mut data = Vec::with_capacity(unit.data.len());
        if let Err(error) = format.store(&unit.data, unit.sync, &mut data) {
            tracing::debug!(track, %error, "a unit that is broken");
            return self.counts.broken += 1;
        }
        let Some(placed) = self.line.place(track, unit.timestamp, now) else { return };
        if placed.jumped {
            of.order.restart();
        }
        let dts = match format.media() {
            Media::Video => of.order.next(placed.count),
            Media::Audio | Media::Text => placed.count,
        };
        let (dts, pts) = (Ticks(dts + placed.offset), Ticks(placed.count + placed.offset));
        let unit = LiveUnit { data: data.into(), dts, pts, sync: unit.sync };
        self.waiting_bytes += unit.data.len();
        self.ready.push_back((track, unit));
        while self.waiting_bytes > MAX_WAITING {
            let Some((_, dropped)) = self.ready.pop_front() else { break };
            self.waiting_bytes -= dropped.data.len();
            self.counts.broken += 1;
        }
    }
}
