//! Messages as bytes: a writer that can send what no library would, and a reader that keeps what came.

/// A request to be written; every part can be made wrong.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, as it stands on the wire.
    pub method: String,
    /// Request-URI, as it stands on the wire.
    pub uri: String,
    /// `RTSP/1.0`.
    pub version: String,
    /// `None`: the connection's next number.
    pub cseq: Option<String>,
    /// Whether there is a CSeq header at all.
    pub numbered: bool,
    /// In this order.
    pub headers: Vec<(String, String)>,
    /// Sent after the headers; Content-Length is added unless `headers` has one or `unmeasured`.
    pub body: Vec<u8>,
    /// No Content-Length is added.
    pub unmeasured: bool,
    /// Between the lines.
    pub line_end: &'static str,
}

impl Request {
    /// An RTSP/1.0 request.
    pub fn new(method: &str, uri: &str) -> Self {
        Self {
            method: method.into(),
            uri: uri.into(),
            version: "RTSP/1.0".into(),
            cseq: None,
            numbered: true,
            headers: Vec::new(),
            body: Vec::new(),
            unmeasured: false,
            line_end: "\r\n",
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a header where there is a value.
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Sets the body and its type.
    pub fn body(mut self, kind: &str, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("Content-Type", kind)
    }

    /// Says this version.
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    /// Has this CSeq, number or not.
    pub fn cseq(mut self, cseq: &str) -> Self {
        self.cseq = Some(cseq.into());
        self
    }

    /// Has no CSeq.
    pub fn without_cseq(mut self) -> Self {
        self.numbered = false;
        self
    }

    /// Ends its lines so.
    pub fn line_end(mut self, end: &'static str) -> Self {
        self.line_end = end;
        self
    }

    /// Has no Content-Length.
    pub fn unmeasured(mut self) -> Self {
        self.unmeasured = true;
        self
    }

    /// The bytes, with this CSeq unless the request has its own.
    pub fn bytes(&self, cseq: u32) -> Vec<u8> {
        let end = self.line_end;
        let mut text = format!("{} {} {}{end}", self.method, self.uri, self.version);
        if self.numbered {
            let cseq = self.cseq.clone().unwrap_or_else(|| cseq.to_string());
            text.push_str(&format!("CSeq: {cseq}{end}"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}{end}"));
        }
        let measured = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
        if !self.body.is_empty() && !measured && !self.unmeasured {
            text.push_str(&format!("Content-Length: {}{end}", self.body.len()));
        }
        text.push_str(end);
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// What came: an answer, or a request of the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// First line, without its end.
    pub first: String,
    /// `RTSP/1.0`.
    pub version: String,
    /// 0 in a request of the server.
    pub status: u16,
    /// In their order, values without blanks around them.
    pub headers: Vec<(String, String)>,
    /// As Content-Length says.
    pub body: Vec<u8>,
    /// What is wrong with its form (RFC 2326 4, 7.1), in words.
    pub faults: Vec<String>,
    /// Everything, as it came.
    pub raw: Vec<u8>,
}

/// Longest answer that is read: a server that never ends its headers is not given more memory.
pub const RESPONSE_LIMIT: usize = 1 << 20;

impl Response {
    /// Reads one message at the head of `bytes`; `None`: not all of it is there.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
        let mut response = Self::default();
        let mut lines = head.split("\r\n");
        response.first = lines.next().unwrap_or_default().to_owned();
        if head.bytes().filter(|&b| b == b'\n').count() != head.matches("\r\n").count() {
            response.faults.push("a line ends with LF alone".into());
        }
        response.read_first();
        for line in lines {
            match line.split_once(':') {
                Some((name, _)) if name.is_empty() || name.contains([' ', '\t']) => {
                    response.faults.push(format!("header name {name:?}"));
                }
                Some((name, value)) => response.headers.push((name.into(), value.trim().into())),
                None if line.starts_with([' ', '\t']) => {}
                None => response.faults.push(format!("header line without colon {line:?}")),
            }
        }
        let stated = response.header("Content-Length").map(str::to_owned);
        let length: usize = match stated.as_deref().map(str::parse) {
            None => 0,
            Some(Ok(length)) if length <= RESPONSE_LIMIT => length,
            Some(_) => {
                response.faults.push(format!("Content-Length {}", stated.unwrap_or_default()));
                0
            }
        };
        let whole = end + 4 + length;
        response.body = bytes.get(end + 4..whole)?.to_vec();
        response.raw = bytes.get(..whole)?.to_vec();
        Some((response, whole))
    }

    fn read_first(&mut self) {
        let mut words = self.first.splitn(3, ' ');
        self.version = words.next().unwrap_or_default().to_owned();
        let status = words.next().unwrap_or_default().to_owned();
        if !self.version.starts_with("RTSP/") && !self.version.starts_with("HTTP/") {
            return;
        }
        if status.len() != 3 || !status.bytes().all(|b| b.is_ascii_digit()) {
            self.faults.push(format!("status {status:?} is not three digits"));
        }
        if words.next().is_none() {
            self.faults.push("no reason phrase and no blank before it".into());
        }
        self.status = status.parse().unwrap_or(0);
    }

    /// Whether it is a request of the server.
    pub fn is_request(&self) -> bool {
        self.first.contains(" RTSP/")
    }

    /// First header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers of this name, as one list (RFC 2326 4.2 by RFC 2068 4.2).
    pub fn list(&self, name: &str) -> Vec<String> {
        let all = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        all.flat_map(|(_, value)| value.split(',')).map(|item| item.trim().to_owned()).collect()
    }

    /// A parameter of a header whose parts stand between `;`, without quotes.
    pub fn parameter(&self, header: &str, name: &str) -> Option<&str> {
        parameter(self.header(header)?, name)
    }

    /// The session's id, without its timeout.
    pub fn session(&self) -> Option<&str> {
        self.header("Session")?.split(';').next().map(str::trim)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status line and headers in one line, for verdicts.
    pub fn brief(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{} | {}", self.first, headers.join(" | "))
    }
}

/// The value of `name=value` among parts between `;`, names in any case, quotes taken off.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_their_faults() {
        let cases: &[(&str, u16, &[&str], &str)] = &[
            ("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", 200, &[], ""),
            ("RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, &[], "abc"),
            ("RTSP/1.0 20 OK\r\n\r\n", 20, &["status \"20\" is not three digits"], ""),
            ("RTSP/1.0 404\r\n\r\n", 404, &["no reason phrase and no blank before it"], ""),
            ("RTSP/1.0 200 OK\r\nnonsense\r\n\r\n", 200, &["header line without colon \"nonsense\""], ""),
            ("RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", 200, &["Content-Length -1"], ""),
            ("RTSP/1.0 200 OK\r\nA : b\r\n\r\n", 200, &["header name \"A \""], ""),
        ];
        for (bytes, status, faults, body) in cases {
            let (response, used) = Response::read(bytes.as_bytes()).expect(bytes);
            assert_eq!((response.status, used), (*status, bytes.len()), "{bytes}");
            assert_eq!(
                (response.faults.as_slice(), response.text().as_str()),
                (&faults.map_owned()[..], *body),
                "{bytes}"
            );
        }
        assert_eq!(Response::read(b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab"), None);
        assert_eq!(Response::read(b"RTSP/1.0 200 OK\r\n"), None);
    }

    trait Owned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl Owned for [&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|&text| text.to_owned()).collect()
        }
    }

    #[test]
    fn requests_are_written_as_told() {
        let request = Request::new("PLAY", "rtsp://h/a").header("Range", "npt=1-");
        assert_eq!(request.bytes(7), b"PLAY rtsp://h/a RTSP/1.0\r\nCSeq: 7\r\nRange: npt=1-\r\n\r\n");
        let request = Request::new("X", "*").version("RTSP/3.0").without_cseq().line_end("\n").body("t/p", "ab");
        assert_eq!(request.bytes(7), b"X * RTSP/3.0\nContent-Type: t/p\nContent-Length: 2\n\nab");
        assert_eq!(parameter("RTP/AVP;Client_Port=1-2; ssrc=\"AB\"", "client_port"), Some("1-2"));
        assert_eq!(parameter("RTP/AVP;Client_Port=1-2; ssrc=\"AB\"", "ssrc"), Some("AB"));
    }
}
