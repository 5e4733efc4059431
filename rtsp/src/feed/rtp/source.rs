//! Which of the sources that send to a track is believed.

use super::reorder::Reorder;
use bytes::Bytes;
use rtp::{
    clock::ClockRate,
    packet::RtpPacket,
    receiver::Receiver,
    rtcp::{ReportBlock, SenderReport},
    seq::Sequence,
};
use std::time::{Duration, Instant};

/// Packets kept of a source that is not believed yet, so that its first ones are not lost.
const MAX_PROBATION: usize = 16;

/// A source that is silent for so long, or has said goodbye, may be followed by another; before, another's packets are an
/// intruder's or a mistake.
const SILENCE: Duration = Duration::from_millis(500);

/// Packets of one track as they come, one source at a time.
#[derive(Debug)]
pub(super) struct Sources {
    clock: ClockRate,
    current: Option<Source>,
    next: Option<Candidate>,
    reorder: Reorder,
    /// Dropped: of sources that are not believed, or far from all numbers.
    pub(super) foreign: u64,
}

#[derive(Debug)]
struct Source {
    receiver: Receiver,
    ssrc: u32,
    last: Instant,
    gone: bool,
}

#[derive(Debug)]
struct Candidate {
    source: Source,
    packets: Vec<(Sequence, Bytes)>,
}

impl Sources {
    pub(super) fn new(clock: ClockRate, ordered: bool) -> Self {
        Self { clock, current: None, next: None, reorder: Reorder::new(ordered), foreign: 0 }
    }

    /// Takes a packet, and gives those that are next; true: they are of another source than all before.
    pub(super) fn handle(&mut self, packet: &RtpPacket<'_>, bytes: Bytes, now: Instant, out: &mut Vec<Bytes>) -> bool {
        if let Some(current) = self.current.as_mut().filter(|current| current.ssrc == packet.ssrc) {
            current.last = now;
            match current.receiver.handle_packet(packet, now) {
                true => self.reorder.push(packet.sequence, bytes, now, out),
                false => self.foreign += 1,
            }
            return false;
        }
        let is_silent = |last: Instant| now.saturating_duration_since(last) >= SILENCE;
        let free = self.current.as_ref().is_none_or(|current| current.gone || is_silent(current.last));
        let other = self.next.as_ref().is_none_or(|next| next.source.ssrc != packet.ssrc);
        if other {
            // One that sends must not be displaced by each that follows.
            if self.next.as_ref().is_some_and(|next| !is_silent(next.source.last)) {
                self.foreign += 1;
                return false;
            }
            self.drop_next();
            let receiver = Receiver::new(packet.ssrc, self.clock);
            let source = Source { receiver, ssrc: packet.ssrc, last: now, gone: false };
            self.next = Some(Candidate { source, packets: Vec::new() });
        }
        let Some(next) = &mut self.next else { return false };
        next.source.last = now;
        let believed = next.source.receiver.handle_packet(packet, now);
        if next.packets.len() >= MAX_PROBATION {
            next.packets.remove(0);
            self.foreign += 1;
        }
        next.packets.push((packet.sequence, bytes));
        if !believed || !free {
            return false;
        }
        let Some(Candidate { source, mut packets }) = self.next.take() else { return false };
        // What lies far from the number that made it believed is not of its run.
        let near = |sequence: Sequence| i32::from(sequence.distance(packet.sequence)).abs() <= MAX_PROBATION as i32;
        self.foreign += packets.iter().filter(|(sequence, _)| !near(*sequence)).count() as u64;
        packets.retain(|(sequence, _)| near(*sequence));
        packets.sort_by_key(|(sequence, _)| sequence.distance(packet.sequence));
        self.reorder.flush(out);
        let first = self.current.replace(source).is_none();
        for (sequence, bytes) in packets {
            self.reorder.push(sequence, bytes, now, out);
        }
        !first
    }

    /// Those that have waited for long enough.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        self.reorder.release(now, out);
    }

    /// When [`Sources::release`] will have something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.reorder.due()
    }

    /// A sender report came; true if it is of the source that is believed, or may be.
    pub(super) fn handle_report(&mut self, report: &SenderReport, now: Instant) -> bool {
        match &mut self.current {
            Some(current) => current.receiver.handle_sender_report(report, now),
            None => return true,
        }
        self.current.as_ref().is_some_and(|current| current.ssrc == report.ssrc)
    }

    /// A source says that it leaves.
    pub(super) fn handle_bye(&mut self, ssrc: u32) {
        if let Some(current) = self.current.as_mut().filter(|current| current.ssrc == ssrc) {
            current.gone = true;
        }
    }

    /// Whether the source that is believed has said that it leaves; `None`: there has never been one.
    pub(super) fn has_left(&self) -> Option<bool> {
        self.current.as_ref().map(|current| current.gone)
    }

    /// What is to be reported of the source.
    pub(super) fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        self.current.as_mut()?.receiver.report_block(now)
    }

    /// Packets lost, and those that came too late or twice.
    pub(super) fn missed(&self) -> (u64, u64) {
        (self.reorder.lost, self.reorder.late)
    }

    fn drop_next(&mut self) {
        if let Some(next) = self.next.take() {
            self.foreign += next.packets.len() as u64;
        }
    }
}
