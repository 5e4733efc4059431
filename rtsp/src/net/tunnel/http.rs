//! The little of HTTP that a tunnel needs.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a request's head: players' are a few hundred.
const MAX_HEAD: usize = 16 << 10;

/// The head of an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `GET`, `HEAD`, `POST`
    pub method: String,
    /// What it asks for: a path, mostly.
    pub target: String,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

impl Head {
    /// The only field of that (lower-case) name; `None` where there is none, or several (CVE-2018-4013).
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(have, _)| have == name);
        let first = all.next()?;
        all.next().is_none().then_some(&first.1)
    }

    /// Whether a field has `word` in its list.
    pub fn has(&self, name: &str, word: &str) -> bool {
        let list = self.get(name).unwrap_or_default();
        list.split(',').any(|element| element.trim().eq_ignore_ascii_case(word))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        let (method, rest) = lines.next()?.split_once(' ')?;
        let (target, version) = rest.split_once(' ')?;
        if !version.starts_with("HTTP/1.") {
            return None;
        }
        let fields = lines.filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self { method: method.to_owned(), target: target.to_owned(), fields: fields.collect::<Option<_>>()? })
    }
}

/// Whether there is a whole head, or more than one may have. Of the bytes `searched` were searched before.
pub(crate) fn has_head(bytes: &[u8], searched: usize) -> bool {
    bytes.len() > MAX_HEAD || end_of_head(bytes, searched).is_some()
}

/// Where the body begins.
fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    // Its end may have come in pieces.
    let from = searched.saturating_sub(END.len() - 1);
    let place = bytes.get(from..)?.windows(END.len()).position(|window| window == END)?;
    Some(from + place + END.len())
}

/// Reads a head; what was read behind it comes with it. `None`: it is none.
///
/// # Errors
/// The stream's; `UnexpectedEof` where it ends before.
pub async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    mut bytes: Vec<u8>,
) -> io::Result<Option<(Head, Vec<u8>)>> {
    // What was searched is not searched again: a head may come byte by byte.
    let mut searched = 0;
    loop {
        if let Some(end) = end_of_head(&bytes, searched) {
            let rest = bytes.split_off(end);
            let head = str::from_utf8(&bytes).ok().and_then(Head::parse);
            return Ok(head.map(|head| (head, rest)));
        }
        if bytes.len() > MAX_HEAD {
            return Ok(None);
        }
        searched = bytes.len();
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// An answer without a body after which the connection is closed.
pub fn refusal(status: &str) -> Vec<u8> {
    let server = crate::message::SERVER;
    format!("HTTP/1.1 {status}\r\nServer: {server}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The answer to a tunnel's GET: what follows is what the server says, until the connection is closed.
pub fn tunnel_opened() -> Vec<u8> {
    let server = crate::message::SERVER;
    format!(
        "HTTP/1.0 200 OK\r\nServer: {server}\r\nConnection: close\r\nCache-Control: no-store\r\nPragma: no-cache\r\n\
         Content-Type: application/x-rtsp-tunnelled\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_is_read_and_nothing_is_lost() {
        let text: &[u8] = b"POST /film HTTP/1.0\r\nx-sessioncookie: abc\r\nConnection: a, Upgrade\r\n\r\nT1BU";
        for first in [0, 3, 30] {
            let read = read_head(&mut &text[first..], text[..first].to_vec()).await.unwrap();
            let (head, rest) = read.expect("a head");
            assert_eq!(
                (head.method.as_str(), head.target.as_str(), head.get("x-sessioncookie"), rest.as_slice()),
                ("POST", "/film", Some("abc"), &b"T1BU"[..])
            );
            assert!(head.has("connection", "upgrade") && !head.has("connection", "close"));
        }
        let twice = b"GET / HTTP/1.0\r\nX-SessionCookie: a\r\nx-sessioncookie: b\r\n\r\n";
        let (head, _) = read_head(&mut &twice[..], Vec::new()).await.unwrap().expect("a head");
        assert_eq!(head.get("x-sessioncookie"), None);
        for bad in [b"GET /\r\n\r\n".to_vec(), b"GET / HTTP/1.0\r\nx\r\n\r\n".to_vec(), vec![b'x'; 40_000]] {
            assert_eq!(read_head(&mut bad.as_slice(), Vec::new()).await.ok().flatten(), None);
        }
    }
}
