//! What a connection's bytes travel on: a TCP connection, or one end of a local pair whose other end a tunnel carries.

use socket2::SockRef;
use std::io::{self, IoSlice};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes that can be written to from any thread without waiting.
#[derive(Debug)]
pub enum Wire {
    /// A viewer's own connection.
    Tcp(TcpStream),
    /// Our end of a pair: the other end is carried on within TLS, HTTP or WebSocket.
    Local(UnixStream),
}

impl Wire {
    /// Packet trains must not wait for the acknowledgement of the last one. Failing is no harm.
    pub fn send_at_once(&self) {
        if let Wire::Tcp(stream) = self {
            let _ = stream.set_nodelay(true);
        }
    }

    /// Waits until there may be bytes to read.
    ///
    /// # Errors
    /// The socket's.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.readable().await,
            Wire::Local(stream) => stream.readable().await,
        }
    }

    /// Waits until there may be room to write.
    ///
    /// # Errors
    /// The socket's.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.writable().await,
            Wire::Local(stream) => stream.writable().await,
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is; else the socket's.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.try_read(buffer),
            Wire::Local(stream) => stream.try_read(buffer),
        }
    }

    /// Runs a write that may say `WouldBlock`: then [`Wire::writable`] waits anew.
    ///
    /// # Errors
    /// What `write` says.
    pub fn try_write<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Wire::Tcp(stream) => stream.try_io(Interest::WRITABLE, write),
            Wire::Local(stream) => stream.try_io(Interest::WRITABLE, write),
        }
    }

    /// Gives bytes to the kernel as far as it takes them, part after part, from any thread.
    ///
    /// # Errors
    /// `WouldBlock` where it takes none; else the socket's.
    pub fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let socket = match self {
            Wire::Tcp(stream) => SockRef::from(stream),
            Wire::Local(stream) => SockRef::from(stream),
        };
        match parts {
            // The simpler call is the cheaper one.
            [one] => socket.send_with_flags(one, flags),
            parts => socket.send_vectored_with_flags(parts, flags),
        }
    }
}
