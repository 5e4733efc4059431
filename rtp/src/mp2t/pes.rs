//! The head of a PES packet (ISO 13818-1 2.4.3.6). Each packet holds one access unit.

/// Bytes up to the flags' optional fields.
const HEAD: usize = 9;
/// Bytes behind the field that says their length.
const AFTER_LENGTH: usize = 3;
/// Data alignment: the packet begins with an access unit.
const FLAGS: u8 = 0x84;
const PTS: u8 = 0x80;
const PTS_AND_DTS: u8 = 0xC0;
/// Times are counted modulo 2^33 ticks of 90 kHz.
const TIME: i64 = (1 << 33) - 1;

/// Appends the head of a packet with `length` bytes of payload. Its length field is zero where 16 bits can't say it, which
/// only video may have; `None` for all else.
pub(super) fn write_head(stream_id: u8, length: usize, decode: i64, shown: i64, out: &mut Vec<u8>) -> Option<()> {
    let times = if decode == shown { 5 } else { 10 };
    let length = match u16::try_from(length + AFTER_LENGTH + times) {
        Ok(length) => length,
        Err(_) if stream_id & 0xF0 == 0xE0 => 0,
        Err(_) => return None,
    };
    out.extend_from_slice(&[0, 0, 1, stream_id]);
    out.extend_from_slice(&length.to_be_bytes());
    if decode == shown {
        out.extend_from_slice(&[FLAGS, PTS, 5]);
        out.extend_from_slice(&time(2, shown));
    } else {
        out.extend_from_slice(&[FLAGS, PTS_AND_DTS, 10]);
        out.extend_from_slice(&time(3, shown));
        out.extend_from_slice(&time(1, decode));
    }
    Some(())
}

/// Bytes of the longest head.
pub(super) const MAX_HEAD: usize = HEAD + 10;

/// A time between its marker bits, behind four bits that say which.
fn time(kind: u8, time: i64) -> [u8; 5] {
    let time = (time & TIME) as u64;
    let pair = |shift: u32| ((time >> shift & 0x7FFF) << 1 | 1) as u16;
    let [a, b] = pair(15).to_be_bytes();
    let [c, d] = pair(0).to_be_bytes();
    [kind << 4 | ((time >> 30) as u8) << 1 | 1, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_the_times_and_the_length() {
        let cases: &[(u8, usize, i64, i64, &[u8])] = &[
            (0xC0, 100, 90_000, 90_000, &[0, 0, 1, 0xC0, 0, 108, 0x84, 0x80, 5, 0x21, 0, 5, 0xBF, 0x21]),
            // 2^33 is zero again, and one less is all ones.
            (
                0xE0,
                70_000,
                (1 << 33) - 1,
                1 << 33,
                &[0, 0, 1, 0xE0, 0, 0, 0x84, 0xC0, 10, 0x31, 0, 1, 0, 1, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF],
            ),
        ];
        for (stream_id, length, decode, shown, expected) in cases {
            let mut out = Vec::new();
            write_head(*stream_id, *length, *decode, *shown, &mut out).unwrap();
            assert_eq!(&out, expected);
            assert!(out.len() <= MAX_HEAD);
        }
        assert_eq!(write_head(0xBD, 70_000, 0, 0, &mut Vec::new()), None);
    }
}
