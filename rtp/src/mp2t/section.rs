//! The tables of a programme: which packets belong to it (ISO 13818-1 2.4.4).

use super::elementary::Elementary;

/// The packets of the program association table.
pub(super) const PAT_PID: u16 = 0;
/// Of the program map table.
pub(super) const PMT_PID: u16 = 0x1000;
/// Of the first stream; the others follow.
pub(super) const FIRST_PID: u16 = 0x100;

const PROGRAM: u16 = 1;
/// `reserved`, version 0, `current_next_indicator`; then section 0 of 0.
const VERSION: [u8; 3] = [0xC1, 0, 0];
const LANGUAGE: u8 = 10;
const REGISTRATION: u8 = 5;

/// The program association table's section.
pub(super) fn association() -> Vec<u8> {
    let mut body = PROGRAM.to_be_bytes().to_vec();
    body.extend_from_slice(&VERSION);
    body.extend_from_slice(&PROGRAM.to_be_bytes());
    body.extend_from_slice(&(0xE000 | PMT_PID).to_be_bytes());
    section(0, &body)
}

/// The program map table's section: each stream's packets, kind and language.
pub(super) fn map<'a>(
    clock_pid: u16,
    streams: impl Iterator<Item = (u16, &'a Elementary, Option<&'a str>)>,
) -> Vec<u8> {
    let mut body = PROGRAM.to_be_bytes().to_vec();
    body.extend_from_slice(&VERSION);
    body.extend_from_slice(&(0xE000 | clock_pid).to_be_bytes());
    body.extend_from_slice(&[0xF0, 0]);
    for (pid, elementary, language) in streams {
        let mut descriptors = Vec::new();
        if let Some(registration) = elementary.registration() {
            descriptors.extend_from_slice(&[REGISTRATION, 4]);
            descriptors.extend_from_slice(registration);
        }
        if let Some(&[a, b, c]) = language.map(str::as_bytes)
            && [a, b, c].iter().all(u8::is_ascii_alphabetic)
        {
            descriptors.extend_from_slice(&[LANGUAGE, 4, a, b, c, 0]);
        }
        body.push(elementary.stream_type());
        body.extend_from_slice(&(0xE000 | pid).to_be_bytes());
        body.extend_from_slice(&[0xF0, descriptors.len() as u8]);
        body.extend_from_slice(&descriptors);
    }
    section(2, &body)
}

fn section(table: u8, body: &[u8]) -> Vec<u8> {
    const CRC: usize = 4;
    let length = (body.len() + CRC) as u16;
    let mut out = vec![table];
    out.extend_from_slice(&(0xB000 | length).to_be_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&checksum(&out).to_be_bytes());
    out
}

/// The CRC of annex A: polynomial 04C11DB7 from all ones, nothing reflected. Over a whole section it is zero.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_in_its_checksum() {
        // As ffmpeg writes it for the same programme, but for the number of the transport stream's own.
        let pat = association();
        assert_eq!(pat[..12], [0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0]);
        assert_eq!(pat[12..], [0x2A, 0xB1, 0x04, 0xB2]);
        let streams = [(0x100, &Elementary::Avc, None), (0x101, &Elementary::Ac3, Some("deu"))];
        let map = map(0x100, streams.into_iter());
        assert_eq!(checksum(&map), 0);
        assert_eq!(map[10..17], [0xF0, 0, 0x1B, 0xE1, 0, 0xF0, 0]);
        assert_eq!(map[17..map.len() - 4], *b"\x81\xE1\x01\xF0\x0C\x05\x04AC-3\x0A\x04deu\0");
    }
}
