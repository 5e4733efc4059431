//! What leaves when: groups of access units, laid down as trains, spread over their time.

use super::{
    Playback, PlaybackEvent, Stall, State,
    track::Rest,
    trains::{TrainId, Trains},
};
use catalog::sample::Sample;
use rtp::{
    access_unit::AccessUnit,
    clock::{RtpTimestamp, Ticks},
    format::Format,
    mp2t::Unit,
    train::{Framing, Train},
};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// Access units that are laid down together at most, whatever their time: bounds what one call does.
const MAX_GROUP: usize = 16;

/// VLC shows nothing before it holds a second, which it measures in steps of a quarter: a shorter film it shows when it
/// has waited for more in vain.
const BUFFERED: Duration = Duration::from_secs(2);
/// It then waits ten seconds.
const GIVEN_UP: Duration = Duration::from_secs(12);
/// What it holds is shown a second and a quarter after it came.
const SHOWN: Duration = Duration::from_millis(2_500);

/// Later than this after it was due, a track's trains keep no greater distance than its own rate leaves them.
const FAR_BEHIND: Duration = Duration::from_millis(200);

/// Bytes that come this late are not caught up with: all that follows is as much later. Less is caught up with at once.
pub(super) const CATCH_UP: Duration = Duration::from_millis(40);

/// RTP header, and `$` frame header where there is one.
const RTP_HEADER: usize = 12;
const FRAME_HEADER: usize = 4;

/// Packets of one train that are to leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Whose, by the order of the set-up tracks.
    pub track: usize,
    /// Where they lie.
    pub train: TrainId,
    /// Which of its packets.
    pub packets: Range<usize>,
    /// The train is not needed any more once they have left: give it back.
    pub last: bool,
}

/// Whether a group of access units may be sent: where a connection takes no more, it is better left out whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Yes,
    /// Leave it out.
    No,
}

/// Memory for access units that lie over a border of stripe units.
#[derive(Debug, Default)]
pub struct Scratch {
    buffers: [Vec<u8>; MAX_GROUP],
}

/// Access units of one track that are laid down together.
struct Group {
    samples: [Sample; MAX_GROUP],
    count: usize,
    bytes: usize,
    /// From the first one's decoding to the end of the last.
    span: Ticks,
}

