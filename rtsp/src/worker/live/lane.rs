//! One track on its way to one viewer of a channel.

use super::{
    super::{WorkerStatistics, leave::Exit, viewer::Way},
    chunk::Chunk,
};
use crate::{
    channel::Live,
    net::outbox::{Offer, Outbox},
};
use rtp::{clock::Ticks, rtcp, sender::Sender};
use std::time::Instant;

/// One track on its way to one viewer.
pub(super) struct Lane {
    pub(super) way: Way,
    pub(super) sender: Sender,
    /// Nothing has left yet since PLAY.
    pub(super) fresh: bool,
    pub(super) next_sequence: u16,
    /// Where it stood before this PLAY, if something had been sent: numbers and times never go back.
    pub(super) stood: Option<u16>,
    /// When the last unit of which all has left is decoded.
    pub(super) sent_to: Option<Ticks>,
}

impl Lane {
    /// Just before its first packet: players then know the wall clock's time of the very first picture.
    pub(super) fn begin(&mut self, track: usize, live: &Live, cname: &str, exit: &mut Exit, now: Instant) {
        self.fresh = false;
        self.sender.start(now);
        self.report(track, live, cname, exit, now);
    }

    pub(super) fn report(&mut self, track: usize, live: &Live, cname: &str, exit: &mut Exit, now: Instant) {
        let (ntp, timestamp) = live.report_times(track, now);
        exit.report.clear();
        let written = rtcp::write_sender_report(&mut exit.report, &self.sender.report(ntp, timestamp), cname);
        self.sender.report_sent(exit.report.len(), now);
        if written.is_ok() {
            exit.send_report(&self.way, now);
        }
    }

    pub(super) fn say_goodbye(&mut self, track: usize, live: &Live, cname: &str, exit: &mut Exit, now: Instant) {
        let (ntp, timestamp) = live.report_times(track, now);
        exit.report.clear();
        let written = rtcp::write_bye(&mut exit.report, &self.sender.report(ntp, timestamp), cname);
        if written.is_ok() {
            exit.send_report(&self.way, now);
        }
    }

    pub(super) fn send_datagrams(&mut self, chunk: &Chunk<'_>, exit: &mut Exit) {
        let Way::Udp(way) = &self.way else { return };
        for segments in &chunk.segments {
            if exit.batch.is_full() {
                exit.flush();
            }
            exit.batch.push_burst(chunk.burst, *segments, &way.rtp);
        }
        self.sent(chunk, exit);
    }

    /// Over a connection that takes no more, whole bursts are left out, up to the next where decoding may begin.
    pub(super) fn send_frames(&mut self, chunk: &mut Chunk<'_>, exit: &mut Exit, now: Instant) {
        let Way::Interleaved { outbox, rtp_channel, thinning, .. } = &mut self.way else { return };
        if !admit(outbox, thinning, chunk.burst.is_sync(), chunk.bytes) {
            WorkerStatistics::count(&exit.statistics.dropped_units, chunk.burst.units.len() as u64);
            return;
        }
        WorkerStatistics::count(&exit.statistics.writes, 1);
        if outbox.try_train(chunk.frames(*rtp_channel), now) == Offer::Accepted {
            self.sent(chunk, exit);
        }
    }

    fn sent(&mut self, chunk: &Chunk<'_>, exit: &Exit) {
        let packets = chunk.packets.len();
        self.next_sequence = chunk.burst.first_sequence.wrapping_add(chunk.packets.end as u16);
        if chunk.packets.end == chunk.burst.train.len() {
            self.sent_to = chunk.burst.units.last().map(|unit| unit.dts);
        }
        self.sender.sent(packets as u32, chunk.octets);
        WorkerStatistics::count(&exit.statistics.packets, packets as u64);
        WorkerStatistics::count(&exit.statistics.octets, chunk.bytes as u64);
    }
}

/// Whether a connection takes a burst: one where decoding may begin may fill it to the brim, all others only to the half;
/// and once one was left out, so are all that need it.
fn admit(outbox: &Outbox, thinning: &mut bool, sync: bool, bytes: usize) -> bool {
    let room = outbox.room();
    // Frames' heads.
    let bytes = bytes + bytes / 64;
    let limit = if sync { room.limit } else { room.limit / 2 };
    let fits = room.is_empty() || room.waiting + bytes <= limit;
    let taken = fits && (sync || !*thinning);
    *thinning = !taken;
    taken
}
