//! What a channel costs its front: CPU and sends a stream-second, from a unit's coming to its packets' leaving, and from
//! PLAY to the first picture of who joins.
//!
//! ```text
//! cargo bench -p conformance --bench fanout -- [options]
//!   --tcp          interleaved in TCP instead of UDP
//!   --viewers N    who watch (500)
//!   --kbit R       of the channel: 25 pictures a second in groups of 25, and sound every 80 ms (1000)
//!   --sync F       the first picture of a group is as large as F others (6)
//!   --seconds S    of the measurement, after two of warming up (10)
//!   --cores F,L    pin the worker to core F, feed and receivers to core L (0,1)
//! ```
//!
//! One worker of a front, fed and listened to in this process, without RTSP: what requests cost is another matter. A
//! packet's RTP timestamp tells when its picture was fed. Over UDP the kernel stamps packets as they leave, over TCP the
//! time is that of reading, so that a busy receiver counts, too. A picture of more packets than leave at once is spread by
//! intent, whoever watches, in trains half a millisecond apart or a little more: groups' first pictures are such.
//! Twice a second one more viewer joins, and leaves when it has its first picture.

mod clock;
mod ears;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clock::{Clock, STEPS, Times};
use ears::{Ear, Ears};
use rtp::{
    clock::Ticks,
    format::{Format, PcmCoding},
};
use rtsp::{
    channel::{Channel, ChannelOptions, Feeder, LiveUnit, TrackDescription},
    headers::{Scale, SeekStyle, Speed},
    net::{descriptors::raise_limit, outbox::Outbox, wire::Wire},
    playback::Start,
    worker::{Destination, Fetched, MediaSource, PlayRequest, PlayTrack, ViewerId, WorkerId, WorkerOptions, Workers},
};
use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use stripes::layout::Layout;

/// Pictures a second, and of one group.
const RATE: usize = 25;
/// Bits per second of the sound.
const SOUND_BPS: usize = 64_000;

struct Options {
    tcp: bool,
    viewers: usize,
    bps: usize,
    sync: usize,
    seconds: u64,
    cores: (usize, usize),
}

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

fn main() -> Result<()> {
    let options = options()?;
    raise_limit()?;
    pin(0, options.cores.1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _within = runtime.enter();
    let worker = WorkerOptions { workers: 1, bind: [127, 0, 0, 1].into(), ..WorkerOptions::default() };
    let workers = Workers::start(worker, Arc::new(Nothing), runtime.handle().clone())?;
    let thread = thread("send-0")?;
    pin(thread, options.cores.0)?;

    let channel = Channel::new("news", ChannelOptions { max_packet: 1400, ..ChannelOptions::default() });
    let video = Format::Mp4vEs { config: vec![], width: 640, height: 360 };
    let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
    let describe = |format| TrackDescription { format, language: None, bandwidth_bps: None };
    let feeder = channel.feed([video, audio].map(describe).into(), Instant::now())?;
    let (stop, times) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), Times::new());
    let feeding = std::thread::spawn({
        let (stop, bytes, times) = (stop.clone(), pictures(&options), times.clone());
        move || feed(&feeder, bytes, &times, &stop)
    });
    let clock = Arc::new(Clock::new(&channel, times)?);

    let mut sockets: Vec<OwnedFd> = Vec::new();
    for viewer in 0..options.viewers {
        let destinations = if options.tcp { connect(&mut sockets)? } else { bind(&mut sockets)? };
        runtime.block_on(watch(&workers, &channel, viewer as u64, destinations))?;
    }
    let ears = Ears::start(sockets, options.tcp, clock.clone())?;
    std::thread::sleep(Duration::from_secs(2));
    let (before, heard) = (cpu(thread)?, ears.take());
    drop(heard);
    let counted = workers.statistics()[0].snapshot();
    let (began, mut joins) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(options.seconds) {
        std::thread::sleep(Duration::from_millis(500));
        let viewer = (options.viewers + joins.len()) as u64;
        joins.extend(join(&runtime, &workers, &channel, &clock, viewer, options.tcp)?);
    }
    let passed = began.elapsed().as_secs_f64();
    let (spent, mut heard) = (cpu(thread)? - before, ears.take());
    let after = workers.statistics()[0].snapshot();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    ensure!(feeding.join().is_ok(), "the feed failed");
    workers.stop();

    let way = if options.tcp { "TCP" } else { "UDP" };
    let stream_seconds = options.viewers as f64 * passed;
    println!("{} {way} viewers of {} kbit/s for {passed:.1} s", options.viewers, options.bps / 1000);
    let share = spent.as_secs_f64() / passed;
    println!(
        "CPU          {:.1} % of the core, {:.3} ms a stream-second",
        share * 100.0,
        spent.as_secs_f64() * 1e3 / stream_seconds
    );
    let (sends, packets) =
        (after.sends + after.writes - counted.sends - counted.writes, after.packets - counted.packets);
    let calls = after.send_calls + after.writes - counted.send_calls - counted.writes;
    println!(
        "sent         {packets} packets in {sends} sends by {calls} calls, {:.1} packets and {:.1} sends a stream-second",
        packets as f64 / stream_seconds,
        sends as f64 / stream_seconds
    );
    println!(
        "heard        {} packets; {} refused, {} units left out",
        heard.len(),
        after.send_errors - counted.send_errors,
        after.dropped_units - counted.dropped_units
    );
    say("delay", &mut heard);
    say("join", &mut joins);
    Ok(())
}

