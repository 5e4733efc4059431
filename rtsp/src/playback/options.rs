//! How packets are made and paced.

use rtp::breaker::Breakers;
use std::time::Duration;

/// How one viewer's packets are made and paced.
#[derive(Clone, Debug)]
pub struct PlaybackOptions {
    /// Bytes of an RTP packet, header included; larger ones risk IP fragments on the way.
    pub max_packet: usize,
    /// Packets of one track that leave together at most; more are spread over the time that their access units
    /// take.
    pub train_packets: usize,
    /// Between two trains that are together longer than `train_packets`. One slot more than the time in which no more
    /// than `train_packets` are to be seen, since a train may leave as much later than its slot's edge.
    pub train_gap: Duration,
    /// Film that leaves together at most; an access unit is never divided by it. More saves sends and makes bursts. What
    /// is due within half of it after another track's packets goes into a connection by the same write.
    pub quantum: Duration,
    /// Audio that shares a packet at most (where it fits). It leaves when its first unit is due.
    pub bundle: Duration,
    /// Whether shorter packets are filled up by RTP padding where they can then share a send.
    pub padding: bool,
    /// Film that is read ahead.
    pub read_ahead: Duration,
    /// Bytes that are read ahead at most, whatever the film's rate.
    pub window_bytes: u64,
    /// A unit that comes later than this after it was due ends the playing.
    pub max_stall: Duration,
    /// What ends the playing by datagrams for the network's sake.
    pub breakers: Breakers,
    /// From the end of a presentation that went by datagrams to the goodbye. ffmpeg looks for RTCP first, and ends at
    /// once: RTP packets that wait in its socket while it decodes would be lost.
    pub goodbye: Duration,
    /// Whether the viewer is made of LIVE555's library, as VLC is:
    ///
    /// - At the goodbye it drops what it has not shown yet, so that comes later.
    /// - It begins anew with a decoder once a track's first report comes. By datagrams that comes before PLAY's answer, which
    ///   is before it reads any packet.
    /// - What waits in its sockets during a pause it reads before the report that comes after it, and takes the difference
    ///   for a leap. So its reports' wall clock stands still where timestamps do (RFC 2326 appendix B).
    /// - What it reads ASF with hears of no seek, so ASF's own times go on like timestamps.
    /// - Where there is no sound its clock stands still, so that is a beat then.
    pub live555: bool,
}

impl Default for PlaybackOptions {
    fn default() -> Self {
        Self {
            max_packet: 1400,
            train_packets: 16,
            train_gap: Duration::from_millis(6),
            quantum: Duration::from_millis(40),
            bundle: Duration::from_millis(100),
            padding: true,
            read_ahead: Duration::from_secs(2),
            window_bytes: 8 << 20,
            max_stall: Duration::from_secs(5),
            breakers: Breakers::default(),
            goodbye: Duration::from_secs(2),
            live555: false,
        }
    }
}
