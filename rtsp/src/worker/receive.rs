//! What comes from viewers: reports, and packets that open ways through firewalls.

use super::{ViewerEvent, ViewerId, WorkerStatistics, run::Machine, viewers::Key};
use crate::net::udp::MAX_RTCP;
use rtp::rtcp::{self, SenderReport};
use std::{net::SocketAddr, time::Instant};

/// Packets that are read at one go from each socket: a flood must not keep the others' packets from leaving.
const AT_ONCE: usize = 256;

impl Machine {
    /// Reads what has come on the sockets.
    pub(super) fn receive(&mut self, now: Instant) {
        let mut buffer = [0; MAX_RTCP];
        for _ in 0..AT_ONCE {
            let Some((length, from)) = self.exit.udp.receive_rtp(&mut buffer) else { break };
            let packet = &buffer[..length];
            match is_rtcp(packet) {
                true => self.received_rtcp(packet, from, now),
                false => WorkerStatistics::count(&self.statistics.punches, 1),
            }
        }
        for _ in 0..AT_ONCE {
            let Some((length, from)) = self.exit.udp.receive_rtcp(&mut buffer) else { break };
            self.received_rtcp(&buffer[..length], from, now);
        }
    }

    fn received_rtcp(&mut self, packet: &[u8], from: SocketAddr, now: Instant) {
        if !self.audience.take_report(from, packet, &self.exit, now)
            && let Some(key) = self.reporter(packet, from)
        {
            self.take_report(key, packet, now);
        }
    }

    /// An RTCP packet from an interleaved channel.
    pub(super) fn interleaved_rtcp(&mut self, viewer: ViewerId, _track: usize, packet: &[u8], now: Instant) {
        if let Some(key) = self.viewers.key(viewer) {
            self.take_report(key, packet, now);
        }
    }

    /// Who sent a packet: by its address, or, where that was rewritten on the way, by the source that it reports on
    /// if it at least comes from the same host. (The reporter's own SSRC proves nothing: players make it up.)
    fn reporter(&self, packet: &[u8], from: SocketAddr) -> Option<Key> {
        if let Some(key) = self.viewers.by_address(from) {
            return Some(key);
        }
        let sources = rtcp::parse_compound(packet).flat_map(|packet| match packet {
            Ok(rtcp::Packet::ReceiverReport { blocks, .. }) => blocks,
            _ => Vec::new(),
        });
        let mut keys = sources.filter_map(|block| self.viewers.by_source(block.ssrc));
        keys.find(|key| self.viewers.is_at(*key, from.ip()))
    }

    fn take_report(&mut self, key: Key, packet: &[u8], now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        let (mut valid, mut leaves) = (false, false);
        let (mut speakers, mut names) = (Vec::new(), Vec::new());
        for packet in rtcp::parse_compound(packet) {
            match packet {
                Ok(rtcp::Packet::SenderReport { report: SenderReport { ssrc, .. }, blocks })
                | Ok(rtcp::Packet::ReceiverReport { ssrc, blocks }) => {
                    valid = true;
                    speakers.push(ssrc);
                    for block in &blocks {
                        viewer.playback.handle_report_block(block, now);
                    }
                }
                // A receiver that leaves says so by RTSP too, or its session times out: it gives no sign of life.
                Ok(rtcp::Packet::Bye { .. }) => leaves = true,
                Ok(rtcp::Packet::Sdes { cnames }) => {
                    valid = true;
                    names.extend(cnames);
                }
                Ok(_) => valid = true,
                Err(error) => tracing::debug!(viewer = %viewer.id, %error, "a viewer's report"),
            }
        }
        if valid || leaves {
            viewer.playback.heard(packet.len(), !leaves, now);
        }
        if valid && !leaves {
            WorkerStatistics::count(&self.statistics.received_reports, 1);
            viewer.is_alive(now);
        }
        // What bears our own CNAME is a packet of ours that came back by a loop (8.2).
        speakers.retain(|ssrc| !names.iter().any(|(named, name)| named == ssrc && *name == self.options.cname));
        let ours = speakers.into_iter().find(|ssrc| viewer.playback.setups().any(|setup| setup.ssrc == *ssrc));
        if let Some(ssrc) = ours {
            self.collide(key, ssrc, now);
        }
        // What the reports say may end it.
        self.serve(key, now);
    }

    /// RFC 3550 section 8.2: a viewer has taken the name of one of the sources that it receives. The source says goodbye
    /// and goes on by another name.
    fn collide(&mut self, key: Key, ssrc: u32, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        if !viewer.may_rename(now) {
            return;
        }
        let new = std::iter::repeat_with(rand::random::<u32>).find(|new| self.viewers.by_source(*new).is_none());
        let Some(new) = new else { return };
        let Some(viewer) = self.viewers.get(key) else { return };
        tracing::info!(viewer = %viewer.id, "SSRC {ssrc:08x} is the viewer's, too: {new:08x} from now on");
        self.viewers.leave(key);
        let Some(viewer) = self.viewers.get(key) else { return };
        let track = viewer.playback.setups().position(|setup| setup.ssrc == ssrc);
        if let Some(track) = track
            && viewer.playback.bye(track, now, &self.options.cname, &mut self.exit.report)
        {
            viewer.ways[track].send_report(&self.exit.report, &self.exit.udp, now);
        }
        viewer.playback.rename(ssrc, new, &mut self.exit.trains, now);
        viewer.tell(ViewerEvent::Renamed { old: ssrc, new });
        self.viewers.enter(key);
    }
}

/// RFC 5761 section 4: by the types of RTCP packets, which RTP's marker and payload types here never look like.
fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [first, 192..=223, _, _, ..] if first >> 6 == 2)
}
