//! What was said during a case, kept for the report.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// A case's dialogue; clones write into the same one.
#[derive(Clone)]
pub struct Record {
    start: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    lines: Vec<Line>,
    connections: u32,
    bytes: usize,
    packets: usize,
}

/// One thing that went over the wire.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Line {
    /// Milliseconds since the case began.
    pub at_ms: u64,
    /// Number of the connection, from 1; 0 for UDP.
    pub connection: u32,
    /// `>` to the server, `<` from it, `.` a remark.
    pub direction: char,
    /// Text, with other bytes escaped.
    pub text: String,
}

/// Bytes of dialogue that one case keeps: the report of a hostile case must stay readable.
const BYTES_LIMIT: usize = 48 * 1024;
/// Bytes of one message that are kept.
const MESSAGE_LIMIT: usize = 4096;
/// Packets of which a case keeps an excerpt.
const PACKETS_LIMIT: usize = 24;
/// Bytes of a packet's excerpt.
const PACKET_LIMIT: usize = 40;

impl Default for Record {
    fn default() -> Self {
        Self { start: Instant::now(), inner: Arc::default() }
    }
}

impl Record {
    /// The number of a new connection.
    pub fn connection(&self) -> u32 {
        let mut inner = self.lock();
        inner.connections += 1;
        inner.connections
    }

    /// A message.
    pub fn message(&self, connection: u32, direction: char, bytes: &[u8]) {
        let head = bytes.get(..MESSAGE_LIMIT).unwrap_or(bytes);
        let mut text = readable(head);
        if head.len() < bytes.len() {
            text.push_str(&format!("... ({} bytes)", bytes.len()));
        }
        self.push(connection, direction, text);
    }

    /// A packet's first bytes; only the first packets of a case are kept.
    pub fn packet(&self, connection: u32, what: &str, bytes: &[u8]) {
        {
            let mut inner = self.lock();
            inner.packets += 1;
            if inner.packets > PACKETS_LIMIT {
                return;
            }
        }
        let head = bytes.get(..PACKET_LIMIT).unwrap_or(bytes);
        let hex: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
        let more = if head.len() < bytes.len() { "..." } else { "" };
        self.push(connection, '<', format!("{what}, {} bytes: {}{more}", bytes.len(), hex.join(" ")));
    }

    /// Something that happened.
    pub fn remark(&self, connection: u32, text: &str) {
        self.push(connection, '.', text.to_owned());
    }

    /// Everything so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lock().lines.clone()
    }

    /// Adds what was said elsewhere.
    pub fn extend(&self, lines: &[Line]) {
        self.lock().lines.extend(lines.iter().cloned());
    }

    fn push(&self, connection: u32, direction: char, text: String) {
        let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_add(text.len());
        if inner.bytes <= BYTES_LIMIT {
            inner.lines.push(Line { at_ms, connection, direction, text });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text with what is not printable escaped; line ends are kept as such.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => {}
            b'\n' | b'\t' | 0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}
