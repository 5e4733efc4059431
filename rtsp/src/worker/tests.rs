//! Workers on real sockets of this machine, with a film in memory.

mod collision;
mod nodes;

use super::*;
use crate::headers::{Scale, SeekStyle, Speed};
use crate::net::wire::Wire;
use crate::{
    net::outbox::Outbox,
    playback::film::{Film, film},
};
use rtp::clock::RtpTimestamp;
use std::{
    net::{SocketAddr, UdpSocket},
    sync::atomic::AtomicBool,
    time::Instant,
};
use stripes::layout::Layout;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

struct Memory {
    film: Film,
    broken: AtomicBool,
    cached: bool,
}

impl MediaSource for Memory {
    fn cached(&self, _: &Layout, unit: u64) -> Option<Bytes> {
        self.cached.then(|| self.film.unit(unit))
    }

    fn fetch(&self, _: Arc<Layout>, unit: u64, _: Duration) -> Fetched {
        let broken = self.broken.load(Ordering::Relaxed);
        let bytes = self.film.unit(unit);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if broken { Err(format!("unit {unit}: connection refused")) } else { Ok(bytes) }
        })
    }
}

struct Stage {
    workers: Workers,
    worker: WorkerId,
    source: Arc<Memory>,
    requests: UnboundedReceiver<ViewerEvent>,
    sender: tokio::sync::mpsc::UnboundedSender<ViewerEvent>,
}

fn stage(film: Film, cached: bool, options: WorkerOptions) -> Stage {
    let source = Arc::new(Memory { film, broken: AtomicBool::new(false), cached });
    let options = WorkerOptions { workers: 1, cname: "who@where".into(), ..options };
    let workers = Workers::start(options, source.clone(), tokio::runtime::Handle::current()).unwrap();
    let worker = workers.assign();
    let (sender, requests) = unbounded_channel();
    Stage { workers, worker, source, requests, sender }
}

impl Stage {
    fn request(&self, destinations: Vec<Destination>, start: Start) -> PlayRequest {
        let tracks = destinations.into_iter().enumerate().map(|(track, destination)| PlayTrack {
            track,
            ssrc: 0xABCD_0000 + track as u32,
            payload_type: 96 + track as u8,
            destination,
        });
        PlayRequest {
            viewer: ViewerId(1),
            index: self.source.film.index.clone(),
            channel: None,
            behind: None,
            tracks: tracks.collect(),
            start,
            style: SeekStyle::Rap,
            counts_halts: false,
            end: None,
            rate: (Scale::NORMAL, Speed::NORMAL),
            blocksize: None,
            live555: false,
            queue: false,
            events: self.sender.clone(),
        }
    }

    async fn event(&mut self) -> ViewerEvent {
        next_event(&mut self.requests).await
    }
}

/// What a viewer is told next, signs of life apart.
pub(super) async fn next_event(events: &mut UnboundedReceiver<ViewerEvent>) -> ViewerEvent {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
        match event.expect("no event came").expect("the worker dropped the viewer") {
            ViewerEvent::Alive | ViewerEvent::Reached(_) => {}
            other => return other,
        }
    }
}

/// A viewer's two sockets for each of two tracks.
struct Receiver {
    rtp: [UdpSocket; 2],
    rtcp: [UdpSocket; 2],
}

impl Receiver {
    fn new() -> Self {
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self { rtp: [open(), open()], rtcp: [open(), open()] }
    }

    fn destinations(&self) -> Vec<Destination> {
        let at = |socket: &UdpSocket| socket.local_addr().unwrap();
        (0..2).map(|track| Destination::Udp { rtp: at(&self.rtp[track]), rtcp: at(&self.rtcp[track]) }).collect()
    }

    /// All that lies in a socket.
    fn drain(socket: &UdpSocket) -> Vec<(Vec<u8>, SocketAddr)> {
        let mut packets = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            packets.push((buffer[..length].to_vec(), from));
        }
        packets
    }
}

