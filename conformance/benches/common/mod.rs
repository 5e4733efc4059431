//! What the benches share: a viewer that asks and nothing more, and what the system says of a process.

#![allow(dead_code, reason = "no bench needs all of it")]

use anyhow::{Context, Result, ensure};
use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

/// A connection that sets up sessions, one after the other.
pub struct Viewer {
    pub stream: TcpStream,
    url: String,
    session: String,
    number: u32,
}

impl Viewer {
    /// Connects; `url` is a presentation's.
    pub fn connect(url: &str) -> Result<Self> {
        let host = url.strip_prefix("rtsp://").and_then(|rest| rest.split('/').next()).context("no host in the URL")?;
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, url: url.to_owned(), session: String::new(), number: 0 })
    }

    /// SETUP of both tracks as a new session, over UDP to `port` and the three above it, or interleaved.
    pub fn set_up(&mut self, port: Option<u16>) -> Result<()> {
        self.session.clear();
        for track in 0..2 {
            let transport = match port.map(|port| port + 2 * track) {
                Some(port) => format!("RTP/AVP;unicast;client_port={port}-{}", port + 1),
                None => format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1),
            };
            let url = format!("{}/track{}", self.url, track + 1);
            let head = self.request("SETUP", &url, &format!("Transport: {transport}\r\n"))?;
            let id = head.lines().find_map(|line| line.strip_prefix("Session: ")).context("no session")?;
            self.session = format!("Session: {}\r\n", id.split(';').next().unwrap_or_default());
        }
        Ok(())
    }

    /// PLAY from second `start`.
    pub fn play(&mut self, start: usize) -> Result<()> {
        let url = self.url.clone();
        self.request("PLAY", &url, &format!("Range: npt={start}-\r\n")).map(drop)
    }

    /// TEARDOWN of the session.
    pub fn tear_down(&mut self) -> Result<()> {
        let url = self.url.clone();
        self.request("TEARDOWN", &url, "").map(drop)
    }

    /// The answer's head; none of these requests is answered with a body.
    fn request(&mut self, method: &str, url: &str, headers: &str) -> Result<String> {
        self.number += 1;
        let text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{headers}{}\r\n", self.number, self.session);
        self.stream.write_all(text.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        ensure!(head.starts_with("RTSP/1.0 200"), "{text} was answered: {head}");
        Ok(head)
    }
}

/// Resident memory, KiB.
pub fn rss(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(rss.split_whitespace().next().context("an empty VmRSS")?.parse()?)
}

/// Open descriptors, and how many of them are sockets.
pub fn descriptors(pid: u32) -> Result<(usize, usize)> {
    let folder = format!("/proc/{pid}/fd");
    let links = std::fs::read_dir(folder)?.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let links: Vec<_> = links.collect();
    let sockets = links.iter().filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    Ok((links.len(), sockets))
}

/// Keeps a process and its threads on a core.
pub fn taskset(core: usize, pid: u32) -> Result<()> {
    let done = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()]).output()?;
    ensure!(done.status.success(), "taskset: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// CPU time of the calling thread so far.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
