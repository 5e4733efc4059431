//! A description's packets and reports on their way to a group.

use crate::channel::{Burst, Live};
use rtp::{packet::HEADER_LEN, rtcp, sender::Sender};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bursts of a track that wait for their turn; with more of them nothing is spread in time any more, so that what a feed
/// brings all at once can't fall further and further behind.
const MAX_SPREAD: usize = 8;

/// How packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// What lies between the trains of one burst (see [`Burst::at_once`]).
    pub train_gap: Duration,
    /// A burst has left after so long at most: its gaps are the shorter the larger it is.
    pub spread: Duration,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { train_gap: Duration::from_millis(6), spread: Duration::from_millis(30) }
    }
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub enum Output {
    /// Packets of a burst to its track's RTP port.
    Packets {
        /// Whose they are.
        burst: Arc<Burst>,
        /// Which of them.
        packets: Range<usize>,
    },
    /// A compound to a track's RTCP port.
    Report {
        /// By its place in the index.
        track: usize,
        /// The compound.
        bytes: Vec<u8>,
    },
}

/// One description of a channel on its way to a group.
///
/// Give it the channel's bursts by [`GroupSender::burst`]; each time, and at [`GroupSender::next`], take all that
/// [`GroupSender::poll`] gives. At its end send what [`GroupSender::goodbyes`] gives.
#[derive(Debug)]
pub struct GroupSender {
    live: Arc<Live>,
    options: SendOptions,
    cname: String,
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    sender: Sender,
    /// What waits, and from which packet on.
    queue: VecDeque<(Arc<Burst>, usize)>,
    /// When the next train may leave.
    next: Instant,
    /// A packet has left: there is something to report on.
    sent: bool,
}

impl GroupSender {
    /// Nothing sent yet. `cname` names all tracks of it (RFC 7022); `seed` spreads the reports.
    pub fn new(live: Arc<Live>, options: SendOptions, cname: String, seed: u64, now: Instant) -> Self {
        let tracks = live.sources.iter().zip(&live.index.tracks).enumerate().map(|(at, (source, track))| {
            let seed = seed.wrapping_add(at as u64);
            let sender = Sender::new(source.ssrc, source.clock, u64::from(track.bandwidth_bps), seed);
            Track { sender, queue: VecDeque::new(), next: now, sent: false }
        });
        let tracks = tracks.collect();
        Self { live, options, cname, tracks }
    }

    /// The description.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The channel's next burst.
    pub fn burst(&mut self, burst: Arc<Burst>) {
        if let Some(track) = self.tracks.get_mut(burst.track).filter(|_| !burst.train.is_empty()) {
            track.queue.push_back((burst, 0));
        }
    }

    /// The next that is due; `None`: nothing is.
    pub fn poll(&mut self, now: Instant) -> Option<Output> {
        (0..self.tracks.len()).find_map(|at| self.packets(at, now).or_else(|| self.report(at, now)))
    }

    /// When to poll again at the latest; `None`: at the next burst.
    pub fn next(&self) -> Option<Instant> {
        let times = self.tracks.iter().flat_map(|track| {
            let packets = (!track.queue.is_empty()).then_some(track.next);
            [packets, track.sender.next_report().filter(|_| track.sent)]
        });
        times.flatten().min()
    }

    /// The last reports, each with BYE, of the tracks that have sent anything (RFC 3550 section 6.3.7).
    pub fn goodbyes(&mut self, now: Instant) -> Vec<Output> {
        let mut all = Vec::new();
        for at in 0..self.tracks.len() {
            let report = self.sender_report(at, now);
            let mut bytes = Vec::new();
            if self.tracks[at].sent && rtcp::write_bye(&mut bytes, &report, &self.cname).is_ok() {
                all.push(Output::Report { track: at, bytes });
            }
            self.tracks[at].sender.stop();
            self.tracks[at].queue.clear();
        }
        all
    }

    fn packets(&mut self, at: usize, now: Instant) -> Option<Output> {
        let options = self.options;
        let track = &mut self.tracks[at];
        if track.next > now {
            return None;
        }
        let waiting = track.queue.len();
        let (burst, from) = track.queue.front_mut()?;
        let (burst, first) = (burst.clone(), *from);
        let end = burst.train.len().min(first + burst.at_once.max(1));
        *from = end;
        if end == burst.train.len() {
            track.queue.pop_front();
        }
        let trains = burst.train.len().div_ceil(burst.at_once.max(1));
        let gap = options.train_gap.min(options.spread / u32::try_from(trains).unwrap_or(u32::MAX));
        track.next = if waiting > MAX_SPREAD { now } else { now + gap };
        if !track.sent {
            track.sent = true;
            track.sender.start(now);
        }
        let bytes = burst.train.end(end) - burst.train.end(first);
        let headers = HEADER_LEN * (end - first) + burst.train.padding(first..end);
        track.sender.sent((end - first) as u32, bytes.saturating_sub(headers) as u64);
        Some(Output::Packets { burst, packets: first..end })
    }

    fn report(&mut self, at: usize, now: Instant) -> Option<Output> {
        let track = &mut self.tracks[at];
        // Not before its first packet: a receiver would take it for a source that sends nothing.
        if !track.sent || !track.sender.report_expires(now) {
            return None;
        }
        let report = self.sender_report(at, now);
        let mut bytes = Vec::new();
        let written = rtcp::write_sender_report(&mut bytes, &report, &self.cname);
        self.tracks[at].sender.report_sent(bytes.len(), now);
        // It fails for a CNAME beyond 255 bytes only.
        written.is_ok().then_some(Output::Report { track: at, bytes })
    }