/// Prints how long most took.
fn say(what: &str, nanoseconds: &mut [u64]) {
    nanoseconds.sort_unstable();
    let last = nanoseconds.len().saturating_sub(1);
    for (name, part) in [("50 %", 0.5), ("95 %", 0.95), ("99 %", 0.99), ("all", 1.0)] {
        let at = nanoseconds.get(((nanoseconds.len() as f64 * part) as usize).min(last)).copied().unwrap_or_default();
        println!("{what:12} {name} of {} within {:.2} ms", nanoseconds.len(), at as f64 / 1e6);
    }
}

/// One more viewer joins: from PLAY's answer to the last packet of its first picture, nanoseconds.
fn join(
    runtime: &tokio::runtime::Runtime,
    workers: &Workers,
    channel: &Arc<Channel>,
    clock: &Clock,
    viewer: u64,
    tcp: bool,
) -> Result<Option<u64>> {
    let mut sockets = Vec::new();
    let destinations = if tcp { connect(&mut sockets)? } else { bind(&mut sockets)? };
    let mut ear = Ear::new(sockets.pop().context("no socket")?, tcp);
    let mut buffer = vec![0; ears::READ];
    runtime.block_on(watch(workers, channel, viewer, destinations))?;
    let (answered, begun) = (nanos(), Instant::now());
    let mut stood = None;
    while stood.is_none() && begun.elapsed() < Duration::from_secs(2) {
        ear.read(&mut buffer, |packet, at| {
            if stood.is_none() && clock.ends_picture(packet) {
                stood = Some(at.saturating_sub(answered));
            }
        });
        std::thread::sleep(Duration::from_micros(200));
    }
    workers.remove(WorkerId(0), ViewerId(viewer), false);
    Ok(stood)
}

/// Bytes of a group's first picture and of the others.
fn pictures(options: &Options) -> [usize; 2] {
    let group = options.bps.saturating_sub(SOUND_BPS) / 8;
    let part = (group / (RATE - 1 + options.sync)).max(32);
    [part * options.sync, part]
}

/// Feeds pictures and sound by the clock.
fn feed(feeder: &Feeder, [first, other]: [usize; 2], times: &Times, stop: &std::sync::atomic::AtomicBool) {
    let began = Instant::now();
    for number in 0.. {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(
            (began + Duration::from_millis(number as u64 * 40)).saturating_duration_since(Instant::now()),
        );
        let sync = number % RATE == 0;
        let mut data = vec![7; if sync { first } else { other }];
        data[..5].copy_from_slice(&[0, 0, 1, 0xB6, if sync { 0 } else { 0x40 }]);
        let [ticks, sound] = STEPS.map(|step| Ticks(number as i64 * step));
        times.set(number, nanos());
        feeder.unit(0, LiveUnit { data: data.into(), dts: ticks, pts: ticks, sync }, Instant::now());
        if number % 2 == 0 {
            feeder.unit(1, LiveUnit::sound(vec![0xFF; SOUND_BPS / 8 / RATE * 2], sound), Instant::now());
        }
    }
}

