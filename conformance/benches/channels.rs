//! Many channels for a long time: does memory grow, is anything lost.
//!
//! ```text
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench channels -- [options] FILM
//!   --channels N   each pushed by an ffmpeg of its own, over TCP, the film over and over (24)
//!   --viewers N    of each, every other one over TCP (10)
//!   --minutes M    of the run (30)
//! ```
//!
//! Give a film of pictures and sound at the rate that the channels are to have. Every ten seconds it prints the front's RSS
//! and what was heard and lost so far, by sequence numbers.

#[path = "common/mod.rs"]
mod common;

use anyhow::{Context, Result, ensure};
use common::{Viewer, rss};
use conformance::server::Server;
use rtsp::net::descriptors::raise_limit;
use std::{
    net::{TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt;

/// How long a channel may take until its first viewer can set it up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that wait in a viewer's socket at most.
const BUFFER: usize = 4 << 20;

/// What all viewers have heard.
#[derive(Default)]
struct Heard {
    packets: AtomicU64,
    lost: AtomicU64,
}

/// A publisher, ended when dropped.
struct Publisher(Child);

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let (mut channels, mut viewers, mut minutes, mut film) = (24, 10, 30.0, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--channels" => channels = value()?.parse()?,
            "--viewers" => viewers = value()?.parse()?,
            "--minutes" => minutes = value()?.parse::<f64>()?,
            // Cargo's own.
            "--bench" => {}
            path => film = Some(path.to_owned()),
        }
    }
    raise_limit()?;
    let film = film.context("give a film of pictures and sound")?;
    let folder = conformance::compare::tempdir()?;
    let config = folder.join("bench.toml");
    let mut text = "[front]\nsession_timeout_s = 86400\n[log]\nfilter = \"warn\"\n".to_owned();
    (0..channels).for_each(|channel| text += &format!("[[channel]]\nname = \"c{channel}\"\npush = true\n"));
    std::fs::write(&config, text)?;
    let server = Server::start_in(&folder, &[] as &[&Path], &["--config", &config.to_string_lossy()])?;
    let publishers = (0..channels).map(|channel| publish(&film, &server.url(&format!("c{channel}"))));
    let publishers = publishers.collect::<Result<Vec<_>>>()?;

    let heard = Arc::<Heard>::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut watching = Vec::new();
    for channel in 0..channels {
        for number in 0..viewers {
            watching.push(watch(&runtime, &server.url(&format!("c{channel}")), number % 2 == 1, &heard)?);
        }
    }
    println!("{channels} channels, {viewers} viewers each");
    let begun = Instant::now();
    let (mut first, mut last) = (None, 0);
    while begun.elapsed().as_secs_f64() < minutes * 60.0 {
        sleep(Duration::from_secs(10));
        last = rss(server.pid())?;
        // What is taken once is taken by then.
        if begun.elapsed() > Duration::from_secs(60) {
            first.get_or_insert(last);
        }
        println!(
            "{:5} s: RSS {:.1} MiB, {} packets heard, {} lost",
            begun.elapsed().as_secs(),
            last as f64 / 1024.0,
            heard.packets.load(Relaxed),
            heard.lost.load(Relaxed)
        );
    }
    let before = first.unwrap_or(last);
    println!("after the first minute RSS grew by {:.1} MiB", (last as f64 - before as f64) / 1024.0);
    drop(watching);
    drop(publishers);
    runtime.shutdown_background();
    server.stop()?;
    let _ = std::fs::remove_dir_all(folder);
    ensure!(heard.packets.load(Relaxed) > 0, "nothing was heard");
    Ok(())
}

fn publish(film: &str, url: &str) -> Result<Publisher> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", film, "-c", "copy"]);
    command.args(["-f", "rtsp", "-rtsp_transport", "tcp", url]).stdout(Stdio::null());
    Ok(Publisher(command.spawn().context("starting ffmpeg")?))
}

/// One viewer, from then on until what is answered is dropped.
fn watch(runtime: &tokio::runtime::Runtime, url: &str, tcp: bool, heard: &Arc<Heard>) -> Result<Viewer> {
    let sockets = (!tcp).then(ports).transpose()?;
    let begun = Instant::now();
    let mut viewer = loop {
        let mut viewer = Viewer::connect(url)?;
        match viewer.set_up(sockets.as_ref().map(|(port, _)| *port)) {
            Ok(()) => break viewer,
            Err(error) => ensure!(begun.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(200));
    };
    viewer.play(0)?;
    match sockets {
        Some((_, sockets)) => {
            for socket in sockets {
                runtime.spawn(hear_datagrams(socket, heard.clone()));
            }
        }
        None => drop(runtime.spawn(hear_frames(viewer.stream.try_clone()?, heard.clone()))),
    }
    Ok(viewer)
}

/// Four ports in a row, the first even: of two tracks.
fn ports() -> Result<(u16, Vec<UdpSocket>)> {
    for _ in 0..200 {
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port() & !1;
        let all: Option<Vec<UdpSocket>> =
            (0..4).map(|more| UdpSocket::bind(("127.0.0.1", port.checked_add(more)?)).ok()).collect();
        if let Some(all) = all {
            return Ok((port, all));
        }
    }
    anyhow::bail!("no four ports in a row")
}

/// Counts a packet: `last` is the number of the one before.
fn count(packet: &[u8], last: &mut Option<u16>, heard: &Heard) {
    // Reports have payload types of 200 and more, marker bit included.
    let [_, kind, high, low, ..] = packet else { return };
    if (192..=223).contains(kind) {
        return;
    }
    let number = u16::from_be_bytes([*high, *low]);
    let lost = last.replace(number).map_or(0, |last| number.wrapping_sub(last).wrapping_sub(1));
    heard.packets.fetch_add(1, Relaxed);
    heard.lost.fetch_add(u64::from(lost), Relaxed);
}

async fn hear_datagrams(socket: UdpSocket, heard: Arc<Heard>) -> Result<()> {
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let (mut buffer, mut last) = (vec![0; 2_048], None);
    loop {
        let got = socket.recv(&mut buffer).await?;
        count(&buffer[..got], &mut last, &heard);
    }
}

async fn hear_frames(stream: TcpStream, heard: Arc<Heard>) -> Result<()> {
    stream.set_nonblocking(true)?;
    let mut stream = tokio::io::BufReader::new(tokio::net::TcpStream::from_std(stream)?);
    let (mut head, mut last) = ([0; 4], [None; 4]);
    loop {
        stream.read_exact(&mut head).await?;
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        stream.read_exact(&mut packet).await?;
        count(&packet, &mut last[usize::from(head[1]) % 4], &heard);
    }
}
