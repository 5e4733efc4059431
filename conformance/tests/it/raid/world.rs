//! Node processes, a front and its viewers: all real programs, on ports of their own.

use conformance::{
    client::{self, Client},
    compare::tempdir,
    films::Recipe,
    server::{Process, free_port, program},
};
use std::{
    collections::HashMap,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Small units and a small cache, so that the nodes are read all the time.
const CONFIG: &str = "[front]\ncache_mib = 8\n[stripes]\nunit_kib = 64\n";

pub struct Node {
    process: Option<Process>,
    pub folder: PathBuf,
    /// 16 hexadecimal digits.
    pub id: String,
    /// What the others are told.
    pub url: String,
    /// Where it is.
    address: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Node {
    /// One that keeps its units in `folder`.
    pub fn start(folder: PathBuf) -> Self {
        let arguments = ["--folder".to_owned(), folder.to_string_lossy().into_owned()];
        Self::start_with(folder, arguments.to_vec(), Vec::new())
    }

    /// One with these arguments and environment variables, whose bytes lie under `folder`.
    pub fn start_with(folder: PathBuf, arguments: Vec<String>, variables: Vec<(String, String)>) -> Self {
        let (process, id, url) = run(&arguments, &variables, "127.0.0.1:0");
        let address = url.trim_start_matches("http://").to_owned();
        Self { process: Some(process), folder, id, url, address, arguments, variables }
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Again on what it kept, at its old address.
    pub fn restart(&mut self) {
        self.process = None;
        let (process, id, _) = run(&self.arguments, &self.variables, &self.address);
        assert_eq!(id, self.id);
        self.process = Some(process);
    }

    pub fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name).unwrap();
    }

    /// Turns a bit in every 100,000th byte of its largest file.
    pub fn spoil(&self) {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.metadata().unwrap() {
                    data if data.is_dir() => folders.push(entry.path()),
                    data => files.push((data.len(), entry.path())),
                }
            }
        }
        let (length, largest) = files.into_iter().max().unwrap();
        assert!(length > 500_000, "{} has {length} bytes", largest.display());
        let mut bytes = std::fs::read(&largest).unwrap();
        bytes.iter_mut().skip(50_000).step_by(100_000).for_each(|byte| *byte ^= 0x10);
        // In place: the node has it open.
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().write(true).open(&largest).unwrap();
        file.write_all(&bytes).unwrap();
    }
}

fn run(arguments: &[String], variables: &[(String, String)], listen: &str) -> (Process, String, String) {
    let own = ["node", "--listen", listen].into_iter().chain(arguments.iter().map(String::as_str));
    let (process, ready) = Process::start_with(own, variables).unwrap();
    let mut words = ready.split_whitespace().skip(1).map(str::to_owned);
    (process, words.next().unwrap(), words.next().unwrap())
}

pub struct World {
    pub folder: PathBuf,
    pub data: PathBuf,
    pub nodes: Vec<Node>,
    front: Option<Process>,
    pub port: u16,
}

impl World {
    /// `nodes` nodes, a front that knows them, and the films.
    pub fn new(nodes: usize, parity: u8, films: &[Recipe]) -> Self {
        Self::with(parity, films, |folder| (0..nodes).map(|at| Node::start(node_folder(folder, at))).collect())
    }

    /// The same with nodes of choice, which have a folder to be made in.
    pub fn with(parity: u8, films: &[Recipe], nodes: impl FnOnce(&Path) -> Vec<Node>) -> Self {
        Self::configured(CONFIG, parity, films, nodes)
    }

    /// The same with a configuration of choice.
    pub fn configured(config: &str, parity: u8, films: &[Recipe], nodes: impl FnOnce(&Path) -> Vec<Node>) -> Self {
        let folder = tempdir().unwrap();
        let data = folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(folder.join("config.toml"), config).unwrap();
        let nodes = nodes(&folder);
        let mut world = Self { folder, data, nodes, front: None, port: free_port().unwrap() };
        world.start_front();
        let parity = parity.to_string();
        for film in films {
            let path = film.make(&world.folder).unwrap();
            world.run(&["add", "--parity", &parity, &path.to_string_lossy()]);
        }
        world
    }

    /// Starts the front, or kills it as `kill -9` does and starts it again.
    pub fn start_front(&mut self) {
        self.kill_front();
        self.front = Some(self.run_front(self.port));
    }

    /// One more front of the same catalog and cluster, and its port.
    pub fn another_front(&self) -> (Process, u16) {
        let port = free_port().unwrap();
        (self.run_front(port), port)
    }

    fn run_front(&self, port: u16) -> Process {
        let listen = format!("127.0.0.1:{port}");
        let (config, data) = self.common();
        let mut arguments = vec!["front", "--listen", &listen, "--config", &config, "--data", &data];
        let catalog = self.data.join("catalog.db").to_string_lossy().into_owned();
        arguments.extend(["--catalog", &catalog]);
        self.nodes.iter().for_each(|node| arguments.extend(["--node", node.url.as_str()]));
        Process::start(&arguments).unwrap().0
    }

    /// The sessions that the front ended, each with its reason. (A BYE says less: one follows a TEARDOWN too, and may come
    /// before its answer.)
    pub fn ended_sessions(&self) -> Vec<String> {
        let logged = |words| self.front.iter().flat_map(move |front| front.logged(words));
        ["playing failed, session ended", "timed out", "ended with its connection"]
            .into_iter()
            .flat_map(logged)
            .collect()
    }

