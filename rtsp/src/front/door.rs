//! The door: whoever comes waits here, on threads of its own, until it has said something whole.
//!
//! So who says half a request, a letter now and then or nothing costs no time of those that are served; and when ten
//! thousand of them end at once, nobody who comes then stands behind them in a queue.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Door`] | accepts, and gives out those who have said something whole |
//! | [`Known`] | such a connection, with what it said |
//! | [`Listening`] | what one has said that is not whole yet |
//! | `Room` | a thread where connections wait: one for those who have just come, one for those who keep us waiting |

use super::carry::Caller;
use super::limits::{Guest, ListenerLimits};
use crate::message::{FrameError, Framer, Incoming};
use crate::net::tls;
use crate::net::tunnel::{Kind, http};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

/// Connections that the kernel holds for us to accept (it may have a lower limit): beyond it a viewer's first packet is
/// dropped, and sent again a second later.
const BACKLOG: u32 = 4096;

/// Who has not said anything whole after so long waits in the other room: players send their first request at once.
const NEW: Duration = Duration::from_millis(250);

/// After an accept that failed (mostly for want of descriptors), to let something end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that one read takes.
const READ: usize = 4 << 10;

/// How much nicer than the rest the other room's thread is (nice(2)): when ten thousand who keep us waiting end at once,
/// that must not take the core from those who serve.
const PATIENT: libc::c_int = 10;

/// Listens.
///
/// # Errors
/// The system's: mostly that the port is in use.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else the port could not be had again for a minute after a stop.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections, and gives out each when it has said something whole. Closed when dropped.
pub(super) struct Door {
    known: mpsc::UnboundedReceiver<Known>,
    _rooms: [Room; 2],
}

/// A connection that has said something whole.
pub(super) struct Known {
    /// On no runtime.
    pub(super) stream: std::net::TcpStream,
    pub(super) said: Said,
    pub(super) caller: Caller,
    pub(super) guest: Guest,
}

/// What came first on a connection.
#[derive(Debug)]
pub(super) enum Said {
    /// A message or what is none, and the framer that cut it off.
    Rtsp(Box<(Framer, Result<Incoming, FrameError>)>),
    /// The head of a request, or more than one may have; and what came with it.
    Http(Vec<u8>),
    /// The first record of a handshake, and what came with it.
    Tls(Vec<u8>),
}

/// Lets somebody in, or not.
pub(super) type Admit = Box<dyn Fn(&TcpStream, SocketAddr) -> Option<(Caller, Guest)> + Send + Sync>;

