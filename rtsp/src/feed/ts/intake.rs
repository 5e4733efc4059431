//! Datagrams to tracks and units, without sockets.

use super::{TsAddress, reorder::Reorder};
use bytes::Bytes;
use catalog::feed::{FeedError, FeedEvent, PassedStream, TransportStream};
use rtp::packet::RtpPacket;
use std::time::Instant;

/// Bytes of a transport packet, and what each begins with (ISO 13818-1 2.4.3.2).
const PACKET_LEN: usize = 188;
const SYNC: u8 = 0x47;

/// A transport stream that comes in datagrams: give it those, and poll until nothing more comes.
#[derive(Debug)]
pub(super) struct TsFeed {
    rtp: bool,
    reorder: Reorder,
    stream: Stream,
    /// Every datagram so far was a whole number of packets: one that isn't is then somebody else's.
    aligned: bool,
    packets: u64,
    /// Datagrams that are none of the stream's.
    strange: u64,
}

/// What becomes of it.
#[derive(Debug)]
enum Stream {
    /// Tracks and access units.
    Apart(Box<TransportStream>),
    /// One track.
    Passed(Box<PassedStream>),
}

impl TsFeed {
    pub fn new(address: &TsAddress) -> Self {
        let stream = match address.passed {
            true => Stream::Passed(Box::default()),
            false => Stream::Apart(Box::new(TransportStream::new(address.program))),
        };
        let rtp = address.rtp;
        Self { rtp, reorder: Reorder::default(), stream, aligned: false, packets: 0, strange: 0 }
    }

    /// # Errors
    /// See [`TransportStream::handle_bytes`].
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) -> Result<(), FeedError> {
        if !self.rtp {
            return self.handle_payload(datagram, now);
        }
        let Ok(packet) = RtpPacket::parse(datagram) else {
            self.strange += 1;
            return Ok(());
        };
        let payload = Bytes::copy_from_slice(packet.payload);
        self.reorder.handle(packet.ssrc, packet.sequence, payload, now);
        while let Some(payload) = self.reorder.poll(now) {
            self.handle_payload(&payload, now)?;
        }
        Ok(())
    }

    /// Nothing has come for a while: gives out what only waited for its end.
    pub fn handle_silence(&mut self) {
        if let Stream::Apart(stream) = &mut self.stream {
            stream.handle_silence();
        }
    }

    pub fn poll(&mut self) -> Option<FeedEvent> {
        match &mut self.stream {
            Stream::Apart(stream) => stream.poll(),
            Stream::Passed(stream) => stream.poll(),
        }
    }

    /// Datagrams of the stream.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// RTP packets that did not come; without RTP, breaks in the packets' counters.
    pub fn lost(&self) -> u64 {
        match &self.stream {
            _ if self.rtp => self.reorder.lost(),
            Stream::Apart(stream) => stream.lost(),
            Stream::Passed(stream) => stream.lost(),
        }
    }

    fn handle_payload(&mut self, payload: &[u8], now: Instant) -> Result<(), FeedError> {
        let aligned = !payload.is_empty() && payload.chunks(PACKET_LEN).all(|packet| packet[0] == SYNC);
        let whole = payload.len().is_multiple_of(PACKET_LEN);
        if self.aligned && !(aligned && whole) {
            self.strange += 1;
            return Ok(());
        }
        self.aligned |= aligned && whole && self.packets == 0;
        self.packets += 1;
        match &mut self.stream {
            Stream::Apart(stream) => stream.handle_bytes(payload, now),
            Stream::Passed(stream) => {
                stream.handle_bytes(payload, now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u8, counter: u8) -> Vec<u8> {
        let mut packet = vec![SYNC, 0x01, pid, 0x10 | counter & 0xF];
        packet.resize(PACKET_LEN, 0xFF);
        packet
    }

    fn feed(scheme: &str) -> TsFeed {
        TsFeed::new(&format!("{scheme}://:5000").parse().unwrap())
    }

    fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        [&[0x80, 33, high, low, 0, 0, 0, 0, 1, 2, 3, 4][..], payload].concat()
    }

    #[test]
    fn datagrams_that_are_none_of_the_stream_are_dropped_and_counted() {
        let good = packet(0, 0).repeat(7);
        let (short, other) = (good[..1_000].to_vec(), vec![9; 7 * PACKET_LEN]);
        // Bare or RTP, the datagrams, how many are the stream's and how many strange.
        for (bare, datagrams, packets, strange) in [
            (true, vec![good.clone(), short.clone(), other.clone(), good.clone()], 2, 2),
            (true, vec![short.clone(), good.clone(), short.clone()], 3, 0),
            (false, vec![rtp(1, &good), good.clone(), vec![], rtp(2, &other), rtp(3, &good)], 2, 3),
        ] {
            let mut feed = feed(if bare { "udp" } else { "rtp" });
            for datagram in &datagrams {
                feed.handle_datagram(datagram, Instant::now()).unwrap();
            }
            assert_eq!((feed.packets(), feed.strange), (packets, strange), "{bare}");
            assert!(feed.poll().is_none());
        }
    }

    #[test]
    fn rtp_packets_that_do_not_come_are_counted() {
        let mut feed = feed("rtp");
        let (good, now) = (packet(0, 0).repeat(7), Instant::now());
        for (at, number) in [(0, 1), (1, 3), (2, 2), (3, 6), (200, 7)] {
            feed.handle_datagram(&rtp(number, &good), now + std::time::Duration::from_millis(at)).unwrap();
        }
        assert_eq!((feed.packets(), feed.lost()), (5, 2));
    }
}
