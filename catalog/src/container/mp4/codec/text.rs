//! Timed text (3GPP TS 26.245 section 5.17; QuickTime File Format, text sample data): a length of two bytes, the text, and boxes on how
//! it looks, which RTP's text has no place for.

use bytes::Bytes;

/// The text of a sample, UTF-8, empty where nothing is shown; and whether something that is no text was left out.
pub fn text(data: &Bytes) -> (Bytes, bool) {
    let Some((length, rest)) = data.split_first_chunk() else { return (Bytes::new(), !data.is_empty()) };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some(text) = rest.get(..length) else { return (Bytes::new(), true) };
    let wide = |from: fn([u8; 2]) -> u16| {
        let units = text[2..].chunks_exact(2).map(|unit| from([unit[0], unit[1]]));
        let text: String = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        // It has pairs of bytes.
        (Bytes::from(text), !length.is_multiple_of(2))
    };
    match text {
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        _ if std::str::from_utf8(text).is_ok() => (data.slice(2..2 + length), false),
        _ => (Bytes::from(String::from_utf8_lossy(text).into_owned()), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_out_of_its_sample() {
        #[track_caller]
        fn check(data: &'static [u8], want: &str, damaged: bool) {
            assert_eq!(text(&Bytes::from_static(data)), (Bytes::copy_from_slice(want.as_bytes()), damaged));
        }
        check(b"\0\x02hi", "hi", false);
        check(b"\0\x02hi\0\0\0\x08styl", "hi", false);
        check(b"\0\0", "", false);
        check(b"\0\x06\xFE\xFF\0h\x20\xAC", "h\u{20ac}", false);
        check(b"\0\x04\xFF\xFEh\0", "h", false);
        check(b"\0\x05\xFF\xFEh\0i", "h", true);
        check(b"\0\x02\xE9t", "\u{fffd}t", true);
        check(b"\0\x09short", "", true);
        check(b"\0", "", true);
        check(b"", "", false);
    }
}
