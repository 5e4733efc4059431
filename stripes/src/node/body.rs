//! Bodies in and out: bounded in bytes and time, and how `Range` cuts them.

use super::{Node, refused::Refused};
use crate::wire::Refusal;
use axum::{body::Body, http::StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use std::{ops::Range, sync::Arc};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

/// Shorter pieces of a body are laid together: thousands of tiny pieces, each with its bookkeeping, would take
/// many times the memory of their bytes.
const MIN_PIECE: usize = 1024;

/// A request's body with its place in memory.
pub(super) struct Received {
    pub pieces: Vec<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// An answer's bytes, which keep their place in memory until they are sent.
struct Held {
    data: Bytes,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Node {
    /// Waits for a place in memory for `bytes`.
    pub(super) async fn place(self: &Arc<Self>, bytes: u32) -> Result<OwnedSemaphorePermit, Refused> {
        match timeout(self.limits.busy_timeout, self.in_flight.clone().acquire_many_owned(bytes)).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Refused::new(
                Refusal::Busy,
                format!("no place in memory for {bytes} bytes within {:?}", self.limits.busy_timeout),
            )),
        }
    }

    /// Receives a body of at most `most` bytes.
    pub(super) async fn receive(self: &Arc<Self>, mut body: Body, most: u32) -> Result<Received, Refused> {
        let length = body.size_hint().exact().ok_or_else(|| {
            Refused::bad("the body's length must be known first: Content-Length is missing")
                .with_status(StatusCode::LENGTH_REQUIRED)
        })?;
        let length = u32::try_from(length).ok().filter(|length| *length <= most).ok_or_else(|| {
            Refused::bad(format!("a body of {length} bytes; at most {most} are allowed"))
                .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        })?;
        let place = self.place(length).await?;
        let collect = async {
            let mut pieces = Vec::new();
            let mut small = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame?.into_data() else { continue };
                if data.len() < MIN_PIECE {
                    small.extend_from_slice(&data);
                    continue;
                }
                if !small.is_empty() {
                    pieces.push(small.split().freeze());
                }
                pieces.push(data);
            }
            if !small.is_empty() {
                pieces.push(small.freeze());
            }
            Ok::<_, axum::Error>(pieces)
        };
        match timeout(self.limits.body_timeout, collect).await {
            Ok(Ok(pieces)) => Ok(Received { pieces, _place: place }),
            Ok(Err(error)) => Err(Refused::bad(format!("the body broke off: {error}"))),
            Err(_) => Err(Refused::bad(format!("the body took longer than {:?}", self.limits.body_timeout))
                .with_status(StatusCode::REQUEST_TIMEOUT)),
        }
    }
}

/// A body that gives `place` back when it is sent.
pub(super) fn held(data: Bytes, place: OwnedSemaphorePermit) -> Body {
    Body::from(Bytes::from_owner(Held { data, _place: place }))
}

/// What `Range` asks for of `length` bytes: `Ok(None)` for all, which is also the answer to what is not one range
/// of bytes (RFC 9110 14.2 lets a server ignore it); `Err` if it lies past the end (14.1.2, status 416).
pub(super) fn range(header: &str, length: usize) -> Result<Option<Range<usize>>, ()> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number past all bounds is past the end too.
        digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
    };
    let (start, end) = match (number(first), number(last)) {
        (Some(start), None) if last.is_empty() => (start, length),
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(length)),
        (None, Some(0)) if first.is_empty() => return Err(()),
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), length),
        _ => return Ok(None),
    };
    if start < end { Ok(Some(start..end)) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_by_the_book() {
        let check = |header: &str, expected| assert_eq!(range(header, 10), expected, "{header}");
        check("bytes=0-9", Ok(Some(0..10)));
        check("bytes=0-0", Ok(Some(0..1)));
        check("bytes=3-", Ok(Some(3..10)));
        check("bytes=3-100", Ok(Some(3..10)));
        check("bytes=-3", Ok(Some(7..10)));
        check("bytes=-30", Ok(Some(0..10)));
        check("bytes=9-99999999999999999999999", Ok(Some(9..10)));
        check("bytes=10-", Err(()));
        check("bytes=99999999999999999999999-", Err(()));
        check("bytes=-0", Err(()));
        for ignored in ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "bytes=a-b", "lines=1-2"] {
            check(ignored, Ok(None));
        }
    }
}