impl Playback {
    /// The next packets that are due. `admit(track, sync, bytes)` is asked before a group of units is begun.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        trains: &mut Trains,
        scratch: &mut Scratch,
        mut admit: impl FnMut(usize, bool, usize) -> Admission,
    ) -> Option<Transmit> {
        loop {
            for at in 0..self.tracks.len() {
                if self.tracks[at].rest.is_some_and(|rest| rest.due <= now) {
                    return self.emit(at, now, trains);
                }
            }
            if self.state != State::Playing {
                return None;
            }
            if now >= self.refill_at {
                self.refill(now);
            }
            if let Some(stall) = self.stall
                && !self.end_stall(stall, now)
            {
                return None;
            }
            let waiting = self.tracks.iter().enumerate().filter(|(_, track)| !track.done && !self.is_busy(track));
            let Some((at, due)) = waiting.map(|(at, track)| (at, track.due)).min_by_key(|(_, due)| *due) else {
                self.end(now);
                return None;
            };
            if due > now && !self.goes_along(at, due, now) {
                return None;
            }
            self.begin(at, now, trains, scratch, &mut admit);
        }
    }

    /// All tracks are done: is the time over, too?
    fn end(&mut self, now: Instant) {
        if !self.is_waiting() && self.is_drained() && self.tracks.iter().all(|track| track.done) && now >= self.over() {
            let presentation = self.ends_presentation();
            self.start = self.end;
            self.halted = Some(self.due(self.finish).min(now));
            self.state = if presentation { State::Rewound } else { State::Paused };
            self.release();
            self.event = Some(PlaybackEvent::Ended { presentation });
        }
    }

    /// Whether the range goes to where the presentation is over.
    fn ends_presentation(&self) -> bool {
        match self.rate.is_backward() {
            true => self.end <= rtp::clock::MediaTime::ZERO,
            false => self.end >= self.index.duration,
        }
    }

    /// When the end is told, once all has left.
    pub(super) fn over(&self) -> Instant {
        let last = self.due(self.finish);
        let datagrams = || self.tracks.iter().any(|track| track.setup.framing == Framing::Datagram);
        let wait = match self.options.live555 {
            _ if !self.ends_presentation() => Duration::ZERO,
            true if last.saturating_duration_since(self.went) < BUFFERED => GIVEN_UP,
            true => SHOWN,
            false if datagrams() => self.options.goodbye,
            false => Duration::ZERO,
        };
        last + wait
    }

    /// Looks whether the bytes that were missing are here now, and goes on from now. False while it must wait.
    fn end_stall(&mut self, stall: Stall, now: Instant) -> bool {
        let track = &self.tracks[stall.track];
        let Some(sample) = self.index.tracks[track.number].samples.get(track.cursor) else {
            self.stall = None;
            return true;
        };
        let range = sample.offset..sample.offset + u64::from(sample.size);
        if self.has(range.clone()) {
            self.stall = None;
            let late = now.saturating_duration_since(stall.since);
            let first = self.tracks.iter().all(|track| track.fresh);
            if late > CATCH_UP || first {
                self.origin += late;
                self.schedule();
            }
            return true;
        }
        if let Some(reason) = self.lost(range.clone()) {
            self.fail(reason);
        } else if now >= stall.since + self.options.max_stall {
            let units = self.reader.layout().units_of(range);
            let (object, waited) = (self.reader.layout().object, self.options.max_stall);
            self.fail(format!("unit {} of object {object}: not here {waited:?} after it was due", units.start));
        }
        false
    }

    /// Lays the group at a track's cursor down, if its bytes are here and it is admitted.
    fn begin(
        &mut self,
        at: usize,
        now: Instant,
        trains: &mut Trains,
        scratch: &mut Scratch,
        admit: &mut impl FnMut(usize, bool, usize) -> Admission,
    ) {
        let Some(group) = self.group(at) else {
            self.tracks[at].done = true;
            return;
        };
        let first = group.samples[0];
        if admit(at, first.sync, group.bytes) != Admission::Yes {
            self.counts.dropped_units += group.count as u64;
            self.advance(at, &group, false);
            return;
        }
        if !self.has(first.offset..first.offset + u64::from(first.size)) {
            self.stall = Some(Stall { track: at, since: self.tracks[at].due });
            // The first bytes of a range are waited for by everybody.
            self.counts.stalls += u64::from(self.tracks.iter().any(|track| !track.fresh));
            return;
        }
        let train = trains.take(self.tracks[at].setup.framing);
        if let Err(reason) = self.lay_down(at, &group, trains, train, scratch) {
            trains.give_back(train);
            let number = self.tracks[at].number;
            self.fail(format!("track {number}, sample {}: {reason}", self.tracks[at].cursor));
            return;
        }
        if trains.get(train).is_empty() {
            trains.give_back(train);
        } else {
            let size = self.pace(at, &group, train, trains.get(train), now);
            if self.options.padding {
                trains.get_mut(train).fill_up(size);
            }
        }
        self.advance(at, &group, true);
    }

    /// The access units that leave together, from a track's cursor on. Only the first one's bytes may be missing.
    fn group(&self, at: usize) -> Option<Group> {
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
        let max_bytes = if track.one_packet {
            self.options.max_packet.saturating_sub(RTP_HEADER + FRAME_HEADER)
        } else {
            usize::MAX
        };
        while group.count < MAX_GROUP {
            let number = track.cursor + group.count;
            let Some(sample) = samples.get(number) else { break };
            let span = Ticks(sample.dts.0 + samples.duration(number).unwrap_or_default().0 - first.dts.0);
            // Four bytes each are more than any payload format's header for a unit.
            let bytes = group.bytes + sample.size as usize;
            let over = span > track.group || bytes.saturating_add(4 * (group.count + 1)) > max_bytes;
            let outside = track.skips(&sample) || end.is_some_and(|end| sample.pts >= end);
            if over || outside || !self.has(sample.offset..sample.offset + u64::from(sample.size)) {
                break;
            }
            group.samples[group.count] = sample;
            group.count += 1;
            group.bytes = bytes;
            group.span = span;
        }
        Some(group)
    }

    fn lay_down(
        &mut self,
        at: usize,
        group: &Group,
        trains: &mut Trains,
        train: TrainId,
        scratch: &mut Scratch,
    ) -> Result<(), String> {
        let (source, sparse) = (self.tracks[at].source, self.is_sparse());
        let sequence = self.tracks[source].packetizer.next_sequence();
        let track = &mut self.tracks[at];
        track.packetizer.go_on_from(sequence);
        let train = trains.get_mut(train);
        let nothing = AccessUnit { data: &[], timestamp: RtpTimestamp(0), sync: false };
        let mut units = [nothing; MAX_GROUP];
        let samples = &group.samples[..group.count];
        for ((unit, sample), buffer) in units.iter_mut().zip(samples).zip(&mut scratch.buffers) {
            let range = sample.offset..sample.offset + u64::from(sample.size);
            let data = match sparse {
                true => self.scattered.read(range, buffer),
                false => self.reader.read(range, buffer),
            };
            let data = data.ok_or("its bytes have gone")?;
            *unit = AccessUnit { data, timestamp: track.timestamp(sample.pts), sync: sample.sync };
        }
        let units = &units[..group.count];
        if let Format::Mp2t { program } = &self.index.tracks[track.number].format {
            let streams = program.order.get(track.cursor..).unwrap_or_default();
            let streams = streams.iter().map(|stream| usize::from(*stream));
            let mut parts =
                [Unit { stream: 0, data: &[], decode: RtpTimestamp(0), timestamp: RtpTimestamp(0), sync: false };
                    MAX_GROUP];
            for (part, ((unit, sample), stream)) in parts.iter_mut().zip(units.iter().zip(samples).zip(streams)) {
                let AccessUnit { data, timestamp, sync } = *unit;
                *part = Unit { stream, data, decode: track.timestamp(sample.dts), timestamp, sync };
            }
            let end = Ticks(group.samples[0].dts.0 + group.span.0);
            let parts = &parts[..group.count];
            return track.packetizer.multiplex(parts, track.timestamp(end), train).map_err(|error| error.to_string());
        }
        // Where units can't share packets each is laid down by itself.
        let step = if track.bundled { group.count } else { 1 };
        for units in units.chunks(step) {
            track.packetizer.packetize(units, train).map_err(|error| error.to_string())?;
        }
        let sequence = track.packetizer.next_sequence();
        self.tracks[source].packetizer.go_on_from(sequence);
        Ok(())
    }

    /// Decides when the packets of a group leave: in trains over the time that the group takes, or what is left of it
    /// when it is late. However late, two full trains keep their distance: what was due in a pause of the thread would
    /// otherwise leave as one burst that a home's last mile drops. Answers how many packets leave at once.
    fn pace(&mut self, at: usize, group: &Group, train: TrainId, packets: &Train, now: Instant) -> usize {
        let (most, count) = (self.options.train_packets.max(1), packets.len());
        let track = &mut self.tracks[at];
        let shared = track.one_packet && group.count > 1;
        if shared && let Some((size, step)) = track.holes(packets) {
            track.rest = Some(Rest { train, next: 0, end: count, size, due: now, step });
            return size;
        }
        let trains = count.div_ceil(most);
        let size = count.div_ceil(trains);
        let trains = u32::try_from(trains).unwrap_or(u32::MAX);
        let span = self.rate.real(track.clock.time(group.span).since(rtp::clock::MediaTime::ZERO));
        let late = now.saturating_duration_since(track.due);
        // A film that needs more than the distance allows would fall behind for ever.
        let gap = match self.options.train_gap {
            gap if late > FAR_BEHIND => gap.min(span / trains * 3 / 4),
            gap => gap,
        };
        let step = (span.saturating_sub(late) / trains).max(gap);
        let due = match track.last_train {
            Some((last, packets)) if packets + size > most => now.max(last + gap),
            _ => now,
        };
        track.rest = Some(Rest { train, next: 0, end: count, size, due, step });
        size
    }

    /// Moves the cursor past a group.
    fn advance(&mut self, at: usize, group: &Group, sent: bool) {
        let first = self.order(&self.tracks[at], &group.samples[0]);
        let track = &mut self.tracks[at];
        let samples = &self.index.tracks[track.number].samples;
        if sent {
            for (index, sample) in group.samples[..group.count].iter().enumerate() {
                let one = samples.duration(track.cursor + index).unwrap_or_default();
                track.sent(sample, if group.count == 1 { group.span } else { one });
            }
        }
        let progress = first.since(self.decode_start).max(self.decode_start.since(first));
        let over = self.decode_start.plus(progress + track.clock.time(group.span).since(rtp::clock::MediaTime::ZERO));
        track.cursor = match track.is_sparse(self.rate) {
            true => track.next(self.rate, samples, track.cursor).0.unwrap_or(samples.len()),
            false => track.cursor + group.count,
        };
        self.finish = self.finish.max(over);
        self.settle(at);
        if let Some(decode) = self.decode_time(&self.tracks[at]) {
            self.tracks[at].due = self.due(decode);
        }
    }

    /// Gives out the next packets of what is laid down.
    fn emit(&mut self, at: usize, now: Instant, trains: &Trains) -> Option<Transmit> {
        let playing = self.state == State::Playing;
        let track = &mut self.tracks[at];
        let mut rest = track.rest.take()?;
        let packets = rest.next..(rest.next + rest.size).min(rest.end);
        rest.next = packets.end;
        rest.due = now + rest.step;
        let last = rest.next == rest.end;
        if !last {
            track.rest = Some(rest);
        }
        let train = trains.get(rest.train);
        let header = match track.setup.framing {
            Framing::Datagram => RTP_HEADER,
            Framing::Interleaved { .. } => {
                self.written = Some((at, now));
                RTP_HEADER + FRAME_HEADER
            }
        };
        let octets = train.end(packets.end) - train.end(packets.start) - packets.len() * header;
        let octets = octets - train.padding(packets.clone());
        let near = track.last_train.filter(|(last, _)| now.saturating_duration_since(*last) < self.options.train_gap);
        track.last_train = Some((now, packets.len() + near.map_or(0, |(_, packets)| packets)));
        // Tracks that are one source have one report.
        let source = track.source;
        let fresh = playing && self.tracks[source].fresh;
        self.tracks[source].sender.sent(packets.len() as u32, octets as u64);
        if fresh {
            self.tracks[source].sender.start(now);
        }
        if playing {
            self.tracks[source].fresh = false;
            self.tracks[at].fresh = false;
        }
        Some(Transmit { track: at, train: rest.train, packets, last })
    }
}
