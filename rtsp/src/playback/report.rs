//! Sender reports and goodbyes (RFC 3550 section 6).

use super::{Playback, State, TrackInfo, range::NANOSECONDS, track::TrackPlay, trains::Trains};
use rtp::{clock::Ticks, rtcp, sender::Sender};
use std::time::Instant;

impl Playback {
    /// Writes the next sender report that is due to `out`, which is emptied; answers whose it is, by the order of the
    /// set-up tracks.
    pub fn poll_report(&mut self, now: Instant, cname: &str, out: &mut Vec<u8>) -> Option<usize> {
        // Asked with every train, and nearly always in vain.
        if self.state != State::Playing || self.next_report().is_none_or(|due| now < due) {
            return None;
        }
        let at = self.tracks.iter_mut().position(|track| !track.fresh && track.sender.report_expires(now));
        let at = at.filter(|_| !self.trip())?;
        out.clear();
        let written = rtcp::write_sender_report(out, &self.report(at, now), cname);
        self.tracks[at].sender.report_sent(out.len(), now);
        // It fails for a CNAME beyond 255 bytes only, and then every time.
        written.is_ok().then_some(at)
    }

    /// Writes a report on a track of what is [appointed](Playback::appoint) to `out`, which is emptied. False for a track
    /// whose source another one's report is on.
    pub fn report_early(&mut self, at: usize, now: Instant, cname: &str, out: &mut Vec<u8>) -> bool {
        out.clear();
        let own = self.appointed.is_some() && self.tracks.get(at).is_some_and(|track| track.source == at);
        own && rtcp::write_sender_report(out, &self.report(at, now), cname).is_ok()
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
                self.trip();
                true
            }
            None => false,
        }
    }

    /// A compound of so many bytes came from the viewer, by which it stays or leaves.
    pub fn heard(&mut self, bytes: usize, stays: bool, now: Instant) {
        for track in &mut self.tracks {
            track.sender.heard(bytes, stays, now);
        }
    }

    /// The source `old` is called `new` from the next packet on, since somebody else has its name (RFC 3550 section 8.2).
    /// Say [`Playback::bye`] before.
    pub fn rename(&mut self, old: u32, new: u32, trains: &mut Trains, now: Instant) {
        let playing = self.state == State::Playing;
        for track in self.tracks.iter_mut().filter(|track| track.setup.ssrc == old) {
            track.setup.ssrc = new;
            track.packetizer.rename(new);
            track.sender.rename(new, now);
            track.fresh = playing;
            if let Some(rest) = &track.rest {
                trains.get_mut(rest.train).rename(rest.next, new);
            }
        }
    }

    /// Ends the playing where the network can't bear it (RFC 8083); true then.
    fn trip(&mut self) -> bool {
        let tripped = self.tracks.iter_mut().find_map(|track| track.sender.take_tripped());
        if let Some(tripped) = tripped {
            self.fail(format!("circuit breaker (RFC 8083): {tripped}"));
        }
        tripped.is_some()
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
