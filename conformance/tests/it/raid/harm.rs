//! What is done to nodes: a way to them that spoils what they say, and a disk that gets full.

use super::world::Node;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    time::Duration,
};

/// Bytes a second of a connection to a node that has become slow: viewers take about twenty times as many of the node.
const SLOW_BYTES_A_SECOND: u64 = 20_000;

/// What the way to the node makes of its answers.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Fault {
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
pub struct Proxy {
    fault: Arc<AtomicU8>,
    pub url: String,
}

impl Proxy {
    pub fn start(node: &Node) -> Self {
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

    pub fn set(&self, fault: Fault) {
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

/// A small file system of its own, taken down when dropped; `None` where mounting is not allowed.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    pub fn mount(place: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(place.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l".as_ref(), self.0.as_os_str()]).status();
    }
}
