//! Sender reports and goodbyes (RFC 3550 section 6).

use super::{Playback, State, range::NANOSECONDS, track::TrackPlay};
use crate::worker::TrackInfo;
use rtp::{clock::Ticks, rtcp, sender::Sender};
use std::time::Instant;

impl Playback {
    /// Writes the next sender report that is due to `out`, which is emptied; answers whose it is, by the order of the
    /// set-up tracks.
    pub fn poll_report(&mut self, now: Instant, cname: &str, out: &mut Vec<u8>) -> Option<usize> {
        if self.state != State::Playing {
            return None;
        }
        let due = |at: &usize| self.tracks[*at].sender.next_report().is_some_and(|due| due <= now);
        let at = (0..self.tracks.len()).find(|at| !self.tracks[*at].fresh && due(at))?;
        out.clear();
        let written = rtcp::write_sender_report(out, &self.report(at, now), cname);
        self.tracks[at].sender.report_sent(now);
        // It fails for a CNAME beyond 255 bytes only, and then every time.
        written.is_ok().then_some(at)
    }

    /// Writes a goodbye for a track to `out`, which is emptied. False when it has sent nothing, and so has nothing to
    /// end (RFC 3550 section 6.3.7).
    pub fn bye(&mut self, at: usize, now: Instant, cname: &str, out: &mut Vec<u8>) -> bool {
        out.clear();
        let source = self.tracks.get(at).map(|track| track.source);
        let sent = self.tracks.iter().any(|track| Some(track.source) == source && track.reached().is_some());
        sent && rtcp::write_bye(out, &self.report(at, now), cname).is_ok()
    }

    /// What each source has sent and heard, once a source.
    pub fn senders(&self) -> impl Iterator<Item = &Sender> {
        self.tracks.iter().enumerate().filter(|(at, track)| track.source == *at).map(|(_, track)| &track.sender)
    }

    /// For each track the next packet's sequence number and the timestamp of where it stands.
    pub fn infos(&self, now: Instant) -> Vec<TrackInfo> {
        let position = self.position(now);
        let info = |track: &TrackPlay| TrackInfo {
            track: track.number,
            sequence: self.tracks[track.source].packetizer.next_sequence(),
            timestamp: track.timestamp(track.clock.ticks(position)),
        };
        self.tracks.iter().map(info).collect()
    }

    /// Takes a report block about the source `ssrc`; false when that is none of this viewer's.
    pub fn handle_report_block(&mut self, block: &rtcp::ReportBlock, now: Instant) -> bool {
        match self.tracks.iter_mut().find(|track| track.setup.ssrc == block.ssrc) {
            Some(track) => {
                track.sender.handle_receiver_report(block, now);
                true
            }
            None => false,
        }
    }

    pub(super) fn next_report(&self) -> Option<Instant> {
        self.tracks.iter().filter(|track| !track.fresh).filter_map(|track| track.sender.next_report()).min()
    }

    fn report(&mut self, at: usize, now: Instant) -> rtcp::SenderReport {
        let source = self.tracks[at].source;
        let track = &mut self.tracks[source];
        // The line of the wall clock does not stop in a stall: what is sent late is late.
        let went = now.saturating_duration_since(self.went);
        let position = self.began.plus(self.rate.sent(went));
        // At another speed the line does not run with the wall clock: the pair is good for now.
        let ahead = Ticks(position.0.saturating_sub(self.began.plus(went).0).saturating_neg());
        let (ntp, timestamp) = track.report_times(position, self.wall_zero.plus(ahead, NANOSECONDS));
        track.sender.report(ntp, timestamp)
    }
}