    fn sender_report(&mut self, at: usize, now: Instant) -> rtcp::SenderReport {
        let (ntp, rtp) = self.live.report_times(at, now);
        self.tracks[at].sender.report(ntp, rtp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{Channel, ChannelOptions, Feeder, LiveUnit, Tap},
        multicast::fake::{picture, tracks},
    };
    use rtp::{clock::Ticks, packet::RtpPacket, rtcp::Packet};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Bursts(Mutex<Vec<Arc<Burst>>>);

    impl Tap for Bursts {
        fn burst(&self, burst: &Arc<Burst>) {
            self.0.lock().unwrap().push(burst.clone());
        }
        fn ended(&self, _: &str) {}
    }

    fn fed(now: Instant) -> (Feeder, Arc<Bursts>, GroupSender) {
        let channel = Channel::new("news", ChannelOptions::default());
        let feeder = channel.feed(tracks(), now).unwrap();
        let live = channel.live().unwrap();
        let bursts = Arc::new(Bursts::default());
        channel.join(&live, bursts.clone()).unwrap();
        let sender = GroupSender::new(live, SendOptions::default(), "me".into(), 1, now);
        (feeder, bursts, sender)
    }

    /// What is sent at `now`: packets as `track:count`, reports as `track:words`.
    fn sent(sender: &mut GroupSender, bursts: &Bursts, now: Instant) -> Vec<String> {
        for burst in bursts.0.lock().unwrap().drain(..) {
            sender.burst(burst);
        }
        let mut all = Vec::new();
        while let Some(output) = sender.poll(now) {
            all.push(said(&output));
        }
        all
    }

    fn said(output: &Output) -> String {
        match output {
            Output::Packets { burst, packets } => format!("{}:{}", burst.track, packets.len()),
            Output::Report { track, bytes } => {
                let words = rtcp::parse_compound(bytes).map(|packet| match packet.unwrap() {
                    Packet::SenderReport { .. } => "SR",
                    Packet::Bye { .. } => "BYE",
                    _ => "SDES",
                });
                format!("{track}:{}", words.collect::<Vec<_>>().join("+"))
            }
        }
    }

    #[test]
    fn a_large_picture_leaves_in_trains_and_reports_come_after_the_first_packet() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let (feeder, bursts, mut sender) = fed(now);
        assert_eq!(sent(&mut sender, &bursts, now), Vec::<String>::new());
        assert!(sender.goodbyes(now).is_empty(), "nothing sent, nothing to end");
        feeder.unit(0, picture(0, true, 40_000), now);
        let (packets, first) = {
            let burst = bursts.0.lock().unwrap()[0].clone();
            (burst.train.len(), burst.at_once)
        };
        assert!((33..=40).contains(&packets) && first == 16, "{packets} {first}");
        assert_eq!(sent(&mut sender, &bursts, now), [format!("0:{first}"), "0:SR+SDES".into()]);
        assert_eq!(sender.next(), Some(at(6)));
        // Sound does not wait behind it.
        feeder.unit(1, LiveUnit::sound(vec![0; 160], Ticks(0)), now);
        assert_eq!(sent(&mut sender, &bursts, at(1)), ["1:1", "1:SR+SDES"]);
        assert_eq!(sent(&mut sender, &bursts, at(6)), [format!("0:{first}")]);
        assert_eq!(sent(&mut sender, &bursts, at(12)), [format!("0:{}", packets - 2 * first)]);
        let due = sender.next().unwrap();
        assert!(due > at(500) && due < at(7_000));
        let last: Vec<String> = sender.goodbyes(due).iter().map(said).collect();
        assert_eq!(last, ["0:SR+SDES+BYE", "1:SR+SDES+BYE"]);
        assert_eq!(sender.next(), None);
    }

    #[test]
    fn a_burst_of_any_size_has_left_after_the_spread_and_a_backlog_is_not_spread() {
        let now = Instant::now();
        let (feeder, bursts, mut sender) = fed(now);
        feeder.unit(0, picture(0, true, 400_000), now);
        let mut last = now;
        sent(&mut sender, &bursts, now);
        while let Some(next) = sender.next().filter(|next| *next < now + Duration::from_secs(1)) {
            sent(&mut sender, &bursts, next);
            last = next;
        }
        assert!(last > now && last - now <= SendOptions::default().spread, "{:?}", last - now);
        for dts in 1..=20 {
            feeder.unit(0, picture(dts * 3600, false, 100), now);
        }
        let left = sent(&mut sender, &bursts, last + Duration::from_millis(6));
        assert_eq!(left.len(), 13, "all but those that may wait: {left:?}");
    }

    #[test]
    fn reports_count_what_was_sent_and_lie_on_the_packets_line() {
        let now = Instant::now();
        let (feeder, bursts, mut sender) = fed(now);
        let later = now + Duration::from_secs(3);
        feeder.unit(1, LiveUnit::sound(vec![0; 160], Ticks(0)), now);
        feeder.unit(1, LiveUnit::sound(vec![0; 80], Ticks(160)), later);
        let first = bursts.0.lock().unwrap()[0].clone();
        let packet = RtpPacket::parse(first.train.packet(0)).unwrap();
        sent(&mut sender, &bursts, now);
        sent(&mut sender, &bursts, later);
        let report = sender.sender_report(1, later);
        assert_eq!((report.packets, report.octets), (2, 240));
        assert_eq!(report.rtp.0.wrapping_sub(packet.timestamp.0), 3 * 8000);
    }
}
