//! The door: whoever comes waits here, on a thread of its own, until it has said something whole.
//!
//! So who says half a request, a letter now and then or nothing costs no time of those that are served. One loop of our
//! own instead of a runtime's tasks, since a runtime serves them in the order in which they come: when ten thousand leave
//! at once, whoever comes then would stand behind them. Here each turn first looks at who has come, to leave takes no more
//! than to be put aside, and those put aside are closed a few at a time.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Door`] | accepts, and gives out those who have said something whole |
//! | [`Known`] | such a connection, with what it said |
//! | `Stranger` | a connection that has not |
//! | `Porter` | the thread where they wait |

#[cfg(test)]
mod tests;

use super::carry::Caller;
use super::limits::{Guest, ListenerLimits};
use super::listening::{Listening, Said};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

/// Connections that the kernel holds for us to accept (it may have a lower limit): beyond it a viewer's first packet is
/// dropped, and sent again a second later.
const BACKLOG: u32 = 4096;

/// After an accept that failed (mostly for want of descriptors), to let something end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is accepted in one turn, and who is heard: together a millisecond's work.
const ACCEPTS: usize = 64;
const EVENTS: usize = 256;

/// Who is closed at once, and how often: closing costs ten times as much as all else here, on both ends of a local connection.
const CLOSES: usize = 16;
const CLOSE_EVERY: Duration = Duration::from_millis(1);

/// Bytes that one read takes.
const READ: usize = 4 << 10;

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);