    pub fn kill_front(&mut self) {
        self.front = None;
    }

    /// One more node, which nobody knows yet.
    pub fn start_node(&mut self) {
        let place = node_folder(&self.folder, self.nodes.len());
        self.nodes.push(Node::start(place));
    }

    fn common(&self) -> (String, String) {
        (self.folder.join("config.toml").to_string_lossy().into(), self.data.to_string_lossy().into())
    }

    /// A command on this cluster, to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (config, data) = self.common();
        let mut command = Command::new(program().unwrap());
        command.args(arguments).args(["--config", &config, "--data", &data]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; what it said.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    pub fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }

    /// What DESCRIBE answers.
    pub fn describe(&self, name: &str) -> u16 {
        let mut client = Client::connect(([127, 0, 0, 1], self.port).into()).unwrap();
        client.request("DESCRIBE", &self.url(name), &[]).unwrap().status
    }

    /// Watches a film over UDP from `start` seconds on for so long.
    pub fn watch(&self, name: &str, start: u32, time: Duration) -> JoinHandle<Seen> {
        let (port, url) = (self.port, self.url(name));
        std::thread::spawn(move || watch(port, &url, start, time))
    }
}

/// Where the node of that number keeps its units.
pub fn node_folder(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("node-{number}"))
}

impl Drop for World {
    fn drop(&mut self) {
        self.front = None;
        self.nodes.clear();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a viewer saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub packets: u64,
    pub lost: u64,
    pub bye: bool,
    /// How late packets came by the clock of their timestamps, against the first, sorted, milliseconds.
    late_ms: Vec<i64>,
}

impl Seen {
    /// All but one in a hundred packets came so late at most.
    pub fn p99_late_ms(&self) -> i64 {
        self.late_ms.get(self.late_ms.len() * 99 / 100).copied().unwrap_or(0)
    }
}

/// One source of packets, all tracks at 90 kHz.
#[derive(Default)]
struct Source {
    first: Option<(u16, u32, Instant)>,
    highest: u64,
    packets: u64,
}

fn watch(port: u16, url: &str, start: u32, time: Duration) -> Seen {
    let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
    let description = client.request("DESCRIBE", url, &[]).unwrap();
    assert_eq!(description.status, 200, "{url}");
    let (mut sockets, mut session) = (Vec::new(), String::new());
    for control in client::controls(&description) {
        let (rtp, rtcp) = pair();
        let first = rtp.local_addr().unwrap().port();
        let transport = format!("RTP/AVP;unicast;client_port={first}-{}", first + 1);
        let mut headers = vec![("Transport", transport.as_str())];
        if !session.is_empty() {
            headers.push(("Session", &session));
        }
        let answer = client.request("SETUP", &control, &headers).unwrap();
        assert_eq!(answer.status, 200, "{url}");
        session = answer.header("Session").unwrap().split(';').next().unwrap().to_owned();
        sockets.extend([(rtp, false), (rtcp, true)]);
    }
    let range = format!("npt={start}-");
    let played = client.request("PLAY", url, &[("Session", &session), ("Range", &range)]).unwrap();
    assert_eq!(played.status, 200, "{url}");
    let (mut seen, mut sources) = (Seen::default(), HashMap::<u32, Source>::new());
    let end = Instant::now() + time;
    let mut buffer = [0; 2048];
    while Instant::now() < end && !seen.bye {
        let mut idle = true;
        for (socket, rtcp) in &sockets {
            while let Ok(length) = socket.recv(&mut buffer) {
                idle = false;
                match rtcp {
                    true => seen.bye |= client::has_bye(&buffer[..length]),
                    false => seen.take(&buffer[..length], &mut sources),
                }
            }
        }
        if idle {
            std::thread::sleep(Duration::from_millis(4));
        }
    }
    for source in sources.values() {
        let first = source.first.map_or(0, |(sequence, ..)| u64::from(sequence));
        seen.lost += (source.highest + 1 - first).saturating_sub(source.packets);
    }
    seen.late_ms.sort_unstable();
    let _ = client.request("TEARDOWN", url, &[("Session", &session)]);
    seen
}

impl Seen {
    fn take(&mut self, bytes: &[u8], sources: &mut HashMap<u32, Source>) {
        let (number, instant, ssrc) = rtp_header(bytes);
        let now = Instant::now();
        let source = sources.entry(ssrc).or_default();
        let (sequence, timestamp, since) = *source.first.get_or_insert((number, instant, now));
        source.highest = source.highest.max(u64::from(sequence));
        // In order over loopback, but for what is lost.
        source.highest += u64::from(number.wrapping_sub(source.highest as u16));
        source.packets += 1;
        self.packets += 1;
        let due_ms = i64::from(instant.wrapping_sub(timestamp) as i32) / 90;
        self.late_ms.push(now.duration_since(since).as_millis() as i64 - due_ms);
    }
}

/// Sequence number, timestamp and source of a packet (RFC 3550 5.1).
pub fn rtp_header(bytes: &[u8]) -> (u16, u32, u32) {
    assert!(bytes.len() >= 12 && bytes[0] >> 6 == 2, "no RTP packet: {bytes:?}");
    let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    (u16::from_be_bytes([bytes[2], bytes[3]]), number(4), number(8))
}

/// An even port and the next one.
pub fn pair() -> (UdpSocket, UdpSocket) {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = rtp.local_addr().unwrap().port();
        if port.is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1))
        {
            [&rtp, &rtcp].iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
            return (rtp, rtcp);
        }
    }
}
