//! Files that are cut, lie or mean harm.

use crate::container::Kind;
use crate::container::testing::{drive_bytes, media};
use rtp::asf::guid;

fn bee() -> Option<Vec<u8>> {
    media("asf_bee_wmv1.wmv")
}

pub(super) fn find(bytes: &[u8], name: &[u8; 16]) -> usize {
    bytes.windows(16).position(|window| window == name).unwrap()
}

#[test]
fn a_file_cut_anywhere_gives_what_is_there_or_says_where_it_ends() {
    let Some(bytes) = bee() else { return };
    let data = find(&bytes, &guid::DATA);
    let all = drive_bytes(Kind::Asf, &bytes).unwrap().samples.len();
    for length in (0..bytes.len()).step_by(97) {
        match drive_bytes(Kind::Asf, &bytes[..length]) {
            Ok(found) => {
                assert!(length >= data + 24 && found.samples.len() <= all, "{length}");
                assert!(found.notes.iter().any(|note| note.contains("cut")) || length > data + 24_000, "{length}");
            }
            Err(error) => assert!(length < data + 24 && error.format == "asf", "{length}: {error}"),
        }
    }
}

#[test]
fn of_the_packet_in_which_a_file_ends_payloads_that_begin_count() {
    const PACKET: usize = 846;
    let Some(bytes) = bee() else { return };
    let packets = find(&bytes, &guid::DATA) + 50;
    let samples = |length: usize| drive_bytes(Kind::Asf, &bytes[..length]).unwrap().samples.len();
    let mut more = 0;
    for begin in (0..12).map(|number| packets + number * PACKET) {
        // Where a file ends with a packet nothing says that an object was cut: as in ffmpeg it waits for its rest in vain.
        let counts: Vec<usize> = (begin..begin + PACKET).step_by(47).map(samples).collect();
        assert!(counts.is_sorted(), "at {begin}: {counts:?}");
        more += usize::from(counts.iter().any(|count| (counts[0] + 1..counts[counts.len() - 1]).contains(count)));
    }
    assert!(more > 3, "{more}");
}

#[test]
fn wrong_bytes_anywhere_do_no_harm() {
    let Some(bytes) = bee() else { return };
    for at in (0..bytes.len()).step_by(53) {
        for value in [0, 0xff, bytes[at] ^ 0x55] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            let _ = drive_bytes(Kind::Asf, &bytes);
        }
    }
}

#[test]
fn what_can_not_be_sent_is_refused_by_name() {
    let Some(bytes) = bee() else { return };
    // The place of an object's GUID, the GUID that is put there, and what is said.
    let cases = [
        (guid::STREAM_BITRATES, guid::CONTENT_ENCRYPTION, "Windows Media DRM"),
        (guid::STREAM_BITRATES, guid::EXTENDED_CONTENT_ENCRYPTION, "Windows Media DRM"),
        (guid::STREAM_BITRATES, guid::ADVANCED_CONTENT_ENCRYPTION, "DRM"),
        (guid::FILE_PROPERTIES, guid::INDEX, "no file properties"),
        (guid::DATA, guid::INDEX, "no data object"),
    ];
    for (place, name, expected) in cases {
        let mut bytes = bytes.clone();
        let at = find(&bytes, &place);
        bytes[at..at + 16].copy_from_slice(&name);
        let error = drive_bytes(Kind::Asf, &bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut sizes = bytes.clone();
    let at = find(&sizes, &guid::FILE_PROPERTIES) + 92;
    sizes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = drive_bytes(Kind::Asf, &sizes).unwrap_err().to_string();
    assert!(error.contains("one size"), "{error}");
    // Its header has an object of no bytes, which sent readers round in circles.
    let error = drive_bytes(Kind::Asf, &media("asf_broken_cwe835.wma").unwrap()).unwrap_err().to_string();
    assert!(error.contains("at byte 180 has 0 bytes"), "{error}");
}
