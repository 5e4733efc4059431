//! The description of a channel's group by HTTP: `GET /NAME.sdp`.

use super::{Front, carry::Caller};
use crate::message::{Headers, Method, Request, SERVER, Version};
use crate::net::tunnel::http::{Head, refusal};
use crate::server::Description;
use std::fmt::Write as _;
use std::io;
use std::time::Instant;
use tokio::io::{AsyncWrite, AsyncWriteExt};

impl Front {
    /// Answers it, and closes.
    pub(super) async fn describe<S>(&self, mut stream: S, head: &Head, caller: Caller) -> io::Result<()>
    where
        S: AsyncWrite + Unpin,
    {
        let credentials = head.get("authorization").map(|value| ("Authorization".to_owned(), value.to_owned()));
        let get = Request {
            method: Method::Extension(head.method.clone()),
            version: Version::V1_0,
            uri: head.target.clone(),
            cseq: "0".into(),
            headers: Headers::from_iter(credentials),
            body: bytes::Bytes::new(),
        };
        let found = self.server.group_description(&get, caller.peer.ip(), caller.secure, Instant::now());
        stream.write_all(&answer(&found, head.method == "HEAD")).await?;
        stream.shutdown().await
    }
}

/// RFC 9110 section 9.3.2: HEAD is answered as GET, without the body.
fn answer(found: &Description, head_only: bool) -> Vec<u8> {
    let text = match found {
        Description::Found(sdp) => {
            let length = sdp.len();
            let body = if head_only { "" } else { sdp };
            format!(
                "HTTP/1.1 200 OK\r\nServer: {SERVER}\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\
                 Cache-Control: no-cache\r\nConnection: close\r\n\r\n{body}"
            )
        }
        Description::Unauthorized(challenges) => {
            let mut text = format!("HTTP/1.1 401 Unauthorized\r\nServer: {SERVER}\r\n");
            for challenge in challenges {
                let _ = write!(text, "WWW-Authenticate: {challenge}\r\n");
            }
            text + "Content-Length: 0\r\nConnection: close\r\n\r\n"
        }
        Description::NotFound => return refusal("404 Not Found"),
        Description::Forbidden => return refusal("403 Forbidden"),
        Description::Bad => return refusal("400 Bad Request"),
    };
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_type_and_length_and_head_has_no_body() {
        let found = Description::Found("v=0\r\n".into());
        let challenges = Description::Unauthorized(vec!["Digest a".into(), "Basic b".into()]);
        let cases: &[(&Description, bool, &[&str], &str)] = &[
            (&found, false, &["HTTP/1.1 200 OK", "Content-Type: application/sdp", "Content-Length: 5"], "v=0\r\n"),
            (&found, true, &["HTTP/1.1 200 OK", "Content-Type: application/sdp", "Content-Length: 5"], ""),
            (
                &challenges,
                false,
                &["HTTP/1.1 401 Unauthorized", "WWW-Authenticate: Digest a", "WWW-Authenticate: Basic b"],
                "",
            ),
            (&Description::NotFound, false, &["HTTP/1.1 404 Not Found", "Content-Length: 0"], ""),
            (&Description::Forbidden, false, &["HTTP/1.1 403 Forbidden"], ""),
            (&Description::Bad, false, &["HTTP/1.1 400 Bad Request"], ""),
        ];
        for (found, head_only, lines, body) in cases {
            let text = String::from_utf8(answer(found, *head_only)).unwrap();
            let (head, rest) = text.split_once("\r\n\r\n").unwrap();
            let have: Vec<&str> = head.split("\r\n").collect();
            assert!(lines.iter().all(|line| have.contains(line)), "{head}");
            assert_eq!(rest, *body);
        }
    }
}
