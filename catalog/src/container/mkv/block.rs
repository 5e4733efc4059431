//! Blocks (RFC 9559 section 10): which track, when, and the frames in it.

use super::ebml;
use bytes::Bytes;

/// A block's header and frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `TrackNumber`
    pub track: u64,
    /// In ticks, from the cluster's time on.
    pub time: i16,
    /// Of a SimpleBlock: decoding may begin here.
    pub key: bool,
    /// More than one where they are laced.
    pub frames: Vec<Bytes>,
}

/// Frames of one block: a lace counts them in one byte.
const MAX_FRAMES: usize = 256;

impl Block {
    /// Reads a block's bytes; an error says what is wrong with them.
    pub fn read(bytes: &Bytes) -> Result<Self, &'static str> {
        let (rest, track) = ebml::vint(bytes).map_err(|_| "a track number expected")?;
        let Some((&[high, low, flags], rest)) = rest.split_first_chunk() else {
            return Err("a time and flags expected behind the track number");
        };
        let body = bytes.slice(bytes.len() - rest.len()..);
        let frames = match flags >> 1 & 3 {
            0 => vec![body],
            lacing => laced(&body, lacing)?,
        };
        Ok(Self { track, time: i16::from_be_bytes([high, low]), key: flags & 0x80 != 0, frames })
    }
}

/// The frames of a lace (sections 10.3.2 to 10.3.4).
fn laced(body: &Bytes, lacing: u8) -> Result<Vec<Bytes>, &'static str> {
    let (&count, mut rest) = body.split_first().ok_or("a count of laced frames expected")?;
    let count = usize::from(count) + 1;
    debug_assert!(count <= MAX_FRAMES);
    let mut sizes = Vec::with_capacity(count);
    match lacing {
        1 => {
            for _ in 1..count {
                let end = rest.iter().position(|byte| *byte != 255).ok_or("lengths of laced frames that don't end")?;
                sizes.push(end * 255 + usize::from(rest[end]));
                rest = &rest[end + 1..];
            }
        }
        2 => sizes.resize(count - 1, rest.len() / count),
        _ => {
            let mut size = 0i64;
            for number in 1..count {
                let (after, value) = match number {
                    1 => ebml::vint(rest).map(|(after, value)| (after, value as i64)),
                    _ => ebml::signed(rest),
                }
                .map_err(|_| "lengths of laced frames expected")?;
                size = if number == 1 { value } else { size.saturating_add(value) };
                sizes.push(usize::try_from(size).map_err(|_| "a laced frame of negative length")?);
                rest = after;
            }
        }
    }
    let mut at = body.len() - rest.len();
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        let end =
            at.checked_add(size).filter(|end| *end <= body.len()).ok_or("laced frames longer than their block")?;
        frames.push(body.slice(at..end));
        at = end;
    }
    frames.push(body.slice(at..));
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Track, time, key and frames.
    type Read<'a> = Result<(u64, i16, bool, &'a [&'a [u8]]), &'a str>;

    #[track_caller]
    fn check(name: &str, bytes: &'static [u8], want: Read<'_>) {
        let found = Block::read(&Bytes::from_static(bytes));
        let found = found.as_ref().map(|block| (block.track, block.time, block.key, block.frames.clone()));
        let want = want.map(|(track, time, key, frames)| {
            (track, time, key, frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect::<Vec<_>>())
        });
        assert_eq!(found.map_err(|error| *error), want, "{name}");
    }

    #[test]
    fn frames_come_out_of_every_lace() {
        check("one", b"\x81\xFF\xFE\x80ab", Ok((1, -2, true, &[b"ab"])));
        check("a high track", b"\x40\x80\0\x01\0a", Ok((128, 1, false, &[b"a"])));
        check("Xiph", b"\x81\0\0\x02\x02\x01\x02abbccc", Ok((1, 0, false, &[b"a", b"bb", b"ccc"])));
        check("fixed", b"\x81\0\0\x04\x01aabb", Ok((1, 0, false, &[b"aa", b"bb"])));
        check("EBML", b"\x81\0\0\x06\x02\x81\xC0abbccc", Ok((1, 0, false, &[b"a", b"bb", b"ccc"])));
        check("too long", b"\x81\0\0\x02\x01\x09ab", Err("laced frames longer than their block"));
        check("no end", b"\x81\0\0\x02\x01\xFF", Err("lengths of laced frames that don't end"));
        check("negative", b"\x81\0\0\x06\x02\x81\x80ab", Err("a laced frame of negative length"));
        check("no flags", b"\x81\0", Err("a time and flags expected behind the track number"));
        check("nothing", b"", Err("a track number expected"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(block) = Block::read(&bytes.clone().into()) {
                prop_assert!(block.frames.iter().map(Bytes::len).sum::<usize>() <= bytes.len());
            }
        }
    }
}