async fn watch(workers: &Workers, channel: &Arc<Channel>, viewer: u64, to: [Destination; 2]) -> Result<()> {
    let live = channel.live().context("nothing feeds it")?;
    let tracks = to.into_iter().zip(&live.sources).enumerate().map(|(track, (destination, source))| PlayTrack {
        track,
        ssrc: source.ssrc,
        payload_type: source.payload_type,
        destination,
    });
    let request = PlayRequest {
        viewer: ViewerId(viewer),
        index: live.index.clone(),
        channel: Some((channel.clone(), live.clone())),
        tracks: tracks.collect(),
        start: Start::Resume,
        behind: None,
        style: SeekStyle::default(),
        counts_halts: false,
        end: None,
        rate: (Scale::NORMAL, Speed::NORMAL),
        blocksize: None,
        live555: false,
        queue: false,
        // Nobody listens: the events are few.
        events: tokio::sync::mpsc::unbounded_channel().0,
    };
    workers.play(WorkerId(0), request).await?;
    workers.go(WorkerId(0), ViewerId(viewer));
    Ok(())
}

/// One port for all that comes to a viewer.
fn bind(sockets: &mut Vec<OwnedFd>) -> Result<[Destination; 2]> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let to = socket.local_addr()?;
    sockets.push(socket.into());
    Ok([0, 1].map(|_| Destination::Udp { rtp: to, rtcp: to }))
}

/// A connection of a viewer.
fn connect(sockets: &mut Vec<OwnedFd>) -> Result<[Destination; 2]> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    sockets.push(TcpStream::connect(listener.local_addr()?)?.into());
    let (near, _) = listener.accept()?;
    near.set_nonblocking(true)?;
    let outbox = Arc::new(Outbox::new(Arc::new(Wire::Tcp(tokio::net::TcpStream::from_std(near)?)), 512 << 10));
    let driven = outbox.clone();
    tokio::spawn(async move { driven.drive().await });
    let way =
        |rtp_channel| Destination::Interleaved { outbox: outbox.clone(), rtp_channel, rtcp_channel: rtp_channel + 1 };
    Ok([way(0), way(2)])
}

fn nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(0)
}

/// The thread of this process with that name.
fn thread(name: &str) -> Result<i32> {
    let begun = Instant::now();
    // It names itself once it runs.
    while begun.elapsed() < Duration::from_secs(5) {
        for entry in std::fs::read_dir("/proc/self/task")? {
            let path = entry?.path();
            if std::fs::read_to_string(path.join("comm"))?.trim() == name {
                return Ok(path.file_name().context("no number")?.to_string_lossy().parse()?);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    anyhow::bail!("no thread {name}")
}

/// What a thread has run so far, by the scheduler's count.
fn cpu(thread: i32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"))?;
    Ok(Duration::from_nanos(text.split_whitespace().next().context("an empty schedstat")?.parse()?))
}

/// Keeps a thread, and those that it starts, on a core; 0: this one.
fn pin(thread: i32, core: usize) -> Result<()> {
    // SAFETY: a zeroed set is valid; its size is given.
    let done = unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(thread, std::mem::size_of_val(&set), &raw const set)
    };
    ensure!(done == 0, "core {core}: {}", std::io::Error::last_os_error());
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options { tcp: false, viewers: 500, bps: 1_000_000, sync: 6, seconds: 10, cores: (0, 1) };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--tcp" => options.tcp = true,
            "--viewers" => options.viewers = value()?.parse()?,
            "--kbit" => options.bps = value()?.parse::<usize>()? * 1000,
            "--sync" => options.sync = value()?.parse::<usize>()?.max(1),
            "--seconds" => options.seconds = value()?.parse()?,
            "--cores" => {
                let text = value()?;
                let (front, load) = text.split_once(',').context("--cores wants two numbers: F,L")?;
                options.cores = (front.parse()?, load.parse()?);
            }
            // Cargo's own.
            "--bench" => {}
            other => anyhow::bail!("{other}: unknown"),
        }
    }
    Ok(options)
}
