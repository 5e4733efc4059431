//! A movie header that is compressed (QuickTime File Format, compressed movie resources): `cmov` holds the
//! method in `dcom` and the bytes in `cmvd`.

use super::boxes::{self, Find, FourCc, Piece};
use super::limits::MAX_INFLATED;
use crate::container::ContainerError;
use flate2::read::ZlibDecoder;
use std::io::Read;

/// The `moov` in `cmov`. Its errors count bytes from the start of what was inflated.
pub(super) fn movie(cmov: &Piece) -> Result<Piece, ContainerError> {
    let boxes = cmov.children(0)?;
    let dcom = boxes.need(b"dcom", cmov)?;
    if !dcom.body.starts_with(b"zlib") {
        let method = dcom.body.get(..4).unwrap_or_default().escape_ascii();
        return Err(dcom.error(0, format!("a header compressed by \"{method}\"; only zlib is known")));
    }
    let cmvd = boxes.need(b"cmvd", cmov)?;
    let Some((_size, packed)) = cmvd.body.split_at_checked(4) else {
        return Err(cmvd.error(0, "the size of the header when inflated expected, the box is empty"));
    };
    let mut bytes = Vec::new();
    // The size that the box claims is not asked for: what comes is bounded, and memory follows what has come.
    let inflated = ZlibDecoder::new(packed).take(MAX_INFLATED + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > MAX_INFLATED {
        return Err(cmvd.error(4, format!("a header of more than {MAX_INFLATED} bytes when inflated")));
    }
    if let Err(error) = inflated {
        return Err(cmvd.error(4, format!("zlib data expected: {error} after {} inflated bytes", bytes.len())));
    }
    let found = boxes::header(&bytes).ok().map(|(_, head)| head).filter(|head| &head.kind.0 == b"moov");
    let Some(head) = found else { return Err(cmvd.error(4, "the header is inflated, but it is no moov box")) };
    // Both are at most the length of what lies in memory; a size that lies is cut.
    let header = head.header as usize;
    let end = head.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(bytes.len()).min(bytes.len());
    let body = bytes::Bytes::from(bytes).slice(header.min(end)..end);
    Ok(Piece::inflated(cmvd, FourCc(*b"moov"), body, head.header))
}
