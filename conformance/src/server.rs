//! The real program under test: started on free ports with a data folder of its own, stopped at the end.

use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    net::TcpListener,
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// A program of ours that goes on running; killed when dropped.
pub struct Process {
    child: Child,
    log: Log,
}

/// What it said last on its standard error.
type Log = Arc<Mutex<VecDeque<String>>>;

/// How long it may take to say that it is ready: ingest of the given films included.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Below those that Linux gives to connections (`net.ipv4.ip_local_port_range`).
const PORTS: Range<u16> = 12_000..32_000;

/// Lines of what it says that are kept.
const KEPT_LINES: usize = 10_000;
/// So many of them are told where it never got ready.
const TOLD_LINES: usize = 20;

impl Process {
    /// Starts it and waits for its ready line, which is answered too.
    pub fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<(Self, String)> {
        Self::start_with(arguments, &[])
    }

    /// The same with environment variables.
    pub fn start_with(
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        variables: &[(String, String)],
    ) -> Result<(Self, String)> {
        let mut child = Command::new(program()?)
            .args(arguments)
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting mobidic")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut process = Self { child, log: keep_last(stderr) };
        let (said, hear) = mpsc::channel();
        // Whatever it says later is read too, or it would wait for us.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        let mut lines = Vec::new();
        loop {
            match hear.recv_timeout(START_LIMIT) {
                Ok(line) if line.starts_with("ready") => return Ok((process, line)),
                Ok(line) => lines.push(line),
                Err(_) => {
                    let status = process.child.try_wait()?;
                    let log = process.log.lock().unwrap_or_else(PoisonError::into_inner);
                    lines.extend(log.iter().skip(log.len().saturating_sub(TOLD_LINES)).cloned());
                    bail!("mobidic never got ready (ended: {status:?}); it said: {}", lines.join(" | "));
                }
            }
        }
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines of its log, of the last ten thousand, that have these words in them.
    pub fn logged(&self, words: &str) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) -> Result<()> {
        signal(self.pid(), name)
    }

    /// Ends it by a signal and waits; its exit must be clean.
    pub fn stop(mut self, name: &str) -> Result<()> {
        self.signal(name)?;
        match self.ended(Duration::from_secs(10))? {
            Some(status) => ensure!(status.success(), "it ended with {status}"),
            None => bail!("it still runs 10 s after SIG{name}"),
        }
        Ok(())
    }

    /// How it ended, within that time.
    fn ended(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || begun.elapsed() >= limit {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all that it says, and keeps the last lines; with `MOBIDIC_TEST_LOG` they are printed too.
fn keep_last(stderr: ChildStderr) -> Log {
    let kept = Log::default();
    let keep = kept.clone();
    let print = std::env::var_os("MOBIDIC_TEST_LOG").is_some();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if print {
                eprintln!("{line}");
            }
            let mut keep = keep.lock().unwrap_or_else(PoisonError::into_inner);
            if keep.len() == KEPT_LINES {
                keep.pop_front();
            }
            keep.push_back(line);
        }
    });
    kept
}

/// Waits for the end of a program, at most until `limit`; `None`: it had to be killed.
///
/// # Errors
/// The system's.
pub fn wait_until(child: &mut Child, limit: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running `mobidic serve`; ended when dropped.
pub struct Server {
    /// Taken out where it is stopped before.
    process: Option<Process>,
    /// Where it keeps everything.
    pub data: PathBuf,
    /// Of the RTSP front.
    pub port: u16,
    own_data: bool,
}

impl Server {
    /// Starts it with `films` and waits for its ready line.
    pub fn start(films: &[&Path]) -> Result<Self> {
        let data = crate::compare::tempdir()?;
        let mut server = Self::start_in(&data, films, &[])?;
        server.own_data = true;
        Ok(server)
    }

    /// Starts it on an existing data folder, with further arguments.
    pub fn start_in(data: &Path, films: &[&Path], arguments: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let own = ["serve", "--data", &data.to_string_lossy(), "--listen", &listen].map(OsString::from);
        let further = arguments.iter().map(OsString::from).chain(films.iter().map(OsString::from));
        let (process, _) = Process::start(own.into_iter().chain(further))?;
        Ok(Self { process: Some(process), data: data.to_owned(), port, own_data: false })
    }

    /// The URL of the presentation `name`.
    pub fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// The lines of its log, of the last ten thousand, that have these words in them.
    pub fn logged(&self, words: &str) -> Vec<String> {
        self.process.as_ref().map(|process| process.logged(words)).unwrap_or_default()
    }

    /// Ends it as Ctrl-C does and waits; its exit must be clean.
    pub fn stop(mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |process| process.stop("INT"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take()
            && process.signal("INT").is_ok()
        {
            let _ = process.ended(Duration::from_secs(5));
        }
        if self.own_data {
            let _ = std::fs::remove_dir_all(&self.data);
        }
    }
}

/// Sends a signal by name to a process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status()?;
    ensure!(status.success(), "kill -{name} {pid} failed");
    Ok(())
}

/// A port that was free a moment ago, of those that the kernel gives to nobody by itself: none of this machine's
/// connections takes it meanwhile, and no other call of this program gets it.
pub fn free_port() -> Result<u16> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Programs that run at the same time begin elsewhere.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..PORTS.len() {
        let call = begin.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(call % PORTS.len() as u32)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in {PORTS:?}")
}

/// The program: `MOBIDIC_BIN`, or what cargo built beside this test.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MOBIDIC_BIN") {
        return Ok(path.into());
    }
    let exe = std::env::current_exe()?;
    let folder = exe.parent().context("no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().context("no folder")? } else { folder };
    let program = folder.join("mobidic");
    ensure!(program.exists(), "{} is missing: run `cargo build` first, or set MOBIDIC_BIN", program.display());
    Ok(program)
}

/// Runs `mobidic` with `arguments` to its end: exit status and what it printed.
pub fn mobidic(arguments: &[&str]) -> Result<(i32, String, String)> {
    let output = Command::new(program()?).args(arguments).stdin(Stdio::null()).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}