fn check_packets(film: &Film, track: usize, packets: &[Vec<u8>], info: &TrackInfo) {
    let sequence = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
    assert_eq!(sequence(&packets[0]), info.sequence);
    assert!(packets.windows(2).all(|pair| sequence(&pair[1]) == sequence(&pair[0]).wrapping_add(1)), "lost packets");
    let mut starts = true;
    let mut numbers = Vec::new();
    for packet in packets {
        let begun = Film::begun(track, packet, &mut starts);
        let timestamp = RtpTimestamp(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
        if let Some(first) = begun.first() {
            assert_eq!(timestamp, info.timestamp.plus(film.pts(track, *first)));
        }
        numbers.extend(begun);
    }
    let count = film.index.tracks[track].samples.len();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "track {track}");
}

fn small() -> Film {
    film(4, |sync, shown| if sync { 30_000 } else { 2_000 + shown as usize * 97 % 4_000 })
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_there_before_the_answer_for_those_who_read_no_packets_before_it() {
    for live555 in [false, true] {
        let stage = stage(small(), true, WorkerOptions::default());
        let receiver = Receiver::new();
        let request = PlayRequest { live555, ..stage.request(receiver.destinations(), Start::Resume) };
        stage.workers.play(stage.worker, request).await.unwrap();
        for track in 0..2 {
            let reports = Receiver::drain(&receiver.rtcp[track]);
            assert_eq!(reports.len(), usize::from(live555), "{reports:?}");
            assert!(reports.iter().all(|(report, _)| report[1] == 200));
            assert!(Receiver::drain(&receiver.rtp[track]).is_empty());
        }
    }
}

async fn plays_over_udp(segmentation: bool, cached: bool) {
    let options = WorkerOptions { segmentation, ..Default::default() };
    let mut stage = stage(small(), cached, options);
    let receiver = Receiver::new();
    let request = stage.request(receiver.destinations(), Start::Resume);
    let reply = stage.workers.play(stage.worker, request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(Receiver::drain(&receiver.rtp[0]).is_empty(), "nothing may leave before the answer");
    let start = Instant::now();
    stage.workers.go(stage.worker, ViewerId(1));
    assert_eq!(stage.event().await, ViewerEvent::EndOfStream);
    let took = (start.elapsed() - WorkerOptions::default().playback.goodbye).as_secs_f64();
    assert!((took - reply.range.end.as_secs_f64()).abs() < 0.3, "{took} s for {:?}", reply.range);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (rtp, rtcp) = stage.workers.ports(stage.worker);
    let mut total = 0;
    for track in 0..2 {
        let received = Receiver::drain(&receiver.rtp[track]);
        assert!(received.iter().all(|(_, from)| from.port() == rtp));
        let packets: Vec<Vec<u8>> = received.into_iter().map(|(packet, _)| packet).collect();
        total += packets.len();
        check_packets(&stage.source.film, track, &packets, &reply.info[track]);
        let reports = Receiver::drain(&receiver.rtcp[track]);
        assert!(reports.len() >= 2 && reports.iter().all(|(report, from)| report[1] == 200 && from.port() == rtcp));
        assert!(reports.last().unwrap().0.windows(2).any(|bytes| bytes == [0x81, 203]), "no BYE");
    }
    let statistics = stage.workers.statistics()[0].snapshot();
    assert_eq!(statistics.packets, total as u64);
    assert_eq!((statistics.send_errors, statistics.viewers, statistics.playing), (0, 1, 0));
    if segmentation {
        assert!(statistics.sends < statistics.packets / 2 || statistics.fallback_sends > 0, "{statistics:?}");
    } else {
        assert_eq!(statistics.sends, statistics.packets);
    }
    assert_eq!(statistics.units_cached > 0, cached);
    // It sleeps again: no wake-up without a reason.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = stage.workers.statistics()[0].snapshot().wake_ups;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.workers.statistics()[0].snapshot().wake_ups, before);
    stage.workers.remove(stage.worker, ViewerId(1), true);
    stage.workers.stop();
    assert_eq!(stage.workers.statistics()[0].viewers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_over_udp_in_segmented_sends() {
    plays_over_udp(true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_over_udp_packet_by_packet_from_the_cache() {
    plays_over_udp(false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_interleaved_with_responses_between() {
    let mut stage = stage(small(), false, WorkerOptions::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    let outbox = Arc::new(Outbox::new(Arc::new(Wire::Tcp(near)), 512 << 10));
    let driver = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.drive().await }
    });
    let way =
        |rtp_channel| Destination::Interleaved { outbox: outbox.clone(), rtp_channel, rtcp_channel: rtp_channel + 1 };
    let request = stage.request(vec![way(0), way(2)], Start::Resume);
    let reply = stage.workers.play(stage.worker, request).await.unwrap();
    outbox.respond(b"RTSP/1.0 200 OK\r\n\r\n").unwrap();
    stage.workers.go(stage.worker, ViewerId(1));
    let reading = tokio::spawn(async move {
        let mut channels: [Vec<Vec<u8>>; 4] = Default::default();
        let mut answers = 0;
        loop {
            let Ok(first) = far.read_u8().await else { return (channels, answers) };
            if first != b'$' {
                let mut answer = vec![first; 19];
                far.read_exact(&mut answer[1..]).await.unwrap();
                assert_eq!(answer, b"RTSP/1.0 200 OK\r\n\r\n");
                answers += 1;
                continue;
            }
            let channel = usize::from(far.read_u8().await.unwrap());
            let mut packet = vec![0; usize::from(far.read_u16().await.unwrap())];
            far.read_exact(&mut packet).await.unwrap();
            assert!(answers > 0, "a frame came before PLAY's answer");
            channels[channel].push(packet);
        }
    });
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(7)).await;
        outbox.respond(b"RTSP/1.0 200 OK\r\n\r\n").unwrap();
    }
    assert_eq!(stage.event().await, ViewerEvent::EndOfStream);
    outbox.drained(Duration::from_secs(1)).await;
    drop(stage.workers);
    driver.abort();
    let _ = driver.await;
    drop((outbox, stage.sender));
    let (channels, answers) = tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
    assert_eq!(answers, 51);
    for track in 0..2 {
        check_packets(&stage.source.film, track, &channels[2 * track], &reply.info[track]);
        let reports = &channels[2 * track + 1];
        assert!(reports.len() >= 2 && reports.iter().all(|report| report[1] == 200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_nothing_is_given_up_and_harms_nobody() {
    let options = WorkerOptions { stuck_after: Duration::from_millis(400), ..Default::default() };
    let mut stage = stage(film(20, |_, _| 20_000), true, options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    socket2::SockRef::from(&near).set_send_buffer_size(16 << 10).unwrap();
    let outbox = Arc::new(Outbox::new(Arc::new(Wire::Tcp(near)), 64 << 10));
    let way =
        |rtp_channel| Destination::Interleaved { outbox: outbox.clone(), rtp_channel, rtcp_channel: rtp_channel + 1 };
    let request = stage.request(vec![way(0), way(2)], Start::Resume);
    stage.workers.play(stage.worker, request).await.unwrap();
    stage.workers.go(stage.worker, ViewerId(1));
    let event = stage.event().await;
    assert!(matches!(&event, ViewerEvent::Failed(reason) if reason.contains("taken nothing")), "{event:?}");
    assert!(outbox.waiting() < 64 << 10, "{} bytes wait", outbox.waiting());
    let statistics = stage.workers.statistics()[0].snapshot();
    assert!(statistics.dropped_units > 0);
    assert_eq!((statistics.viewers, statistics.playing, statistics.failures), (0, 0, 1));
    drop(far);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_seek_and_reports_of_the_viewer() {
    let mut stage = stage(small(), false, WorkerOptions::default());
    let receiver = Receiver::new();
    let (rtp, rtcp) = stage.workers.ports(stage.worker);
    receiver.rtp[0].send_to(b"punch", ("127.0.0.1", rtp)).unwrap();
    let request = stage.request(receiver.destinations(), Start::Resume);
    stage.workers.play(stage.worker, request).await.unwrap();
    stage.workers.go(stage.worker, ViewerId(1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let position = stage.workers.pause(stage.worker, ViewerId(1), None).await.unwrap();
    assert!((0.2..0.5).contains(&position.as_secs_f64()), "{position:?}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let before = Receiver::drain(&receiver.rtp[0]);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(Receiver::drain(&receiver.rtp[0]).is_empty(), "packets came in a pause");
    let next = before.last().map(|(packet, _)| u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(1));
    let request = stage.request(receiver.destinations(), Start::At(MediaTime::from_secs_f64(1.0)));
    let reply = stage.workers.play(stage.worker, request).await.unwrap();
    assert_eq!(Some(reply.info[0].sequence), next);
    assert_eq!(reply.range.start, MediaTime::from_secs_f64(0.96));
    stage.workers.go(stage.worker, ViewerId(1));
    // A receiver report from a rewritten port, told by the source that it is about.
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1, 0xAB, 0xCD, 0, 0];
    report.resize(32, 0);
    receiver.rtp[1].send_to(&report, ("127.0.0.1", rtcp)).unwrap();
    receiver.rtcp[1].send_to(&report, ("127.0.0.1", rtcp)).unwrap();
    receiver.rtcp[1].send_to(&[0x80; 3], ("127.0.0.1", rtcp)).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let statistics = stage.workers.statistics()[0].snapshot();
    assert_eq!((statistics.received_reports, statistics.punches), (2, 1));
    let mut alive = 0;
    while let Ok(event) = stage.requests.try_recv() {
        assert_eq!(event, ViewerEvent::Alive);
        alive += 1;
    }
    assert_eq!(alive, 1, "signs of life are passed on now and then");
    assert_eq!(stage.workers.pause(stage.worker, ViewerId(9), None).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_ends_the_viewer_with_a_reason() {
    let playback = PlaybackOptions { max_stall: Duration::from_millis(700), ..Default::default() };
    let mut stage = stage(small(), false, WorkerOptions { playback, ..Default::default() });
    stage.source.broken.store(true, Ordering::Relaxed);
    let receiver = Receiver::new();
    let request = stage.request(receiver.destinations(), Start::Resume);
    stage.workers.play(stage.worker, request).await.unwrap();
    stage.workers.go(stage.worker, ViewerId(1));
    let event = stage.event().await;
    assert!(matches!(&event, ViewerEvent::Failed(reason) if reason.contains("refused")), "{event:?}");
    assert_eq!(stage.workers.pause(stage.worker, ViewerId(1), None).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn wake_ups_do_not_grow_with_the_viewers() {
    let mut stage = stage(film(60, |_, _| 4_000), true, WorkerOptions::default());
    let receiver = Receiver::new();
    for viewer in 0..150 {
        let mut request = stage.request(receiver.destinations(), Start::Resume);
        request.viewer = ViewerId(viewer);
        for track in &mut request.tracks {
            track.ssrc += 100 * viewer as u32;
        }
        stage.workers.play(stage.worker, request).await.unwrap();
        stage.workers.go(stage.worker, ViewerId(viewer));
    }
    let before = (stage.workers.statistics()[0].snapshot(), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = stage.workers.statistics()[0].snapshot();
    let rate = (after.wake_ups - before.0.wake_ups) as f64 / before.1.elapsed().as_secs_f64();
    assert!(rate <= 1_100.0, "{rate} wake-ups a second");
    assert_eq!(after.playing, 150);
    assert_eq!(after.send_errors, 0);
    stage.requests.close();
    stage.workers.stop();
}
