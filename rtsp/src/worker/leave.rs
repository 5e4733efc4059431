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
use std::{io::IoSlice, ops::Range, sync::Arc, time::Instant};

/// Trains of a viewer that go into its connection by one write at most.
const MAX_RUNS: usize = 16;

/// Packets of a train on their way into a connection.
struct Run {
    track: usize,
    train: TrainId,
    bytes: Range<usize>,
    /// The train is not needed any more then.
    last: bool,
}

/// A worker's way out.
pub(super) struct Exit {
    number: usize,
    pub(super) udp: UdpPair,
    pub(super) batch: Batch,
    pub(super) trains: Trains,
    /// Trains to put back once the batch has left.
    pub(super) sent: Vec<TrainId>,
    /// What of the viewer that is served goes to connections.
    runs: Vec<Run>,
    pub(super) report: Vec<u8>,
    pub(super) statistics: Arc<WorkerStatistics>,
}

impl Exit {
    pub(super) fn new(number: usize, udp: UdpPair, segmentation: bool, statistics: Arc<WorkerStatistics>) -> Self {
        let (batch, trains) = (Batch::new(segmentation), Trains::default());
        Self { number, udp, batch, trains, sent: Vec::new(), runs: Vec::new(), report: Vec::new(), statistics }
    }

    /// Sends what is written in `report` to a track's viewer.
    pub(super) fn send_report(&self, way: &Way, now: Instant) {
        if way.send_report(&self.report, &self.udp, now) {
            WorkerStatistics::count(&self.statistics.reports, 1);
        }
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
                return self.write(key, now);
            };
            let Transmit { track, train, packets, last } = transmit;
            // Just before its first packet: players then know the wall clock's time of the very first picture.
            self.report(key, now);
            let Some(viewer) = self.viewers.get(key) else { return };
            let run = self.exit.trains.get(train);
            let start = run.end(packets.start);
            let length = run.end(packets.end) - start;
            WorkerStatistics::count(&self.statistics.packets, packets.len() as u64);
            WorkerStatistics::count(&self.statistics.octets, length as u64);
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
                Way::Interleaved { .. } => {
                    self.exit.runs.push(Run { track, train, bytes: start..start + length, last });
                    if self.exit.runs.len() == MAX_RUNS {
                        self.write(key, now);
                    }
                }
            }
        }
    }

    /// Gives what of a viewer's was taken for connections to them: what goes into one by one write.
    fn write(&mut self, key: Key, now: Instant) {
        let runs = std::mem::take(&mut self.exit.runs);
        if let Some(viewer) = self.viewers.get(key) {
            let outbox_of = |run: &Run| match &viewer.ways[run.track] {
                Way::Interleaved { outbox, .. } => Some(outbox),
                Way::Udp(_) => None,
            };
            let same = |one: &Run, next: &Run| match (outbox_of(one), outbox_of(next)) {
                (Some(one), Some(next)) => Arc::ptr_eq(one, next),
                _ => false,
            };
            let mut took = false;
            for together in runs.chunk_by(same) {
                let Some(outbox) = together.first().and_then(outbox_of) else { continue };
                let mut parts = [IoSlice::new(&[]); MAX_RUNS];
                for (part, run) in parts.iter_mut().zip(together) {
                    *part = IoSlice::new(&self.exit.trains.get(run.train).bytes()[run.bytes.clone()]);
                }
                WorkerStatistics::count(&self.statistics.writes, 1);
                let before = outbox.accepted();
                let accepted = outbox.try_trains(&parts[..together.len()], now) == Offer::Accepted;
                took |= accepted && outbox.accepted() > before;
            }
            if took {
                viewer.is_alive(now);
            }
        }
        self.exit.runs = runs;
        for run in self.exit.runs.drain(..).filter(|run| run.last) {
            self.exit.trains.give_back(run.train);
        }
    }

    /// Sends the reports that are due.
    pub(super) fn report(&mut self, key: Key, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        while let Some(track) = viewer.playback.poll_report(now, &self.options.cname, &mut self.exit.report) {
            self.exit.send_report(&viewer.ways[track], now);
        }
    }

    /// Sends the reports that must be there before PLAY's answer.
    pub(super) fn report_early(&mut self, key: Key, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        let tracks = if viewer.appoint(now) { viewer.ways.len() } else { 0 };
        for track in 0..tracks {
            if viewer.playback.report_early(track, now, &self.options.cname, &mut self.exit.report) {
                self.exit.send_report(&viewer.ways[track], now);
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
            if viewer.playback.bye(track, now, &self.options.cname, &mut self.exit.report) {
                self.exit.send_report(&viewer.ways[track], now);
            }
        }
    }
}
