//! The lines of one head: start line and fields (RFC 2326 sections 4 to 7).

use super::framer::{MAX_BODY, MAX_HEADERS, MAX_REQUEST_LINE};
use super::{FrameError, Headers, Method, Request, StatusCode, Version};
use bytes::Bytes;
use rtsp_types::headers::{CONTENT_LENGTH, CSEQ};

/// Bytes of a method: it is named in answers and logs.
pub const MAX_METHOD: usize = 64;
/// Digits of a CSeq: it is echoed, and a longer one is an attempt at something.
const MAX_CSEQ: usize = 32;

/// A parsed head that may still wait for its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) start: Start,
    /// Bytes, at most [`MAX_BODY`].
    pub(super) body: usize,
}

#[derive(Debug)]
pub(super) enum Start {
    /// With an empty body.
    Request(Request),
    Response {
        status: StatusCode,
        cseq: Option<String>,
    },
    /// To be refused once its body is out of the way.
    Bad(FrameError),
}

/// One head, or several where the first lines are rubbish (the body of a request that didn't say its length)
/// and a request begins behind them: so that one slip costs one answer and not the connection.
pub(super) fn split<'a, 'b>(lines: &'a [&'b [u8]]) -> Vec<&'a [&'b [u8]]> {
    let begins = |line: &&[u8]| matches!(start_line(line), Ok(StartLine::Request { .. }));
    match lines.first() {
        Some(first) if start_line(first).is_err() => match lines.iter().skip(1).position(begins) {
            Some(rubbish) => vec![&lines[..=rubbish], &lines[rubbish + 1..]],
            None => vec![lines],
        },
        _ => vec![lines],
    }
}

/// An error here is fatal: it is not known where the message ends.
pub(super) fn parse(lines: &[&[u8]]) -> Result<Head, FrameError> {
    let Some((first, fields)) = lines.split_first() else { return Err(FrameError::bad("no request line")) };
    let cseq = find_cseq(fields);
    let with_cseq = |error: FrameError| FrameError { cseq: cseq.clone(), ..error };
    let parsed = parse_fields(fields);
    let body = match &parsed {
        Ok(headers) => body_length(headers).map_err(with_cseq)?,
        Err(_) => 0,
    };
    let start = match (start_line(first), parsed) {
        (Err(error), _) if error.fatal => return Err(error),
        (Err(error), _) | (_, Err(error)) => Start::Bad(with_cseq(error)),
        (Ok(StartLine::Response(status)), Ok(_)) => Start::Response { status, cseq },
        (Ok(StartLine::Request { method, uri, version }), Ok(headers)) => match the_cseq(&headers) {
            Ok(cseq) => Start::Request(Request {
                method: Method::from(method),
                version,
                uri: uri.to_owned(),
                cseq,
                headers,
                body: Bytes::new(),
            }),
            Err(error) => Start::Bad(error),
        },
    };
    Ok(Head { start, body })
}

enum StartLine<'a> {
    Request { method: &'a str, uri: &'a str, version: Version },
    Response(StatusCode),
}

fn start_line(line: &[u8]) -> Result<StartLine<'_>, FrameError> {
    if line.len() > MAX_REQUEST_LINE {
        return Err(FrameError::new(StatusCode::RequestURITooLong, "the request line is too long"));
    }
    let bad = || FrameError::bad("the first line is no request line");
    let text = str::from_utf8(line).map_err(|_| bad())?;
    if text.chars().any(char::is_control) {
        return Err(bad());
    }
    if text.starts_with("RTSP/") {
        let status = text.split(' ').nth(1).filter(|digits| digits.len() == 3).and_then(|digits| digits.parse().ok());
        return status.map(|code: u16| StartLine::Response(StatusCode::from(code))).ok_or_else(bad);
    }
    let mut words = text.split(' ');
    let (Some(method), Some(uri), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad());
    };
    if version.starts_with("HTTP/") {
        return Err(FrameError::silent("HTTP on the RTSP port"));
    }
    let Some(version) = version.strip_prefix("RTSP/") else { return Err(bad()) };
    if method.is_empty() || method.len() > MAX_METHOD || !method.bytes().all(is_token) || uri.is_empty() {
        return Err(bad());
    }
    match version.split_once('.') {
        Some(("1", "0")) => Ok(StartLine::Request { method, uri, version: Version::V1_0 }),
        Some(("2", "0")) => Ok(StartLine::Request { method, uri, version: Version::V2_0 }),
        Some((major, minor)) if is_digits(major) && is_digits(minor) => {
            Err(FrameError::new(StatusCode::RTSPVersionNotSupported, format!("version {version}")))
        }
        _ => Err(bad()),
    }
}

fn parse_fields(lines: &[&[u8]]) -> Result<Headers, FrameError> {
    let mut headers = Headers::default();
    for line in lines {
        let text = String::from_utf8_lossy(line);
        if text.chars().any(|char| char.is_control() && char != '\t') {
            return Err(FrameError::bad("a control character in a header field"));
        }
        if text.starts_with([' ', '\t']) {
            if !headers.fold(text.trim()) {
                return Err(FrameError::bad("a folded line without a header field before it"));
            }
            continue;
        }
        // RFC 822 knows no blank before the colon; some send it.
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name.trim_end(), value.trim()),
            None => return Err(FrameError::bad("a header line without a colon")),
        };
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(FrameError::bad("a header field without a good name"));
        }
        if headers.len() == MAX_HEADERS {
            return Err(FrameError::bad(format!("more than {MAX_HEADERS} header fields")));
        }
        headers.push(name.to_owned(), value.to_owned());
    }
    Ok(headers)
}

/// The CSeq of a request that is otherwise fine: exactly one (RFC 2326 12.17).
fn the_cseq(headers: &Headers) -> Result<String, FrameError> {
    let mut all = headers.all(CSEQ);
    match (all.next(), all.next()) {
        (None, _) => Err(FrameError::bad("no CSeq")),
        (Some(cseq), None) if is_cseq(cseq) => Ok(cseq.to_owned()),
        _ => Err(FrameError::bad("a CSeq that is no number, or two")),
    }
}

/// The CSeq of a request that is not fine, to answer it at all: the only good one in its lines.
fn find_cseq(lines: &[&[u8]]) -> Option<String> {
    let mut all = lines.iter().filter_map(|line| {
        let (name, value) = str::from_utf8(line).ok()?.split_once(':')?;
        name.trim_end().eq_ignore_ascii_case(CSEQ.as_str()).then(|| value.trim())
    });
    let first = all.next().filter(|cseq| is_cseq(cseq))?;
    all.next().is_none().then(|| first.to_owned())
}

/// Nothing where there is no Content-Length (RFC 2326 12.14): there is no chunked coding.
fn body_length(headers: &Headers) -> Result<usize, FrameError> {
    let mut length = None;
    for value in headers.all(CONTENT_LENGTH).flat_map(|value| value.split(',')).map(str::trim) {
        if !is_digits(value) || length.is_some_and(|before| before != value) {
            return Err(FrameError::bad("a Content-Length that is no number, or two").fatal());
        }
        length = Some(value);
    }
    match length.map(str::parse::<usize>) {
        None => Ok(0),
        Some(Ok(length)) if length <= MAX_BODY => Ok(length),
        Some(_) => Err(FrameError::new(StatusCode::RequestMessageBodyTooLarge, "the body is too long").fatal()),
    }
}

fn is_cseq(text: &str) -> bool {
    is_digits(text) && text.len() <= MAX_CSEQ
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 2326 section 15.1: a token's characters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}