/// Listens.
///
/// # Errors
/// The system's: mostly that the port is in use.
pub fn bind(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else the port could not be had again for a minute after a stop.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections, and gives out each when it has said something whole. Closed when dropped.
pub(super) struct Door {
    known: mpsc::UnboundedReceiver<Known>,
    closed: Arc<AtomicBool>,
    waker: Waker,
}

/// A connection that has said something whole.
pub(super) struct Known {
    /// On no runtime.
    pub(super) stream: std::net::TcpStream,
    pub(super) said: Said,
    pub(super) caller: Caller,
    pub(super) guest: Guest,
}

/// Lets somebody in, or not.
pub(super) type Admit = Box<dyn Fn(&mut TcpStream, SocketAddr) -> Option<(Caller, Guest)> + Send>;

impl Door {
    /// Opens it.
    ///
    /// # Errors
    /// The system gives no thread, or the listener none of its state.
    pub(super) fn open(listener: tokio::net::TcpListener, limits: ListenerLimits, admit: Admit) -> io::Result<Self> {
        let mut listener = TcpListener::from_std(listener.into_std()?);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        // As many as there are guests at most.
        let (tell, known) = mpsc::unbounded_channel();
        let closed = Arc::new(AtomicBool::new(false));
        let now = Instant::now();
        let porter = Porter {
            poll,
            listener,
            limits,
            admit,
            tell,
            closed: closed.clone(),
            strangers: Slab::new(),
            leaving: VecDeque::new(),
            accept_at: now,
            crowded: false,
            close_at: now,
            sweep_at: now,
        };
        std::thread::Builder::new().name("door".into()).spawn(move || porter.run())?;
        Ok(Self { known, closed, waker })
    }

    /// The next that has said something whole; `None`: nobody can be accepted any more.
    pub(super) async fn next(&mut self) -> Option<Known> {
        self.known.recv().await
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }
}

struct Porter {
    poll: Poll,
    listener: TcpListener,
    limits: ListenerLimits,
    admit: Admit,
    tell: mpsc::UnboundedSender<Known>,
    closed: Arc<AtomicBool>,
    strangers: Slab<Stranger>,
    /// To be closed. They have their places until then, so there are never more than guests.
    leaving: VecDeque<Stranger>,
    accept_at: Instant,
    /// More may stand before the door than were accepted.
    crowded: bool,
    close_at: Instant,
    sweep_at: Instant,
}

/// Who has said nothing whole yet.
struct Stranger {
    stream: TcpStream,
    caller: Caller,
    guest: Guest,
    listening: Listening,
    came: Instant,
    /// When what it has said so far began.
    begun: Option<Instant>,
}

/// What came of listening.
enum Heard {
    /// Something whole, or what can't become so.
    Whole(Said),
    /// Too little so far.
    Little,
    /// It has closed.
    End,
}

impl Porter {
    /// Until the door is closed.
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.closed.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.patience(Instant::now())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return tracing::error!(%error, "nobody can be accepted any more");
                }
                _ => {}
            }
            let now = Instant::now();
            self.accept(now);
            // The listener's own event may stand behind thousands, and is not waited for.
            for Token(key) in events.iter().map(mio::event::Event::token) {
                self.hear(key, now);
            }
            self.sweep(now);
            self.close(now);
        }
    }

    /// How long nothing needs to be done unless something comes.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let accept = self.crowded.then_some(self.accept_at);
        let close = (!self.leaving.is_empty()).then_some(self.close_at);
        let sweep = (!self.strangers.is_empty()).then_some(self.sweep_at);
        [accept, close, sweep].into_iter().flatten().min().map(|next| next.saturating_duration_since(now))
    }

    fn accept(&mut self, now: Instant) {
        if now < self.accept_at {
            return;
        }
        self.crowded = true;
        for _ in 0..ACCEPTS {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.crowded = false,
                // It was gone before we came.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    return self.accept_at = now + ACCEPT_PAUSE;
                }
            }
        }
    }

    /// Who has said all already need not wait.
    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr, now: Instant) {
        let Some((caller, guest)) = (self.admit)(&mut stream, peer) else { return };
        let mut stranger = Stranger { stream, caller, guest, listening: Listening::default(), came: now, begun: None };
        match stranger.hear(now) {
            Ok(Heard::Whole(said)) => return self.give_out(stranger, said),
            Ok(Heard::Little) => {}
            ended => return self.put_aside(stranger, ended),
        }
        let token = Token(self.strangers.vacant_key());
        match self.poll.registry().register(&mut stranger.stream, token, Interest::READABLE) {
            Ok(()) => drop(self.strangers.insert(stranger)),
            Err(error) => self.put_aside(stranger, Err(error)),
        }
    }

    fn hear(&mut self, key: usize, now: Instant) {
        let Some(stranger) = self.strangers.get_mut(key) else { return };
        match stranger.hear(now) {
            Ok(Heard::Little) => {}
            Ok(Heard::Whole(said)) => {
                let mut stranger = self.strangers.remove(key);
                match self.poll.registry().deregister(&mut stranger.stream) {
                    Ok(()) => self.give_out(stranger, said),
                    Err(error) => self.put_aside(stranger, Err(error)),
                }
            }
            ended => {
                let stranger = self.strangers.remove(key);
                self.put_aside(stranger, ended);
            }
        }
    }

    fn give_out(&self, stranger: Stranger, said: Said) {
        let Stranger { stream, caller, guest, .. } = stranger;
        // Nobody takes it: the door is being closed.
        let _ = self.tell.send(Known { stream: stream.into(), said, caller, guest });
    }

    fn put_aside(&mut self, stranger: Stranger, heard: io::Result<Heard>) {
        let ended =
            heard.err().map_or_else(|| "it was closed, or silent for too long".into(), |error| error.to_string());
        tracing::debug!(id = stranger.caller.id.0, peer = %stranger.caller.peer, ended, "nothing whole was said");
        self.leaving.push_back(stranger);
    }

    /// Whoever has been silent for too long, or takes too long to say something whole, leaves.
    fn sweep(&mut self, now: Instant) {
        if now < self.sweep_at {
            return;
        }
        let ListenerLimits { message, idle, .. } = self.limits;
        self.sweep_at = now + (message.min(idle) / 16).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let late = |stranger: &Stranger| match stranger.begun {
            Some(begun) => now >= begun + message,
            None => now >= stranger.came + idle,
        };
        let late: Vec<usize> = self.strangers.iter().filter(|(_, it)| late(it)).map(|(key, _)| key).collect();
        for key in late {
            let stranger = self.strangers.remove(key);
            self.put_aside(stranger, Ok(Heard::End));
        }
    }

    fn close(&mut self, now: Instant) {
        if now < self.close_at {
            return;
        }
        for Stranger { stream, guest, .. } in self.leaving.drain(..CLOSES.min(self.leaving.len())) {
            // The place is free before the peer hears of the end: it may come again at once.
            drop(guest);
            drop(stream);
            self.close_at = now + CLOSE_EVERY;
        }
    }
}

impl Stranger {
    /// What it has said since.
    fn hear(&mut self, now: Instant) -> io::Result<Heard> {
        let mut buffer = [0; READ];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Heard::End),
                Ok(count) => {
                    if let Some(said) = self.listening.handle(&buffer[..count]) {
                        return Ok(Heard::Whole(said));
                    }
                    self.begun = self.begun.or_else(|| self.listening.has_begun().then_some(now));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::Little),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
