//! What people's programs put around the frames of an audio file: ID3v2 before them, ID3v1 and APE tags behind.

/// Bytes of an ID3v2 header.
pub(super) const HEAD_LEN: usize = 10;
/// Bytes that must be looked at to find all tags at a file's end.
pub(super) const TAIL_LEN: usize = ID3V1_LEN + APE_LEN;

const ID3V1_LEN: usize = 128;
const APE_LEN: usize = 32;

/// The length of the ID3v2 tag that `head` begins with (ID3v2.4 section 3.1).
pub(super) fn head_tag(head: &[u8]) -> Option<u64> {
    let header = head.get(..HEAD_LEN)?;
    let [b'I', b'D', b'3', major, revision, flags, size @ ..] = header else { return None };
    if *major == 0xFF || *revision == 0xFF || size.iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    let size = size.iter().fold(0u64, |size, byte| size << 7 | u64::from(*byte));
    let footer = if flags & 0x10 != 0 { HEAD_LEN as u64 } else { 0 };
    Some(HEAD_LEN as u64 + size + footer)
}

/// The length of the tags that `tail`, a file's last bytes, ends with.
pub(super) fn tail_tags(tail: &[u8]) -> u64 {
    let id3 = if tail.len() >= ID3V1_LEN && tail[tail.len() - ID3V1_LEN..].starts_with(b"TAG") { ID3V1_LEN } else { 0 };
    let before = &tail[..tail.len() - id3];
    id3 as u64 + before.last_chunk::<APE_LEN>().map_or(0, ape_tag)
}

/// The length of the APE tag that ends with `footer`: version, size without the header, items and flags, each of four
/// bytes, little-endian, follow the name.
fn ape_tag(footer: &[u8; APE_LEN]) -> u64 {
    let number = |at: usize| footer[at..at + 4].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    if !footer.starts_with(b"APETAGEX") || !matches!(number(8), 1000 | 2000) {
        return 0;
    }
    let header = if number(20) & 1 << 31 != 0 { APE_LEN as u64 } else { 0 };
    number(12) + header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_before_says_its_length() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"ID3\x03\0\0\0\0\x03\x76", Some(10 + 3 * 128 + 0x76)),
            (b"ID3\x04\0\x10\0\0\x01\0", Some(10 + 128 + 10)),
            (b"ID3\x04\0\0\0\0\x81\0", None),
            (b"ID4\x04\0\0\0\0\x01\0", None),
            (b"ID3\x04\0", None),
        ];
        for (head, expected) in cases {
            assert_eq!(head_tag(head), *expected, "{head:?}");
        }
    }

    #[test]
    fn tags_behind_say_theirs() {
        let id3 = [&b"TAG"[..], &[0; 125]].concat();
        let ape = |size: u8, flags: u8| {
            [&b"APETAGEX"[..], &2000u32.to_le_bytes(), &[size, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, flags], &[0; 8]].concat()
        };
        let cases: &[(&str, Vec<u8>, u64)] = &[
            ("none", vec![7; 300], 0),
            ("too short", b"TAG".to_vec(), 0),
            ("ID3v1", [&[7; 300], &id3[..]].concat(), 128),
            ("APE", [&[7; 300], &ape(32, 0)[..]].concat(), 288),
            ("APE with a header, ID3v1", [&[7; 300][..], &ape(32, 0x80), &id3].concat(), 128 + 320),
        ];
        for (name, tail, expected) in cases {
            assert_eq!(tail_tags(&tail[tail.len().saturating_sub(TAIL_LEN)..]), *expected, "{name}");
        }
    }
}
