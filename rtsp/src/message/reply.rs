//! The responses that we write.

use super::StatusCode;
use rtsp_types::headers::{CONTENT_LENGTH, CSEQ, DATE, SERVER as SERVER_HEADER, WWW_AUTHENTICATE};
use rtsp_types::{Response, Version};
use std::time::SystemTime;

/// A response, as `rtsp-types` models it. Header values must come from us or from a parsed request: both are
/// free of line ends.
pub type Reply = Response<Vec<u8>>;

/// What we call ourselves in `Server`. (VLC changes its ways for some names: none of them begins like this.)
pub const SERVER: &str = concat!("mobidic/", env!("CARGO_PKG_VERSION"));

/// What we call ourselves about presentations with ASF tracks: ffmpeg and GStreamer read such a description only from
/// somebody of that name.
pub const ASF_SERVER: &str = concat!("WMServer/9.5.6001.18000 mobidic/", env!("CARGO_PKG_VERSION"));

/// An empty response.
pub fn reply(status: StatusCode) -> Reply {
    let builder = Response::builder(Version::V1_0, status);
    let reason = match status {
        // live555 and ffmpeg look at the code alone, but everyone else writes it so.
        StatusCode::Ok => "OK".to_owned(),
        // The words of RFC 2326 7.1.1, where RFC 7826 has others.
        StatusCode::RequestMessageBodyTooLarge => "Request Entity Too Large".to_owned(),
        StatusCode::ParameterNotUnderstood => "Parameter Not Understood".to_owned(),
        StatusCode::Extension(416) => "Invalid Blocksize".to_owned(),
        other => other.to_string(),
    };
    builder.reason_phrase(reason).build(Vec::new())
}

/// What parts the challenges of one `WWW-Authenticate`.
pub const CHALLENGES_END: char = '\n';

/// A response's bytes, with the fields that every one has: CSeq, Server, Date, and Content-Length over a body.
pub fn serialize(mut reply: Reply, cseq: Option<&str>, date: SystemTime) -> Vec<u8> {
    if let Some(cseq) = cseq {
        reply.insert_header(CSEQ, cseq);
    }
    if reply.header(&SERVER_HEADER).is_none() {
        reply.insert_header(SERVER_HEADER, SERVER);
    }
    reply.insert_header(DATE, httpdate::fmt_http_date(date));
    if !reply.body().is_empty() {
        reply.insert_header(CONTENT_LENGTH, reply.body().len().to_string());
    }
    let version = if reply.version() == Version::V2_0 { "2.0" } else { "1.0" };
    let mut text = format!("RTSP/{version} {} {}\r\n", u16::from(reply.status()), reply.reason_phrase());
    for (name, value) in reply.headers() {
        // Each challenge has a field of its own: ffmpeg and retina read no list of them.
        let values = value.as_str().split(if *name == WWW_AUTHENTICATE { CHALLENGES_END } else { '\0' });
        for value in values {
            text += &format!("{name}: {value}\r\n");
        }
    }
    let mut bytes = (text + "\r\n").into_bytes();
    bytes.extend_from_slice(reply.body());
    bytes
}
