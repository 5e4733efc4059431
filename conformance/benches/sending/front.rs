//! The real front: started, given viewers, and its CPU read.

use super::{
    Options,
    receivers::{Ports, Receivers},
    record::{self, Recording},
};
use anyhow::{Context, Result, ensure};
use conformance::server::Server;
use std::{
    fmt,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Viewers that record.
const RECORDERS: usize = 4;

/// What sending cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cpu: Duration,
    pub sends: f64,
    pub sessions: usize,
    pub window: Duration,
}

impl Cost {
    /// Microseconds.
    pub fn per_train(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.sends
    }

    /// Seconds.
    pub fn per_stream_second(&self) -> f64 {
        self.cpu.as_secs_f64() / self.sessions as f64 / self.window.as_secs_f64()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6.2} us a train, {:.3} ms a stream-second, {:.0} trains/s, core {:.0} %",
            self.per_train(),
            self.per_stream_second() * 1e3,
            self.sends / self.window.as_secs_f64(),
            self.cpu.as_secs_f64() / self.window.as_secs_f64() * 100.0
        )
    }
}

/// The sends of a front that has nothing else to do.
pub fn record_alone(options: &Options) -> Result<Recording> {
    let folder = conformance::compare::tempdir()?;
    let server = start(options, &folder)?;
    let (viewers, _connections) = recorders(options, &server)?;
    let recording = record::record(&viewers, options.window)?;
    server.stop()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(recording)
}

/// The front under load: its CPU, and what the recording viewers got meanwhile.
pub fn run(options: &Options) -> Result<(Cost, Recording)> {
    let folder = conformance::compare::tempdir()?;
    let server = start(options, &folder)?;
    let pid = server.pid();
    let (viewers, _connections) = recorders(options, &server)?;
    let load = match &options.load {
        Some(path) => Load::Outside(Box::new(outside(options, path, &server, pid)?)),
        None => Load::Ours(drive(options, &server)?),
    };
    std::thread::sleep(match load {
        // Its own ramp and warm-up, and a second.
        Load::Outside(_) => Duration::from_secs_f64(options.sessions as f64 / RAMP + 4.0),
        Load::Ours(_) => Duration::from_secs(3),
    });
    let taken = if let Load::Ours((receivers, _)) = &load { receivers.bytes() } else { 0 };
    let (start, cpu) = (Instant::now(), cpu_time(pid)?);
    let recording = record::record(&viewers, options.window)?;
    let (window, cpu) = (start.elapsed(), cpu_time(pid)? - cpu);
    let sessions = options.sessions + RECORDERS;
    let sends = match &load {
        Load::Ours((receivers, _)) => {
            let recorded = recording.sends_per_second() * RECORDERS as f64 * window.as_secs_f64();
            let framing = if options.tcp { 4.0 * recording.shares().packets_per_send } else { 0.0 };
            (receivers.bytes() - taken) as f64 / (recording.bytes_per_send() + framing) + recorded
        }
        Load::Outside(_) => recording.sends_per_second() * sessions as f64 * window.as_secs_f64(),
    };
    if let Load::Outside(child) = load {
        let output = child.wait_with_output()?;
        println!("{}", String::from_utf8_lossy(&output.stdout));
    }
    server.stop()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok((Cost { cpu, sends, sessions, window }, recording))
}

enum Load {
    Outside(Box<std::process::Child>),
    Ours((Receivers, Vec<TcpStream>)),
}

/// Sessions a second that come.
const RAMP: f64 = 200.0;

fn outside(options: &Options, path: &Path, server: &Server, pid: u32) -> Result<std::process::Child> {
    let (count, window) = (options.sessions.to_string(), (options.window.as_secs() + 4).to_string());
    let way = if options.tcp { "tcp" } else { "udp" };
    let mut command = Command::new(path);
    command.args(["-n", &count, "-r", &RAMP.to_string(), "-w", "3", "-d", &window, "-t", way]);
    command.args(["-P", &pid.to_string(), &server.url(&name(&options.films[0]))]);
    Ok(command.stdout(std::process::Stdio::piped()).spawn()?)
}

