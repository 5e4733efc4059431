//! Headers of packs and PES packets, of MPEG-1 (ISO 11172-1 2.4.3) and MPEG-2 (ISO 13818-1 2.4.3.7, 2.5.3.4).

use nom::bytes::complete::{take, take_while};
use nom::error::{Error, ErrorKind};
use nom::number::complete::u8 as byte;
use nom::{Err, IResult, Parser};

/// The bytes of a start code with what it starts.
pub(super) const START_CODE_LEN: usize = 4;
/// A start code and `PES_packet_length`.
pub(super) const PES_FIXED_LEN: usize = 6;
/// The longest pack header: MPEG-2's with seven bytes of stuffing.
pub(super) const MAX_PACK_LEN: usize = 14 + 7;
/// The longest PES header after the fixed part that anyone would write: MPEG-2's flags, 255 bytes and some stuffing.
pub(super) const MAX_PES_HEADER_LEN: usize = 3 + 255 + 64;

/// Start codes below belong to video; from here on to the system layer.
pub(super) const PROGRAM_END: u8 = 0xB9;
pub(super) const PACK: u8 = 0xBA;
pub(super) const SYSTEM_HEADER: u8 = 0xBB;
pub(super) const PROGRAM_STREAM_MAP: u8 = 0xBC;
pub(super) const PRIVATE_1: u8 = 0xBD;
pub(super) const PADDING: u8 = 0xBE;
pub(super) const PRIVATE_2: u8 = 0xBF;

/// What a PES header says. Times count 90 kHz modulo 2^33.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PesHeader {
    pub pts: Option<u64>,
    pub dts: Option<u64>,
    /// `stream_id_extension`: which of the streams that share a stream id and a PID.
    pub extension: Option<u8>,
}

/// A pack header after its start code, stuffing included: the system clock reference in 90 kHz.
pub(super) fn pack(input: &[u8]) -> IResult<&[u8], u64> {
    let first = input.first().copied().unwrap_or(0);
    if first & 0xF1 == 0x21 {
        let (rest, clock) = timestamp(input)?;
        let (rest, _mux_rate) = take(3usize)(rest)?;
        return Ok((rest, clock));
    }
    if first & 0xC4 == 0x44 {
        let (rest, (scr, _mux_rate)) = (take(6usize), take(3usize)).parse(input)?;
        let (rest, stuffing) = byte(rest)?;
        let (rest, _) = take(stuffing & 7)(rest)?;
        return Ok((rest, clock_reference(scr)));
    }
    fail(input)
}

/// Three runs of bits with a marker after each, from the third bit on; the extension is left out.
fn clock_reference(bytes: &[u8]) -> u64 {
    let word = bytes.iter().take(6).fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    (word >> 43 & 7) << 30 | (word >> 27 & 0x7FFF) << 15 | word >> 11 & 0x7FFF
}

/// A PES header after `PES_packet_length`, of either kind: what remains is the payload.
///
/// MPEG-2 streams come in MPEG-1 packs and the other way round, so each packet says for itself what it is. Marker bits
/// are not looked at: files have them wrong, and no player minds.
pub(super) fn pes_header(input: &[u8]) -> IResult<&[u8], PesHeader> {
    let (rest, _stuffing) = take_while(|byte| byte == 0xFF)(input)?;
    let rest = match rest.first() {
        Some(first) if first & 0xC0 == 0x40 => take(2usize)(rest)?.0,
        _ => rest,
    };
    match rest.first().copied() {
        Some(first) if first & 0xF0 == 0x20 => {
            let (rest, pts) = timestamp(rest)?;
            Ok((rest, PesHeader { pts: Some(pts), ..PesHeader::default() }))
        }
        Some(first) if first & 0xF0 == 0x30 => {
            let (rest, (pts, dts)) = (timestamp, timestamp).parse(rest)?;
            Ok((rest, PesHeader { pts: Some(pts), dts: Some(dts), extension: None }))
        }
        Some(first) if first & 0xC0 == 0x80 => {
            let (rest, (_, flags, len)) = (byte, byte, byte).parse(rest)?;
            let (payload, fields) = take(len)(rest)?;
            let extension = extension(flags, fields);
            let header = match timestamp(fields) {
                Ok((rest, pts)) if flags & 0x80 != 0 => {
                    let dts = timestamp(rest).ok().filter(|_| flags & 0x40 != 0).map(|(_, dts)| dts);
                    PesHeader { pts: Some(pts), dts, extension }
                }
                _ => PesHeader { extension, ..PesHeader::default() },
            };
            Ok((payload, header))
        }
        Some(0x0F) => Ok((&rest[1..], PesHeader::default())),
        _ => fail(input),
    }
}

