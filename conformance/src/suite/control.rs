//! What the machine itself keeps everybody waiting, measured beside what is to be judged.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Between two echoes.
const PAUSE: Duration = Duration::from_millis(10);

/// What the processor does for each echo: whoever else wants it takes as much from a server.
const WORK: Duration = Duration::from_millis(1);

/// For one echo: on a machine where it takes longer nothing can be told.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does `what`, and beside it asks a TCP echo within this process again and again, each time on a new connection. The echo
/// works for a millisecond first. Answers the longest that one took, too.
///
/// # Errors
/// The system's, on sockets of this machine.
pub fn beside<T>(what: impl FnOnce() -> T) -> io::Result<(T, Duration)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (over, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let asking = scope.spawn(|| -> io::Result<Duration> {
            let mut longest = Duration::ZERO;
            loop {
                let last = over.load(Ordering::Acquire);
                let began = Instant::now();
                let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.write_all(b"echo")?;
                stream.read_exact(&mut [0; 4])?;
                longest = longest.max(began.elapsed());
                if last {
                    return Ok(longest);
                }
                thread::sleep(PAUSE);
            }
        });
        scope.spawn(|| {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Acquire) {
                    break;
                }
                let mut bytes = [0; 4];
                let asked = stream.read_exact(&mut bytes);
                work();
                let _ = asked.and_then(|()| stream.write_all(&bytes));
            }
        });
        let done = what();
        over.store(true, Ordering::Release);
        let longest = asking.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        ended.store(true, Ordering::Release);
        // Wakes the echo, for its end.
        drop(TcpStream::connect(address));
        Ok((done, longest?))
    })
}

/// Keeps the processor for [`WORK`]; where nobody says how long that was, not at all.
fn work() {
    let Some(end) = processor().map(|now| now + WORK) else { return };
    while processor().is_some_and(|now| now < end) {
        std::hint::spin_loop();
    }
}

/// The time for which this thread has had a processor.
fn processor() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec of ours for the length of the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_heard_beside_whatever_is_done() {
        let (done, longest) = beside(|| 7).unwrap();
        assert!(done == 7 && longest >= WORK, "{longest:?}");
        let (_, longest) = beside(|| thread::sleep(Duration::from_millis(50))).unwrap();
        assert!(longest < PATIENCE, "{longest:?}");
    }
}
