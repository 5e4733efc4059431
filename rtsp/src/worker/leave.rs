//! What leaves: trains, in batches over UDP and one by one over connections, and reports.

use super::{
    WorkerStatistics,
    run::Machine,
    viewer::{Viewer, Way, admit},
    viewers::Key,
};
use crate::{
    net::{
        outbox::Offer,
        udp::{Batch, MAX_SEGMENTED_BYTES, UdpPair},
    },
    playback::{
        Transmit,
        trains::{TrainId, Trains},
    },
    sdp,
};
use std::{sync::Arc, time::Instant};

/// A worker's way out.
pub(super) struct Exit {
    number: usize,
    pub(super) udp: UdpPair,
    pub(super) batch: Batch,
    pub(super) trains: Trains,
    /// Trains to put back once the batch has left.
    pub(super) sent: Vec<TrainId>,
    pub(super) report: Vec<u8>,
    pub(super) statistics: Arc<WorkerStatistics>,
}

impl Exit {
    pub(super) fn new(number: usize, udp: UdpPair, segmentation: bool, statistics: Arc<WorkerStatistics>) -> Self {
        let (batch, trains) = (Batch::new(segmentation), Trains::default());
        Self { number, udp, batch, trains, sent: Vec::new(), report: Vec::new(), statistics }
    }

    /// Sends the batch.
    pub(super) fn flush(&mut self) {
        if !self.batch.is_empty() {
            let done = self.batch.flush(&self.udp, &self.trains);
            let statistics = &self.statistics;
            WorkerStatistics::count(&statistics.sends, done.sends);
            WorkerStatistics::count(&statistics.segmented_sends, done.segmented);
            WorkerStatistics::count(&statistics.fallback_sends, done.fallbacks);
            WorkerStatistics::count(&statistics.send_calls, done.calls);
            WorkerStatistics::count(&statistics.send_errors, done.errors);
            if let Some(error) = self.batch.take_refusal() {
                tracing::warn!(worker = self.number, %error, "segmented send refused: packets go one by one");
            }
        }
        for train in self.sent.drain(..) {
            self.trains.give_back(train);
        }
    }
}

impl Machine {
    /// Sends what of a viewer's is due.
    pub(super) fn transmit(&mut self, key: Key, now: Instant) {
        loop {
            let Some(viewer) = self.viewers.get(key) else { return };
            let Viewer { playback, ways, .. } = viewer;
            let admit = |track: usize, sync, bytes| admit(&mut ways[track], sync, bytes);
            let Some(transmit) = playback.poll_transmit(now, &mut self.exit.trains, &mut self.scratch, admit) else {
                return;
            };
            let Transmit { track, train, packets, last } = transmit;
            // Just before its first packet: players then know the wall clock's time of the very first picture.
            self.report(key, now);
            let Some(viewer) = self.viewers.get(key) else { return };
            let run = self.exit.trains.get(train);
            let bytes = &run.bytes()[run.end(packets.start)..run.end(packets.end)];
            WorkerStatistics::count(&self.statistics.packets, packets.len() as u64);
            WorkerStatistics::count(&self.statistics.octets, bytes.len() as u64);
            match &viewer.ways[track] {
                Way::Udp(udp) => {
                    let mut from = packets.start;
                    while from < packets.end {
                        let most = self.exit.batch.max_segments().min(packets.end - from);
                        let Some(segments) = run.segments(from, most, MAX_SEGMENTED_BYTES) else { break };
                        from += segments.count;
                        self.exit.batch.push(train, segments, &udp.rtp);
                    }
                    if last {
                        self.exit.sent.push(train);
                    }
                    if self.exit.batch.is_full() {
                        self.flush();
                    }
                }
                Way::Interleaved { outbox, .. } => {
                    WorkerStatistics::count(&self.statistics.writes, 1);
                    let before = outbox.accepted();
                    let accepted = outbox.try_train(bytes, now) == Offer::Accepted;
                    if accepted && outbox.accepted() > before {
                        viewer.is_alive(now);
                    }
                    if last {
                        self.exit.trains.give_back(train);
                    }
                }
            }
        }
    }

    /// Sends the reports that are due.
    pub(super) fn report(&mut self, key: Key, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        while let Some(track) = viewer.playback.poll_report(now, &self.options.cname, &mut self.exit.report) {
            if viewer.send_report(track, &self.exit.report, &self.exit.udp, now) {
                WorkerStatistics::count(&self.statistics.reports, 1);
            }
        }
    }

    /// Sends the batch.
    pub(super) fn flush(&mut self) {
        self.exit.flush();
    }

    /// An RTCP BYE for each track that has sent.
    pub(super) fn say_goodbye(&mut self, key: Key, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        // ffmpeg counts goodbyes, and expects one of the retransmissions, too.
        let more = viewer.ways.len().checked_sub(1).filter(|_| sdp::has_asf(viewer.playback.index()));
        for track in (0..viewer.ways.len()).chain(more) {
            if viewer.playback.bye(track, now, &self.options.cname, &mut self.exit.report)
                && viewer.send_report(track, &self.exit.report, &self.exit.udp, now)
            {
                WorkerStatistics::count(&self.statistics.reports, 1);
            }
        }
    }
}
