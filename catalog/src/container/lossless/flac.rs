//! FLAC (RFC 9639): a frame by itself, without the marks between which it lies in a file of its own.

use super::bits::{Bits, Short};
use super::interleave;
use bytes::Bytes;

/// What `STREAMINFO` says of all frames (RFC 9639 section 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::container) struct Info {
    /// Samples per second.
    pub rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Bits of a sample, 4 to 32.
    pub bits: u32,
}

/// Bits of a sample that RTP carries.
const MAX_BITS: u32 = 24;

impl Info {
    /// Reads the body of a `STREAMINFO` block, 34 bytes.
    pub fn read(body: &[u8]) -> Option<Self> {
        let fields = u32::from_be_bytes(*body.get(10..)?.first_chunk()?);
        let channels = (fields >> 9 & 7) as u8 + 1;
        let info = Self { rate: fields >> 12, channels, bits: (fields >> 4 & 31) + 1 };
        (body.len() >= 34 && info.rate > 0 && (4..=MAX_BITS).contains(&info.bits)).then_some(info)
    }

    /// Whether samples travel as 24 bits rather than 16.
    pub fn is_wide(&self) -> bool {
        self.bits > 16
    }
}

/// How many samples of each channel a frame has.
pub(super) fn samples(frame: &[u8]) -> Option<u32> {
    header(&mut Bits::new(frame)).ok().map(|header| header.samples)
}

/// The samples of a frame, as [`interleave`] has them; an error says what is wrong with it.
pub(super) fn decode(frame: &[u8], info: &Info) -> Result<Bytes, &'static str> {
    let mut bits = Bits::new(frame);
    let header = header(&mut bits)?;
    if header.channels() != info.channels || header.bits.is_some_and(|bits| bits != info.bits) {
        return Err("a FLAC frame of other samples than the stream's");
    }
    // No allocation beyond what the frame can have: of a constant one a few bytes make 65535 samples.
    let mut channels = Vec::with_capacity(info.channels.into());
    for number in 0..info.channels {
        let side = match header.assignment {
            8 | 10 => number == 1,
            9 => number == 0,
            _ => false,
        };
        channels.push(subframe(&mut bits, header.samples as usize, info.bits + u32::from(side))?);
    }
    if let [first, second] = channels.as_mut_slice() {
        decorrelate(header.assignment, first, second);
    }
    Ok(interleave(&channels, info.bits))
}

/// RFC 9639 section 4.2.
fn decorrelate(assignment: u32, first: &mut [i32], second: &mut [i32]) {
    for (a, b) in first.iter_mut().zip(second) {
        match assignment {
            8 => *b = a.wrapping_sub(*b),
            9 => *a = a.wrapping_add(*b),
            10 => {
                let mid = a.wrapping_mul(2) | (*b & 1);
                (*a, *b) = (mid.wrapping_add(*b) >> 1, mid.wrapping_sub(*b) >> 1);
            }
            _ => {}
        }
    }
}

struct Header {
    samples: u32,
    /// 0 to 7: so many channels and one; 8 to 10: two, and how.
    assignment: u32,
    /// `None`: as the stream.
    bits: Option<u32>,
}

impl Header {
    fn channels(&self) -> u8 {
        if self.assignment < 8 { self.assignment as u8 + 1 } else { 2 }
    }
}

impl From<Short> for &'static str {
    fn from(_: Short) -> Self {
        "a FLAC frame that is cut"
    }
}

