//! What is said of a viewer: where it stands, what was sent, where its reports come from.

use super::{Lane, Stood, TrackInfo, ViewerEvent, ViewerStatistics, Watcher, Way};
use crate::channel::Live;
use rtp::clock::{MediaTime, RtpTimestamp};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Signs of life are passed on at most this often: sessions live for a minute.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

impl Watcher {
    /// Where its reports come from.
    pub(in crate::worker::live) fn rtcp_from(&self) -> impl Iterator<Item = SocketAddr> {
        self.lanes.iter().flatten().filter_map(|lane| match &lane.way {
            Way::Udp(way) => Some(way.rtcp_from),
            Way::Interleaved { .. } => None,
        })
    }

    /// Each track's next sequence number, with the timestamp of `at`.
    pub(in crate::worker::live) fn infos(&self, live: &Live, at: MediaTime) -> Vec<TrackInfo> {
        let info = |(track, lane): (usize, &Option<Lane>)| {
            let timestamp = match live.timestamp(track, at) {
                // ffmpeg takes zero for unknown; one tick later is as right.
                RtpTimestamp(0) => RtpTimestamp(1),
                timestamp => timestamp,
            };
            Some(TrackInfo { track, sequence: lane.as_ref()?.next_sequence, timestamp })
        };
        self.lanes.iter().enumerate().filter_map(info).collect()
    }

    /// What was sent and what the viewer's reports say.
    pub(in crate::worker::live) fn statistics(&self, live: &Live, now: Instant) -> ViewerStatistics {
        let position = live.position(now);
        let mut all = ViewerStatistics { position, info: self.infos(live, position), ..ViewerStatistics::default() };
        self.lanes.iter().flatten().for_each(|lane| all.add(&lane.sender));
        all
    }

    /// Where each of the channel's tracks stands.
    pub(in crate::worker::live) fn stood(&self, live: &Live) -> Vec<Option<Stood>> {
        let of = |(lane, zero): (&Option<Lane>, RtpTimestamp)| {
            let Lane { next_sequence, sent_to, .. } = lane.as_ref()?;
            Some(Stood { next_sequence: *next_sequence, sent_to: *sent_to, zero })
        };
        self.lanes.iter().zip(live.sources.iter().map(|source| source.start)).map(of).collect()
    }

    /// Passes a sign of life on, now and then.
    pub(in crate::worker::live) fn is_alive(&mut self, now: Instant) {
        if self.alive.is_none_or(|last| now.saturating_duration_since(last) >= ALIVE_EVERY) {
            self.alive = Some(now);
            self.tell(ViewerEvent::Alive);
        }
    }

    pub(in crate::worker::live) fn tell(&self, event: ViewerEvent) {
        // A session that is gone needs no news; it removes its viewer.
        let _ = self.events.send(event);
    }
}