/// One worker on its core; the nodes go to the load's.
fn start(options: &Options, folder: &Path) -> Result<Server> {
    let films: Vec<&Path> = options.films.iter().map(AsRef::as_ref).collect();
    let server = Server::start_in(folder, &films, &["--workers", "1", "--log", "warn"])?;
    let (front, load) = options.cores;
    taskset(front, server.pid())?;
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap_or_default();
    for child in children.split_whitespace() {
        taskset(load, child.parse()?)?;
    }
    Ok(server)
}

fn taskset(core: usize, pid: u32) -> Result<()> {
    let done = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()]).output()?;
    ensure!(done.status.success(), "taskset: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Ports by viewer and track, and the viewers' connections.
type Viewers = (Vec<Vec<Ports>>, Vec<TcpStream>);

/// Always over UDP: what is sent together does not depend on the way.
fn recorders(options: &Options, server: &Server) -> Result<Viewers> {
    let (mut all, mut connections) = (Vec::new(), Vec::new());
    for viewer in 0..RECORDERS {
        let ports = vec![Ports::bind()?, Ports::bind()?];
        ports.iter().try_for_each(|ports| record::whole(&ports.rtp))?;
        let film = name(&options.films[viewer % options.films.len()]);
        connections.push(watch(&server.url(&film), viewer * 9, Some(&ports))?);
        all.push(ports);
    }
    Ok((all, connections))
}

/// Viewers of all films at all positions, and what takes their packets.
fn drive(options: &Options, server: &Server) -> Result<(Receivers, Vec<TcpStream>)> {
    let (mut ports, mut connections) = (Vec::new(), Vec::new());
    for viewer in 0..options.sessions {
        let url = server.url(&name(&options.films[viewer % options.films.len()]));
        let start = viewer * 7 % 60;
        if options.tcp {
            connections.push(watch(&url, start, None)?);
        } else {
            let mut pair = vec![Ports::bind()?, Ports::bind()?];
            connections.push(watch(&url, start, Some(&pair))?);
            ports.append(&mut pair);
        }
        // A burst of connections is not what is measured, and equal phases would be unfair to both sides.
        std::thread::sleep(Duration::from_micros(1_700));
    }
    if options.tcp { Ok((Receivers::tcp(connections)?, Vec::new())) } else { Ok((Receivers::udp(ports)?, connections)) }
}

fn name(film: &Path) -> String {
    film.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// SETUP of both tracks and PLAY from second `start`: over `ports`, or interleaved.
fn watch(url: &str, start: usize, ports: Option<&[Ports]>) -> Result<TcpStream> {
    let host = url.strip_prefix("rtsp://").and_then(|rest| rest.split('/').next()).context("no host in the URL")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    let mut session = String::new();
    for track in 0..2 {
        let transport = match ports {
            Some(ports) => {
                let port = ports[track].address().port();
                format!("RTP/AVP;unicast;client_port={port}-{}", port + 1)
            }
            None => format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1),
        };
        let head = request(
            &mut stream,
            &format!(
                "SETUP {url}/track{} RTSP/1.0\r\nCSeq: {track}\r\nTransport: {transport}\r\n{session}\r\n",
                track + 1
            ),
        )?;
        let id = head.lines().find_map(|line| line.strip_prefix("Session: ")).context("no session")?;
        session = format!("Session: {}\r\n", id.split(';').next().unwrap_or_default());
    }
    request(&mut stream, &format!("PLAY {url} RTSP/1.0\r\nCSeq: 9\r\nRange: npt={start}-\r\n{session}\r\n"))?;
    Ok(stream)
}

/// The answer's head; none of these requests is answered with a body.
fn request(stream: &mut TcpStream, text: &str) -> Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    ensure!(head.starts_with("RTSP/1.0 200"), "{text} was answered: {head}");
    Ok(head)
}

/// All threads' time on a core.
fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanos += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}