impl Door {
    /// Opens it.
    ///
    /// # Errors
    /// The system gives no thread, or the listener none of its state.
    pub(super) fn open(listener: TcpListener, limits: ListenerLimits, admit: Admit) -> io::Result<Self> {
        let (new, waiting) = (Room::open("door-new", 0)?, Room::open("door-waiting", PATIENT)?);
        // As many as there are guests at most.
        let (tell, known) = mpsc::unbounded_channel();
        let listener = listener.into_std()?;
        let patient = waiting.handle.clone();
        new.handle.spawn(async move {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!(%error, "nobody can be accepted"),
            };
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        // Nothing else here: a viewer may stand behind thousands that come at once.
                        let Some((caller, guest)) = admit(&stream, peer) else { continue };
                        let stranger = Stranger::new(stream, caller, guest, limits);
                        tokio::spawn(stranger.wait(patient.clone(), tell.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
        Ok(Self { known, _rooms: [new, waiting] })
    }

    /// The next that has said something whole; `None`: nobody can be accepted any more.
    pub(super) async fn next(&mut self) -> Option<Known> {
        self.known.recv().await
    }
}

/// A thread with a runtime of its own; both end with it.
struct Room {
    handle: Handle,
    _open: oneshot::Sender<Infallible>,
}

impl Room {
    fn open(name: &str, niceness: libc::c_int) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (open, closed) = oneshot::channel();
        let run = move || {
            // SAFETY: no memory is passed. On Linux it is about the calling thread alone; failing is no harm.
            unsafe { libc::nice(niceness) };
            drop(runtime.block_on(closed));
        };
        std::thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(Self { handle, _open: open })
    }
}

/// Who has said nothing whole yet.
struct Stranger {
    /// Free before the peer hears of the end: it may come again at once.
    guest: Guest,
    stream: TcpStream,
    caller: Caller,
    limits: ListenerLimits,
    listening: Listening,
    came: Instant,
    /// When what it has said so far began.
    begun: Option<Instant>,
}

impl Stranger {
    fn new(stream: TcpStream, caller: Caller, guest: Guest, limits: ListenerLimits) -> Self {
        let (listening, came) = (Listening::default(), Instant::now());
        Self { guest, stream, caller, limits, listening, came, begun: None }
    }

    /// Waits here for a moment, then in the other room.
    async fn wait(mut self, patient: Handle, tell: mpsc::UnboundedSender<Known>) {
        match self.hear(Some(self.came + NEW)).await {
            Ok(Heard::Little) => {
                let Self { guest, stream, caller, limits, listening, came, begun } = self;
                let Ok(stream) = stream.into_std() else { return };
                patient.spawn(async move {
                    // Sockets belong to the runtime that they are made in.
                    let Ok(stream) = TcpStream::from_std(stream) else { return };
                    let mut stranger = Self { guest, stream, caller, limits, listening, came, begun };
                    let heard = stranger.hear(None).await;
                    stranger.end(heard, &tell);
                });
            }
            heard => self.end(heard, &tell),
        }
    }

    fn end(self, heard: io::Result<Heard>, tell: &mpsc::UnboundedSender<Known>) {
        // The place is free before the connection is closed.
        let Self { stream, guest, caller, .. } = self;
        let ended = match heard {
            Ok(Heard::Whole(said)) => match stream.into_std() {
                Ok(stream) => return drop(tell.send(Known { stream, said, caller, guest })),
                Err(error) => error.to_string(),
            },
            Ok(Heard::Little | Heard::End) => "it was closed, or silent for too long".into(),
            Err(error) => error.to_string(),
        };
        tracing::debug!(id = caller.id.0, peer = %caller.peer, ended, "nothing whole was said");
    }

    /// What is said first. Whoever has said too little at `leave` waits elsewhere.
    async fn hear(&mut self, leave: Option<Instant>) -> io::Result<Heard> {
        loop {
            let limit = match self.begun {
                Some(begun) => begun + self.limits.message,
                None => self.came + self.limits.idle,
            };
            let until = leave.map_or(limit, |leave| leave.min(limit));
            match tokio::time::timeout_at(until.into(), self.stream.readable()).await {
                Ok(readable) => readable?,
                Err(_) if until < limit => return Ok(Heard::Little),
                Err(_) => return Ok(Heard::End),
            }
            let mut buffer = [0; READ];
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Ok(Heard::End),
                Ok(count) => {
                    if let Some(said) = self.listening.handle(&buffer[..count]) {
                        return Ok(Heard::Whole(said));
                    }
                    self.begun = self.begun.or_else(|| self.listening.has_begun().then(Instant::now));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What came of listening.
enum Heard {
    /// Something whole, or what can't become so.
    Whole(Said),
    /// Too little so far.
    Little,
    /// It has closed, or was silent for too long.
    End,
}

/// What somebody has said that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Listening {
    kind: Option<Kind>,
    /// All of it; with [`Kind::Rtsp`] the framer has it.
    bytes: Vec<u8>,
    framer: Framer,
}

impl Listening {
    /// Takes what was read; gives out what is whole with it, or can't become so.
    pub(super) fn handle(&mut self, bytes: &[u8]) -> Option<Said> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if self.kind.is_none() {
            self.kind = Kind::of(&self.bytes);
        }
        match self.kind? {
            Kind::Rtsp => {
                self.framer.handle(&std::mem::take(&mut self.bytes));
                let first = self.framer.poll()?;
                Some(Said::Rtsp(Box::new((std::mem::take(&mut self.framer), first))))
            }
            Kind::Http => http::has_head(&self.bytes, before).then(|| Said::Http(std::mem::take(&mut self.bytes))),
            Kind::Tls => tls::has_record(&self.bytes).then(|| Said::Tls(std::mem::take(&mut self.bytes))),
        }
    }

    fn has_begun(&self) -> bool {
        !self.bytes.is_empty() || self.framer.is_partial()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_given_out_and_nothing_before() {
        let long = format!("GET /{}", "a".repeat(20 << 10));
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"", None),
            (b"\r\n\r\n", None),
            (b"$\0\0", None),
            (b"$\0\0\0", Some("rtsp")),
            (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n", None),
            (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some("rtsp")),
            (b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n", Some("rtsp")),
            (b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nab", None),
            (b"nonsense\r\n\r\n", Some("rtsp")),
            (b"GET ", None),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", None),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore", Some("http")),
            (long.as_bytes(), Some("http")),
            (b"\x16\x03\x01\x00", None),
            (b"\x16\x03\x01\x00\x03ab", None),
            (b"\x16\x03\x01\x00\x03abc", Some("tls")),
            (b"\x16\x03\x01\xff\xff", Some("tls")),
        ];
        let told = |said: Option<Said>| {
            said.map(|said| match said {
                Said::Rtsp(..) => "rtsp",
                Said::Http(_) => "http",
                Said::Tls(_) => "tls",
            })
        };
        for (bytes, want) in cases {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
            assert_eq!(told(Listening::default().handle(bytes)), *want, "{text:?}");
            let mut listening = Listening::default();
            let mut letters = bytes.chunks(1).map(|letter| told(listening.handle(letter)));
            assert_eq!(letters.find_map(|said| said), *want, "{text:?}, a letter at a time");
        }
    }
}
