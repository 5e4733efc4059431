//! Workers on real sockets of this machine, with a channel that the test feeds.

mod trains;

use crate::{
    channel::{Channel, ChannelOptions, Feeder, LiveUnit, TrackDescription},
    headers::{Scale, SeekStyle, Speed},
    net::{outbox::Outbox, wire::Wire},
    worker::{
        Destination, Fetched, MediaSource, PlayError, PlayReply, PlayRequest, PlayTrack, Start, ViewerEvent, ViewerId,
        WorkerId, WorkerOptions, Workers, tests::next_event,
    },
};
use bytes::Bytes;
use rtp::{
    clock::Ticks,
    format::{Format, PcmCoding},
    packet::RtpPacket,
};
use std::{
    collections::BTreeMap,
    net::UdpSocket,
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::layout::Layout;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// A channel needs no units.
struct Nothing;

impl MediaSource for Nothing {
    fn cached(&self, _: &Layout, _: u64) -> Option<Bytes> {
        None
    }

    fn fetch(&self, _: Arc<Layout>, unit: u64, _: Duration) -> Fetched {
        Box::pin(async move { Err(format!("unit {unit}")) })
    }
}

const WORKER: WorkerId = WorkerId(0);

struct Stage {
    workers: Workers,
    channel: Arc<Channel>,
    feeder: Feeder,
    events: UnboundedReceiver<ViewerEvent>,
    teller: UnboundedSender<ViewerEvent>,
    fed: i64,
}

fn tracks() -> Vec<TrackDescription> {
    let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
    let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
    [video, audio].map(|format| TrackDescription { format, language: None, bandwidth_bps: None }).into()
}

impl Stage {
    fn new() -> Self {
        Self::with(WorkerOptions::default())
    }

    fn with(options: WorkerOptions) -> Self {
        let mut options = WorkerOptions { workers: 1, cname: "who@where".into(), ..options };
        options.playback.goodbye = Duration::from_millis(50);
        let workers = Workers::start(options, Arc::new(Nothing), tokio::runtime::Handle::current()).unwrap();
        let channel = Channel::new("news", ChannelOptions::default());
        let feeder = channel.feed(tracks(), Instant::now()).unwrap();
        let (teller, events) = unbounded_channel();
        Self { workers, channel, feeder, events, teller, fed: 0 }
    }

    /// The next picture, of 40 ms: every fifth is a sync one and large.
    fn picture(&mut self) {
        let sync = self.fed % 5 == 0;
        let mut data = vec![self.fed as u8; if sync { 60_000 } else { 3_000 }];
        data[..5].copy_from_slice(&[0, 0, 1, 0xB6, if sync { 0 } else { 0x40 }]);
        let at = Ticks(self.fed * 3_600);
        let unit = LiveUnit { data: data.into(), dts: at, pts: at, sync };
        assert!(self.feeder.unit(0, unit, Instant::now()));
        self.fed += 1;
    }

    async fn pictures(&mut self, count: usize) {
        for _ in 0..count {
            self.picture();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn play(&self, viewer: u64, tracks: Vec<(usize, Destination)>) -> Result<PlayReply, PlayError> {
        self.play_by(viewer, tracks, false).await
    }

    /// `live555`: by a player made of that library.
    async fn play_by(
        &self,
        viewer: u64,
        tracks: Vec<(usize, Destination)>,
        live555: bool,
    ) -> Result<PlayReply, PlayError> {
        let live = self.channel.live().ok_or(PlayError::Over)?;
        let track = |(track, destination): (usize, Destination)| {
            let source = live.sources[track];
            PlayTrack { track, ssrc: source.ssrc, payload_type: source.payload_type, destination }
        };
        let request = PlayRequest {
            viewer: ViewerId(viewer),
            index: live.index.clone(),
            behind: None,
            channel: Some((self.channel.clone(), live.clone())),
            tracks: tracks.into_iter().map(track).collect(),
            start: Start::Resume,
            style: SeekStyle::Rap,
            counts_halts: false,
            end: None,
            rate: (Scale::NORMAL, Speed::NORMAL),
            blocksize: None,
            live555,
            queue: false,
            events: self.teller.clone(),
        };
        self.workers.play(WORKER, request).await
    }

    fn playing(&self) -> u64 {
        self.workers.statistics()[0].snapshot().playing
    }

    async fn event(&mut self) -> ViewerEvent {
        next_event(&mut self.events).await
    }
}

/// A viewer's two sockets.
struct Receiver {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Receiver {
    fn new() -> Self {
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self { rtp: open(), rtcp: open() }
    }

    fn destination(&self) -> Destination {
        Destination::Udp { rtp: self.rtp.local_addr().unwrap(), rtcp: self.rtcp.local_addr().unwrap() }
    }

    fn drain(socket: &UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = [0; 4096];
        std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())).collect()
    }
}

/// Sequence numbers without a gap from `first` on; answers the payload bytes of each timestamp.
fn pictures(packets: &[Vec<u8>], first: u16) -> Vec<(u32, usize)> {
    let mut bytes: Vec<(u32, usize)> = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        let packet = RtpPacket::parse(packet).unwrap();
        assert_eq!(packet.sequence.0, first.wrapping_add(number as u16), "packet {number}");
        match bytes.last_mut() {
            Some((timestamp, bytes)) if *timestamp == packet.timestamp.0 => *bytes += packet.payload.len(),
            _ => bytes.push((packet.timestamp.0, packet.payload.len())),
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_gets_what_is_kept_and_then_follows_without_gap_or_double() {
    let mut stage = Stage::new();
    stage.pictures(8).await;
    let receivers: Vec<Receiver> = (0..20).map(|_| Receiver::new()).collect();
    let mut replies = Vec::new();
    for (viewer, receiver) in (0..).zip(&receivers) {
        let reply = stage.play(viewer, vec![(0, receiver.destination())]).await.unwrap();
        if viewer % 3 == 0 {
            // Between the answer's making and its leaving.
            stage.pictures(1).await;
        }
        assert!(Receiver::drain(&receiver.rtp).is_empty(), "nothing may leave before the answer");
        stage.workers.go(WORKER, ViewerId(viewer));
        stage.pictures(1).await;
        replies.push((reply, stage.fed));
    }
    assert_eq!(stage.playing(), 20);
    stage.pictures(4).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for ((receiver, (reply, fed)), number) in receivers.iter().zip(&replies).zip(0..) {
        let info = reply.info[0];
        let packets = Receiver::drain(&receiver.rtp);
        let seen = pictures(&packets, info.sequence);
        assert_eq!(seen[0], (info.timestamp.0, 60_000), "viewer {number}");
        let lasted = (seen.len() as u32 - 1) * 3_600;
        assert_eq!(seen.last().unwrap().0, info.timestamp.0.wrapping_add(lasted), "viewer {number}");
        // It is served at the newest sync picture: at most four more were there when it came.
        let after = stage.fed - fed;
        assert!((after + 1..=after + 7).contains(&(seen.len() as i64)), "viewer {number}: {} pictures", seen.len());
        let reports = Receiver::drain(&receiver.rtcp);
        assert_eq!(reports.first().map(|report| report[1]), Some(200), "the first report comes with the first packet");
    }
    let statistics = stage.workers.statistics()[0].snapshot();
    assert_eq!((statistics.send_errors, statistics.viewers), (0, 20));
    assert!(statistics.sends < statistics.packets / 2 || statistics.fallback_sends > 0, "{statistics:?}");
    for viewer in 0..20 {
        stage.workers.remove(WORKER, ViewerId(viewer), true);
    }
    stage.workers.stop();
    assert_eq!((stage.workers.statistics()[0].viewers(), stage.playing()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_there_before_the_answer_for_those_who_read_no_packets_before_it() {
    let mut stage = Stage::new();
    stage.pictures(2).await;
    for (viewer, live555) in [(1, false), (2, true)] {
        let (video, audio) = (Receiver::new(), Receiver::new());
        let both = vec![(0, video.destination()), (1, audio.destination())];
        stage.play_by(viewer, both, live555).await.unwrap();
        for receiver in [&video, &audio] {
            let reports = Receiver::drain(&receiver.rtcp);
            assert_eq!(reports.len(), usize::from(live555), "{reports:?}");
            assert!(reports.iter().all(|report| report[1] == 200));
            assert!(Receiver::drain(&receiver.rtp).is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_forgets_what_passes_and_the_end_is_told() {
    let mut stage = Stage::new();
    stage.pictures(2).await;
    let (video, audio) = (Receiver::new(), Receiver::new());
    let both = || vec![(0, video.destination()), (1, audio.destination())];
    stage.play(1, both()).await.unwrap();
    stage.workers.go(WORKER, ViewerId(1));
    stage.feeder.unit(1, LiveUnit::sound(vec![0; 160], Ticks(640)), Instant::now());
    stage.pictures(2).await;
    assert!(stage.workers.pause(WORKER, ViewerId(1), None).await.is_some());
    tokio::time::sleep(Duration::from_millis(60)).await;
    let (before, heard) = (Receiver::drain(&video.rtp), Receiver::drain(&audio.rtp));
    assert_eq!(heard.len(), 1);
    stage.pictures(5).await;
    assert_eq!((Receiver::drain(&video.rtp).len(), stage.playing()), (0, 0));
    let reply = stage.play(1, both()).await.unwrap();
    stage.workers.go(WORKER, ViewerId(1));
    stage.pictures(1).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let packets = Receiver::drain(&video.rtp);
    assert_eq!(pictures(&packets, reply.info[0].sequence).len(), 5);
    let statistics = stage.workers.viewer(WORKER, ViewerId(1)).await.unwrap();
    assert_eq!(statistics.packets_sent, (before.len() + heard.len() + packets.len()) as u64);
    Receiver::drain(&video.rtcp);
    stage.channel.close("the channel was removed");
    assert_eq!(stage.event().await, ViewerEvent::EndOfStream);
    let reports = Receiver::drain(&video.rtcp);
    assert!(reports.last().unwrap().windows(2).any(|bytes| bytes == [0x81, 203]), "no BYE");
    assert_eq!((stage.workers.statistics()[0].viewers(), stage.playing()), (0, 0));
    assert_eq!(stage.play(1, both()).await, Err(PlayError::Over));
}

/// A receiver report of one block: up to `highest` has come.
fn report(ssrc: u32, highest: u32) -> Vec<u8> {
    let words = [0x81C9_0007, 7, ssrc, 0, highest, 0, 0, 0];
    words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_nothing_more_by_its_own_reports_is_cut_off() {
    let mut stage = Stage::new();
    stage.pictures(1).await;
    let receiver = Receiver::new();
    stage.play(1, vec![(0, receiver.destination())]).await.unwrap();
    stage.workers.go(WORKER, ViewerId(1));
    let (_, rtcp) = stage.workers.ports(WORKER);
    let ssrc = stage.channel.live().unwrap().sources[0].ssrc;
    for round in 0..200_u32 {
        stage.pictures(1).await;
        receiver.rtcp.send_to(&report(ssrc, 100 + round.min(1)), ("127.0.0.1", rtcp)).unwrap();
        match stage.events.try_recv() {
            Ok(ViewerEvent::Failed(reason)) => {
                assert!(round > 5 && reason.starts_with("circuit breaker"), "{round}: {reason}");
                assert_eq!((stage.workers.statistics()[0].viewers(), stage.playing()), (0, 0));
                return;
            }
            Ok(ViewerEvent::Alive) | Err(_) => {}
            Ok(other) => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("it goes on for ever");
}

/// A connection: the worker's end, and the viewer's.
async fn connection(limit: usize) -> (Arc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = tokio::net::TcpSocket::new_v4().unwrap();
    far.set_recv_buffer_size(16 << 10).unwrap();
    let far = far.connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    let _ = socket2::SockRef::from(&near).set_send_buffer_size(16 << 10);
    let outbox = Arc::new(Outbox::new(Arc::new(Wire::Tcp(near)), limit));
    let driven = outbox.clone();
    tokio::spawn(async move { driven.drive().await });
    (outbox, far)
}

/// The RTP packets of one channel, up to a silence.
async fn frames(far: &mut TcpStream, channel: u8) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut head = [0; 4];
    while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(300), far.read_exact(&mut head)).await {
        assert_eq!(head[0], b'$');
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        far.read_exact(&mut packet).await.unwrap();
        if head[1] == channel {
            packets.push(packet);
        }
    }
    packets
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_too_little_loses_whole_pictures_up_to_a_sync_one() {
    let mut stage = Stage::new();
    stage.pictures(1).await;
    let mut viewers = Vec::new();
    for (viewer, channel) in (0..).zip([0, 0, 6]) {
        let (outbox, far) = connection(200_000).await;
        let way = Destination::Interleaved { outbox, rtp_channel: channel, rtcp_channel: channel + 1 };
        let reply = stage.play(viewer, vec![(0, way)]).await.unwrap();
        stage.workers.go(WORKER, ViewerId(viewer));
        viewers.push((far, channel, reply));
    }
    stage.pictures(4).await;
    // The second reads nothing for some seconds of media.
    let (mut slow, slow_channel, slow_reply) = viewers.remove(1);
    let mut quick: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for _ in 0..10 {
        for _ in 0..5 {
            stage.picture();
        }
        for (number, (far, channel, _)) in viewers.iter_mut().enumerate() {
            quick.entry(number).or_default().extend(frames(far, *channel).await);
        }
    }
    for (number, packets) in quick {
        assert_eq!(pictures(&packets, viewers[number].2.info[0].sequence).len(), 55, "viewer {number}");
    }
    let mut packets = frames(&mut slow, slow_channel).await;
    assert!(stage.workers.statistics()[0].snapshot().dropped_units > 0);
    for _ in 0..10 {
        stage.picture();
    }
    packets.extend(frames(&mut slow, slow_channel).await);
    // Cut where numbers leap: whole pictures, and each part begins with a sync one.
    let number = |packet: &[u8]| RtpPacket::parse(packet).unwrap().sequence.0;
    let parts: Vec<&[Vec<u8>]> = packets.chunk_by(|one, next| number(next) == number(one).wrapping_add(1)).collect();
    assert!(parts.len() > 1 && number(&parts[0][0]) == slow_reply.info[0].sequence, "{} parts", parts.len());
    for part in parts {
        let seen = pictures(part, number(&part[0]));
        assert_eq!(seen[0].1, 60_000);
        assert!(seen.iter().all(|(_, bytes)| [60_000, 3_000].contains(bytes)), "{seen:?}");
    }
    stage.workers.stop();
}
