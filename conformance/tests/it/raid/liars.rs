//! A node that answers rubbish, stops in the middle, or has become twenty times slower; a disk that gets full. All
//! while viewers watch, who must not notice.

use super::{
    noticed_nothing,
    world::{Node, World, node_folder},
};
use conformance::{
    compare::{Transport, compare},
    films::Recipe,
};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const FILMS: [Recipe; 2] = [
    Recipe { file: "one.mpg", length: 36, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -bf 0 -c:a mp2 -f mpeg" },
    Recipe {
        file: "exact.mp4",
        length: 20,
        options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 1M -minrate 1M -c:a aac -b:a 96k",
    },
];
/// Too large for the small disk.
const BIG: Recipe = Recipe { file: "big.mpg", length: 40, options: "-c:v mpeg1video -b:v 8M -minrate 8M -f mpeg" };
const SMALL_DISK: &str = "size=6m";
/// Bytes a second of the node that has become slow: the viewers take about twenty times as many of it.
const SLOW_BYTES_A_SECOND: u64 = 20_000;

/// What the way to the node makes of its answers.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Fault {
    None,
    /// Every 1,000th byte is another one: heads mostly whole, units not.
    Flipped,
    /// No HTTP at all.
    Noise,
    /// Cut off after some bytes.
    Short,
    /// A twentieth of what is asked of it.
    Slow,
}

const FAULTS: [Fault; 5] = [Fault::None, Fault::Flipped, Fault::Noise, Fault::Short, Fault::Slow];

/// Stands between a node and all others.
struct Proxy {
    fault: Arc<AtomicU8>,
    url: String,
}

impl Proxy {
    fn start(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fault = Arc::new(AtomicU8::new(0));
        let (to, shared) = (node.url.trim_start_matches("http://").to_owned(), fault.clone());
        std::thread::spawn(move || {
            for front in listener.incoming().map_while(Result::ok) {
                let Ok(node) = TcpStream::connect(&to) else { continue };
                let (asking, asked) = (front.try_clone().unwrap(), node.try_clone().unwrap());
                std::thread::spawn(move || forward(asking, asked, |_| Some(Duration::ZERO)));
                let fault = shared.clone();
                let mut seen = 0usize;
                let spoil = move |bytes: &mut Vec<u8>| {
                    seen += bytes.len();
                    spoil(FAULTS[usize::from(fault.load(SeqCst))], bytes, seen)
                };
                std::thread::spawn(move || forward(node, front, spoil));
            }
        });
        Self { fault, url }
    }

    fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, SeqCst);
    }
}

/// Passes bytes on until either side ends, or `change` wants no more; it may change them, and says how long they take.
fn forward(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut Vec<u8>) -> Option<Duration>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut bytes = buffer[..length].to_vec();
        let Some(time) = change(&mut bytes) else { break };
        std::thread::sleep(time);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

fn spoil(fault: Fault, bytes: &mut Vec<u8>, seen: usize) -> Option<Duration> {
    match fault {
        Fault::None => {}
        Fault::Flipped => bytes.iter_mut().skip(999).step_by(1_000).for_each(|byte| *byte ^= 0x40),
        Fault::Noise => bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31) | 0x81),
        Fault::Short if seen > 20_000 => {
            bytes.truncate(bytes.len() / 2);
            // What is left goes, and then nothing.
            return (seen < 60_000).then_some(Duration::ZERO);
        }
        Fault::Short => {}
        Fault::Slow => return Some(Duration::from_micros(bytes.len() as u64 * 1_000_000 / SLOW_BYTES_A_SECOND)),
    }
    Some(Duration::ZERO)
}

/// Nodes of which one is reached by way of the proxy, and one has a small disk where that is allowed.
fn nodes(folder: &Path, proxy: &mut Option<Proxy>, small: bool) -> Vec<Node> {
    let mut nodes: Vec<Node> = (0..4)
        .map(|number| {
            let place = node_folder(folder, number);
            if number == 3 && small {
                mount(&place);
            }
            Node::start(place)
        })
        .collect();
    let made = Proxy::start(&nodes[1]);
    nodes[1].url.clone_from(&made.url);
    *proxy = Some(made);
    nodes
}

fn mount(place: &Path) -> bool {
    std::fs::create_dir_all(place).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SMALL_DISK, "tmpfs"]).arg(place).status();
    mounted.is_ok_and(|status| status.success())
}

/// Taken down at the end, whatever comes.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l".as_ref(), self.0.as_os_str()]).status();
    }
}

#[test]
fn viewers_notice_nothing_of_a_node_that_answers_rubbish_or_too_slowly_or_whose_disk_is_full() {
    let trial = conformance::compare::tempdir().unwrap();
    let small = mount(&trial);
    drop(Mounted(trial));
    if !small {
        println!("skipped: mounting a small file system is not allowed here; no disk gets full");
    }
    let mut proxy = None;
    let world = World::with(1, &FILMS, |folder| nodes(folder, &mut proxy, small));
    let _mounted = Mounted(node_folder(&world.folder, 3));
    let proxy = proxy.unwrap();
    let big = BIG.make(&world.folder).unwrap();

    let time = Duration::from_secs(20);
    let begun = Instant::now();
    let viewers: Vec<_> = (0..6).map(|number| world.watch("one", 2 * number, time)).collect();
    let (file, url) = (world.folder.join(FILMS[1].file), world.url("exact"));
    let exact = std::thread::spawn(move || compare(&file, &url, Transport::Tcp, Duration::from_secs(60)).unwrap());
    let until = |seconds| std::thread::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));
    for (from, to, fault) in
        [(1, 4, Fault::Noise), (5, 8, Fault::Short), (9, 12, Fault::Slow), (13, 15, Fault::Flipped)]
    {
        until(from);
        proxy.set(fault);
        until(to);
        proxy.set(Fault::None);
    }
    let said = world.run(&["add", "--parity", "1", &big.to_string_lossy()]);
    assert!(!small || said.contains("wait for a repair"), "{said}");
    assert!(begun.elapsed() < time, "the viewers were gone before it was over: {:?}", begun.elapsed());

    viewers.into_iter().for_each(noticed_nothing);
    let report = exact.join().unwrap();
    assert!(report.is_exact(), "{report}");
    for name in ["one", "exact"] {
        world.run(&["check", name]);
    }
}