/// `stream_id_extension` among the fields of an MPEG-2 header with these flags (2.4.3.7).
fn extension(flags: u8, fields: &[u8]) -> Option<u8> {
    // PTS, DTS, ESCR, rate, trick mode, copy info and CRC come first, each if its flag is set.
    let lengths = [(0x80, 5), (0x40, 5), (0x20, 6), (0x10, 3), (0x08, 1), (0x04, 1), (0x02, 2)];
    let at = lengths.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, len)| len).sum();
    let (&more, rest) = fields.get(at..).filter(|_| flags & 1 != 0)?.split_first()?;
    // Private data, a pack header with its length, a sequence counter, a buffer's size.
    let pack = if more & 0x40 != 0 { 1 + usize::from(*rest.get(16 * usize::from(more >> 7))?) } else { 0 };
    let at = 16 * usize::from(more >> 7) + pack + 2 * usize::from(more >> 5 & 1) + 2 * usize::from(more >> 4 & 1);
    match rest.get(at..)? {
        [len, id, ..] if more & 1 != 0 && len & 0x7F > 0 && id & 0x80 == 0 => Some(*id),
        _ => None,
    }
}

/// 33 bits in five bytes: four bits of prefix, then 3, 15 and 15 bits with a marker after each.
fn timestamp(input: &[u8]) -> IResult<&[u8], u64> {
    let (rest, bytes) = take(5usize)(input)?;
    let word = bytes.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    Ok((rest, (word >> 33 & 7) << 30 | (word >> 17 & 0x7FFF) << 15 | word >> 1 & 0x7FFF))
}

fn fail<T>(input: &[u8]) -> IResult<&[u8], T> {
    Err(Err::Error(Error::new(input, ErrorKind::Verify)))
}