/// RFC 9639 section 9.1.
fn header(bits: &mut Bits<'_>) -> Result<Header, &'static str> {
    if bits.read(15)? != 0x7FFC {
        return Err("a FLAC frame expected");
    }
    let _varies = bits.read(1)?;
    let (size, rate, assignment) = (bits.read(4)?, bits.read(4)?, bits.read(4)?);
    let depth = bits.read(3)?;
    let reserved = bits.read(1)?;
    // The number of the frame or its first sample, in up to seven bytes as UTF-8 has them.
    let more = match bits.read(8)? {
        0..=0x7F => 0,
        0xC0..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xF7 => 3,
        0xF8..=0xFB => 4,
        0xFC..=0xFD => 5,
        0xFE => 6,
        _ => return Err("a FLAC frame's number expected"),
    };
    for _ in 0..more {
        bits.read(8)?;
    }
    let samples = match size {
        1 => 192,
        2..=5 => 144 << size,
        6 => bits.read(8)? + 1,
        7 => bits.read(16)? + 1,
        8..=15 => 1 << size,
        _ => return Err("a FLAC frame of a reserved size"),
    };
    match rate {
        12 => bits.read(8)?,
        13 | 14 => bits.read(16)?,
        15 => return Err("a FLAC frame of a forbidden rate"),
        _ => 0,
    };
    let _crc = bits.read(8)?;
    let bits = match depth {
        0 => None,
        1 => Some(8),
        2 => Some(12),
        4 => Some(16),
        5 => Some(20),
        6 => Some(24),
        7 => Some(32),
        _ => return Err("a FLAC frame of reserved samples"),
    };
    if reserved != 0 || assignment > 10 {
        return Err("a FLAC frame of a reserved kind");
    }
    Ok(Header { samples, assignment, bits })
}

/// The samples of one channel (RFC 9639 section 9.2); `width` in bits.
fn subframe(bits: &mut Bits<'_>, count: usize, width: u32) -> Result<Vec<i32>, &'static str> {
    let head = bits.read(8)?;
    let wasted = if head & 1 == 1 { bits.zeros()? + 1 } else { 0 };
    let width = width.checked_sub(wasted).filter(|width| *width > 0).ok_or("a FLAC subframe of no bits")?;
    let mut out = match head >> 1 {
        0 => vec![bits.signed(width)?; count],
        1 => raw(bits, count, width)?,
        kind @ 8..=12 => {
            // Section 9.2.5: polynomials through the samples before.
            const FIXED: [&[i64]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];
            let coefficients = FIXED[kind as usize - 8];
            let warm = raw(bits, coefficients.len().min(count), width)?;
            predicted(bits, warm, count, coefficients, 0)?
        }
        kind @ 32..=63 => {
            let order = (kind & 31) as usize + 1;
            let warm = raw(bits, order.min(count), width)?;
            let precision = bits.read(4)? + 1;
            let shift = bits.signed(5)?;
            if precision == 16 || shift < 0 || order > count {
                return Err("a FLAC subframe of a forbidden prediction");
            }
            let mut coefficients = Vec::with_capacity(order);
            for _ in 0..order {
                coefficients.push(bits.signed(precision)?.into());
            }
            predicted(bits, warm, count, &coefficients, shift.cast_unsigned())?
        }
        _ => return Err("a FLAC subframe of a reserved kind"),
    };
    out.iter_mut().for_each(|sample| *sample <<= wasted);
    Ok(out)
}

fn raw(bits: &mut Bits<'_>, count: usize, width: u32) -> Result<Vec<i32>, Short> {
    (0..count).map(|_| bits.signed(width)).collect()
}

/// What `warm` leads to with the residual (RFC 9639 section 9.2.7).
fn predicted(
    bits: &mut Bits<'_>,
    warm: Vec<i32>,
    count: usize,
    coefficients: &[i64],
    shift: u32,
) -> Result<Vec<i32>, &'static str> {
    let mut out = warm;
    let wide = match bits.read(2)? {
        method @ 0..=1 => method == 1,
        _ => return Err("a FLAC residual of a reserved kind"),
    };
    let partitions = 1usize << bits.read(4)?;
    let each = count / partitions;
    if each * partitions != count || each < out.len() {
        return Err("a FLAC residual in parts that don't fit");
    }
    for partition in 0..partitions {
        let end = (partition + 1) * each;
        let parameter = bits.read(if wide { 5 } else { 4 })?;
        let escaped = parameter == if wide { 31 } else { 15 };
        let width = if escaped { bits.read(5)? } else { 0 };
        while out.len() < end {
            let residual = match escaped {
                true => i64::from(bits.signed(width)?),
                false => {
                    let folded = i64::from(bits.zeros()?) << parameter | i64::from(bits.read(parameter)?);
                    folded >> 1 ^ -(folded & 1)
                }
            };
            let before = out.iter().rev().zip(coefficients);
            // At most 32 products of 33 and 15 bits.
            let sum: i64 = before.map(|(sample, coefficient)| i64::from(*sample) * coefficient).sum();
            // What is damaged may go beyond a sample's bits.
            out.push(((sum >> shift) + residual) as i32);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: Info = Info { rate: 44_100, channels: 1, bits: 16 };

    #[test]
    fn what_the_stream_says_is_read() {
        let mut body = vec![0; 34];
        body[10..14].copy_from_slice(&[0x0A, 0xC4, 0x42, 0xF0]);
        assert_eq!(Info::read(&body), Some(Info { rate: 44_100, channels: 2, bits: 16 }));
        assert_eq!(Info::read(&body[..33]), None);
        body[12..14].copy_from_slice(&[0x43, 0xF0]);
        assert_eq!(Info::read(&body), None);
    }

    #[test]
    fn frames_of_every_kind_are_decoded() {
        // The example of RFC 9639 appendix D.1: one sample of two channels, both verbatim with wasted bits.
        let stereo = Info { channels: 2, ..INFO };
        let frame = [0xFF, 0xF8, 0x69, 0x18, 0, 0, 0xBF, 0x03, 0x58, 0xFD, 0x03, 0x12, 0x8B, 0xAA, 0x9A];
        assert_eq!(samples(&frame), Some(1));
        assert_eq!(decode(&frame, &stereo).unwrap().as_ref(), [0x63, 0xF4, 0x28, 0xB0]);
        let head = [0xFF, 0xF8, 0x69, 0x08, 0, 3, 0];
        #[track_caller]
        fn check(head: &[u8], body: &[u8], want: Result<&[i16], &str>) {
            let found = decode(&[head, body].concat(), &INFO);
            let want = want.map(|want| want.iter().flat_map(|sample| sample.to_be_bytes()).collect::<Vec<u8>>());
            assert_eq!(found.as_deref().map_err(|why| *why), want.as_deref().map_err(|why| *why));
        }
        check(&head, &[0, 0xFF, 0xFE], Ok(&[-2; 4]));
        // Order 1; Rice parameter 1: the residuals 1, -1, 2.
        check(&head, &[9 << 1, 0, 5, 0, 0b0101_0110], Err("a FLAC frame that is cut"));
        check(&head, &[9 << 1, 0, 5, 0, 0b0101_0110, 0b0100_0000], Ok(&[5, 6, 5, 7]));
        check(&head, &[2 << 1, 0], Err("a FLAC subframe of a reserved kind"));
        check(&head[..3], &[], Err("a FLAC frame that is cut"));
        check(&[0xFF, 0xF1, 0, 0], &[], Err("a FLAC frame expected"));
        assert_eq!(
            decode(&[&head[..], &[0; 4]].concat(), &stereo),
            Err("a FLAC frame of other samples than the stream's")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(body: Vec<u8>) {
            for head in [[0xFF, 0xF8, 0xC9, 0x08, 0], [0xFF, 0xF8, 0xC9, 0xA8, 0]] {
                for channels in [1, 2] {
                    let _ = decode(&[&head[..], &body].concat(), &Info { channels, ..INFO });
                }
            }
        }
    }
}