/// What a stream that we leave out is, for people: its id, and for private stream 1 the byte that tells its kinds apart.
pub(super) fn describe_stream(id: u8, payload: &[u8]) -> String {
    match (id, payload) {
        (PROGRAM_STREAM_MAP, _) => "program stream map".into(),
        (PRIVATE_2, _) => "private stream 2 (DVD navigation or other data)".into(),
        (PRIVATE_1, [0x0B, 0x77, ..]) => "private stream 1: AC-3 audio without a sub-stream number".into(),
        (PRIVATE_1, [sub, ..]) => {
            let kind = match sub {
                0x20..=0x3F => "subpictures",
                0x80..=0x87 => "AC-3 audio",
                0x88..=0x8F | 0x98..=0x9F => "DTS audio",
                0xA0..=0xAF => "LPCM audio",
                0xB0..=0xBF => "MLP audio",
                0xC0..=0xCF => "E-AC-3 audio",
                _ => "unknown data",
            };
            format!("private stream 1, sub-stream {sub:#04x}: {kind}")
        }
        (PRIVATE_1, []) => "private stream 1 without data".into(),
        (0xFD, _) => "extended stream 0xfd (VC-1 or other)".into(),
        (id, _) => format!("stream {id:#04x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_headers_of_both_kinds() {
        type Case<'a> = (&'a str, &'a [u8], Option<(u64, usize)>);
        let cases: &[Case] = &[
            ("MPEG-1 of a Video CD", &[0x21, 0x00, 0x03, 0x19, 0x41, 0x80, 0x1B, 0x91, 0xAA], Some((36_000, 1))),
            ("MPEG-2, no stuffing", &[0x44, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x89, 0xC3, 0xF8, 0xAA], Some((0, 1))),
            ("MPEG-2, two of stuffing", &[0x44, 0, 4, 0, 0x0C, 1, 1, 0x89, 0xC3, 0xFA, 0xFF, 0xFF], Some((1, 0))),
            ("highest clock", &[0x7F, 0xFF, 0xFF, 0xFF, 0xFC, 1, 1, 0x89, 0xC3, 0xF8], Some(((1 << 33) - 1, 0))),
            ("neither", &[0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
            ("cut", &[0x21, 0x00, 0x03, 0x19, 0x41, 0x80, 0x1B], None),
            ("stuffing cut", &[0x44, 0, 4, 0, 4, 1, 1, 0x89, 0xC3, 0xFA, 0xFF], None),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(pack(bytes).ok().map(|(rest, clock)| (clock, rest.len())), *expected, "{name}");
        }
    }

    #[test]
    fn pes_headers_of_both_kinds() {
        type Case<'a> = (&'a str, &'a [u8], Option<(Option<u64>, usize)>);
        let cases: &[Case] = &[
            ("MPEG-1 nothing", &[0x0F, 1, 2], Some((None, 2))),
            ("MPEG-1 stuffing, STD, PTS", &[0xFF, 0xFF, 0x60, 0x2E, 0x21, 0, 1, 0, 3, 9], Some((Some(1), 1))),
            (
                "MPEG-1 PTS and DTS",
                &[0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0x11, 0, 1, 0, 1, 9],
                Some((Some((1 << 33) - 1), 1)),
            ),
            ("MPEG-2 no times, stuffing", &[0x80, 0, 2, 0xFF, 0xFF, 7], Some((None, 1))),
            ("MPEG-2 PTS", &[0x80, 0x80, 5, 0x21, 0, 1, 0, 5, 7, 8], Some((Some(2), 2))),
            ("MPEG-2 PTS without room for it", &[0x80, 0x80, 2, 0x21, 0, 7], Some((None, 1))),
            ("MPEG-2 header longer than the packet", &[0x80, 0, 200, 1], None),
            ("neither", &[0x00, 1, 2], None),
            ("only stuffing", &[0xFF; 20], None),
            ("empty", &[], None),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(pes_header(bytes).ok().map(|(rest, header)| (header.pts, rest.len())), *expected, "{name}");
        }
    }

    #[test]
    fn streams_that_share_an_id_are_told_apart() {
        let header = |flags: u8, fields: &[u8]| [&[0x80, flags, fields.len() as u8][..], fields].concat();
        let pts = [0x21, 0, 1, 0, 3];
        let cases: &[(&str, Vec<u8>, Option<u8>)] = &[
            ("behind a time", header(0x81, &[&pts[..], &[0x0F, 0x81, 0x76]].concat()), Some(0x76)),
            ("alone", header(0x01, &[0x01, 0x81, 0x72]), Some(0x72)),
            ("behind private data", header(0x01, &[&[0x81][..], &[7; 16], &[0x81, 0x72]].concat()), Some(0x72)),
            ("behind a pack header", header(0x01, &[0x41, 2, 9, 9, 0x81, 0x72]), Some(0x72)),
            ("behind a counter and a size", header(0x01, &[0x31, 1, 1, 2, 2, 0x81, 0x72]), Some(0x72)),
            ("another extension", header(0x01, &[0x01, 0x81, 0x80]), None),
            ("none", header(0x81, &[&pts[..], &[0x0E]].concat()), None),
            ("cut", header(0x01, &[0x41]), None),
            ("no flag", header(0x80, &[&pts[..], &[0x01, 0x81, 0x72]].concat()), None),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(pes_header(bytes).ok().map(|(_, header)| header.extension), Some(*expected), "{name}");
        }
    }

    #[test]
    fn streams_left_out_have_names() {
        let cases: &[(u8, &[u8], &str)] = &[
            (0xBD, &[0x80, 1], "private stream 1, sub-stream 0x80: AC-3 audio"),
            (0xBD, &[0x0B, 0x77], "private stream 1: AC-3 audio without a sub-stream number"),
            (0xBD, &[0x21], "private stream 1, sub-stream 0x21: subpictures"),
            (0xFD, &[], "extended stream 0xfd (VC-1 or other)"),
            (0xF2, &[], "stream 0xf2"),
        ];
        for (id, payload, expected) in cases {
            assert_eq!(describe_stream(*id, payload), *expected);
        }
    }
}
