//! Files of ffmpeg with what it doesn't write into their headers.

use super::broken::find;
use crate::container::Kind;
use crate::container::testing::{Demuxed, drive_bytes, run};
use rtp::asf::guid::{self, Guid};
use std::sync::LazyLock;

/// Two streams of pictures, 1 and 2, and two of sound, 3 and 4.
static FILM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.asf");
    let sources = ["-f", "lavfi", "-i", "testsrc=s=176x144:r=25:d=1", "-f", "lavfi", "-i", "sine=r=44100:d=1"];
    let maps = ["-map", "0", "-map", "0", "-map", "1", "-map", "1"];
    let codecs = ["-c:v", "wmv1", "-b:v:0", "60k", "-b:v:1", "300k", "-c:a", "wmav2"];
    let start = ["-nostdin", "-v", "error", "-y"];
    run("ffmpeg", &[&start[..], &sources, &maps, &codecs, &[path.to_str().unwrap()]].concat());
    std::fs::read(path).unwrap()
});

fn object(name: Guid, body: &[u8]) -> Vec<u8> {
    [&name[..], &(body.len() as u64 + 24).to_le_bytes(), body].concat()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A header extension with these objects.
fn extension(objects: &[Vec<u8>]) -> Vec<u8> {
    let inside = objects.concat();
    let size = (inside.len() as u32).to_le_bytes();
    object(guid::HEADER_EXTENSION, &[&guid::RESERVED_1[..], &words(&[6]), &size, &inside].concat())
}

/// Streams of which one is meant to be played.
fn exclusion(name: Guid, kind: Guid, streams: &[u16]) -> Vec<u8> {
    object(name, &[kind.to_vec(), words(&[streams.len() as u16]), words(streams)].concat())
}

/// Stream and bits a second.
fn bitrates(streams: &[(u16, u32)]) -> Vec<u8> {
    let rows = streams.iter().flat_map(|(stream, rate)| [words(&[*stream]), rate.to_le_bytes().to_vec()].concat());
    object(guid::STREAM_BITRATES, &[words(&[streams.len() as u16]), rows.collect()].concat())
}

fn extended(stream: u16, bitrate: u32, language: u16) -> Vec<u8> {
    let times = [&[0; 16][..], &bitrate.to_le_bytes(), &[0; 28]].concat();
    let rest = [words(&[stream, language]), vec![0; 8], words(&[0, 0])].concat();
    object(guid::EXTENDED_STREAM_PROPERTIES, &[times, rest].concat())
}

fn stream(kind: Guid, number: u16) -> Vec<u8> {
    let head = [&kind[..], &guid::NO_ERROR_CORRECTION, &[0; 8], &4u32.to_le_bytes(), &[0; 4]].concat();
    object(guid::STREAM_PROPERTIES, &[head, words(&[number]), vec![0; 4], vec![7; 4]].concat())
}

/// The film with more objects at its header's end.
fn with(file: &[u8], objects: &[Vec<u8>]) -> Vec<u8> {
    let more = objects.concat();
    let mut file = file.to_vec();
    let size = u64::from_le_bytes(file[16..24].try_into().unwrap());
    let count = u32::from_le_bytes(file[24..28].try_into().unwrap());
    file[16..24].copy_from_slice(&(size + more.len() as u64).to_le_bytes());
    file[24..28].copy_from_slice(&(count + objects.len() as u32).to_le_bytes());
    file.splice(size as usize..size as usize, more);
    file
}

/// The film with the stream said to be encrypted.
fn encrypted(number: u8) -> Vec<u8> {
    let mut file = FILM.clone();
    let places: Vec<usize> =
        file.windows(16).enumerate().filter(|(_, name)| *name == guid::STREAM_PROPERTIES).map(|(at, _)| at).collect();
    // Flags lie behind the object's head, two GUIDs, a time and two lengths.
    let at = places.into_iter().map(|at| at + 24 + 48).find(|at| file[*at] & 0x7F == number).unwrap();
    file[at + 1] |= 0x80;
    file
}

#[track_caller]
fn demux(file: &[u8]) -> Demuxed {
    drive_bytes(Kind::Asf, file).unwrap()
}

fn numbers(found: &Demuxed) -> Vec<u32> {
    found.tracks.iter().map(|track| track.number).collect()
}

#[test]
fn of_several_bit_rates_the_best_is_sent() {
    const BY_LANGUAGE: Guid =
        [0x00, 0x2A, 0xE2, 0xD6, 0xDA, 0x35, 0xD1, 0x11, 0x90, 0x34, 0x00, 0xA0, 0xC9, 0x03, 0x49, 0xBE];
    let group = |streams: &[u16]| exclusion(guid::BITRATE_MUTUAL_EXCLUSION, guid::MUTEX_BITRATE, streams);
    let advanced = |kind, streams: &[u16]| extension(&[exclusion(guid::ADVANCED_MUTUAL_EXCLUSION, kind, streams)]);
    let rates = || bitrates(&[(1, 60_000), (2, 300_000), (3, 64_000), (4, 32_000)]);
    let left_out = |worse, best| format!("stream {worse} is left out: stream {best} has the same at a higher bit rate");
    type Case = (&'static str, Vec<u8>, Vec<Vec<u8>>, &'static [u32], Vec<String>);
    let cases: Vec<Case> = vec![
        ("no group", FILM.clone(), vec![rates()], &[1, 2, 3, 4], vec![]),
        ("pictures", FILM.clone(), vec![rates(), group(&[1, 2])], &[2, 3, 4], vec![left_out(1, 2)]),
        (
            "both",
            FILM.clone(),
            vec![rates(), group(&[2, 1]), group(&[3, 4])],
            &[2, 3],
            vec![left_out(1, 2), left_out(4, 3)],
        ),
        (
            "advanced",
            FILM.clone(),
            vec![rates(), advanced(guid::MUTEX_BITRATE, &[1, 2])],
            &[2, 3, 4],
            vec![left_out(1, 2)],
        ),
        ("by language", FILM.clone(), vec![rates(), advanced(BY_LANGUAGE, &[3, 4])], &[1, 2, 3, 4], vec![]),
        (
            "extended properties say it better",
            FILM.clone(),
            vec![rates(), group(&[1, 2]), extension(&[extended(1, 900_000, 0)])],
            &[1, 3, 4],
            vec![left_out(2, 1)],
        ),
        ("no rates, the first", FILM.clone(), vec![bitrates(&[]), group(&[1, 2])], &[1, 3, 4], vec![left_out(2, 1)]),
        ("one that isn't there", FILM.clone(), vec![rates(), group(&[9, 1])], &[1, 2, 3, 4], vec![]),
        (
            "the best can't be sent",
            encrypted(2),
            vec![rates(), group(&[1, 2])],
            &[1, 3, 4],
            vec!["stream 2 is left out: it is encrypted".into()],
        ),
    ];
    let plain = demux(&FILM);
    for (name, file, objects, want, notes) in cases {
        let found = demux(&with(&file, &objects));
        assert_eq!(numbers(&found), want, "{name}: {:?}", found.notes);
        assert_eq!(found.notes, notes, "{name}");
        for number in want {
            assert!(found.of(*number).eq(plain.of(*number)), "{name}: stream {number}");
        }
    }
}

#[test]
fn each_stream_has_its_language() {
    let text = |text: &str| {
        let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
        [vec![units.len() as u8 * 2], words(&units)].concat()
    };
    let list = object(guid::LANGUAGE_LIST, &[words(&[3]), text("en-us"), text("de"), text("")].concat());
    let which = [extended(3, 0, 1), extended(4, 0, 0), extended(1, 0, 2), extended(2, 0, 9)];
    let found = demux(&with(&FILM, &[extension(&[&[list][..], &which].concat())]));
    let languages: Vec<_> = found.tracks.iter().map(|track| track.language.as_deref()).collect();
    assert_eq!(languages, [None, None, Some("de"), Some("en-us")]);
}

#[test]
fn what_is_neither_picture_nor_sound_is_named() {
    let kinds = [
        (guid::COMMAND, "script commands"),
        (guid::JFIF, "pictures"),
        (guid::DEGRADABLE_JPEG, "pictures"),
        (guid::FILE_TRANSFER, "files"),
        (guid::BINARY, "data of another kind"),
        ([9; 16], "its type is unknown"),
    ];
    let objects: Vec<_> = kinds.iter().zip(5..).map(|((kind, _), number)| stream(*kind, number)).collect();
    let found = demux(&with(&FILM, &objects));
    let named: Vec<String> =
        kinds.iter().zip(5..).map(|((_, name), number)| format!("stream {number} is left out: {name}")).collect();
    assert_eq!((found.notes, found.samples), (named, demux(&FILM).samples));
}

#[test]
fn drm_is_refused_by_name() {
    let text = |text: &[u8]| [&(text.len() as u32).to_le_bytes()[..], text].concat();
    let licence = [text(b"secret"), text(b"DRM\0"), text(b"key\0"), text(b"http://licences.example/\0")].concat();
    let refused = |file: &[u8]| drive_bytes(Kind::Asf, file).unwrap_err().to_string();
    let begin = "asf: at byte 0: it is encrypted and can't be sent: ";
    let cases = [
        (guid::CONTENT_ENCRYPTION, &licence[..], "Windows Media DRM (licence from http://licences.example/)"),
        (guid::EXTENDED_CONTENT_ENCRYPTION, b"xml", "Windows Media DRM (extended content encryption)"),
        (guid::ADVANCED_CONTENT_ENCRYPTION, b"", "network devices DRM (advanced content encryption)"),
    ];
    for (name, body, words) in cases {
        assert_eq!(refused(&with(&FILM, &[object(name, body)])), format!("{begin}{words}"));
        // In the header's extension it means the same.
        assert_eq!(refused(&with(&FILM, &[extension(&[object(name, body)])])), format!("{begin}{words}"));
    }
}

/// A broadcast that was kept says neither how long it is nor how many packets it has.
#[test]
fn sizes_of_a_broadcast_are_not_known() {
    let plain = demux(&FILM);
    let (properties, data) = (find(&FILM, &guid::FILE_PROPERTIES), find(&FILM, &guid::DATA));
    for value in [0, u64::MAX] {
        let mut file = FILM.clone();
        // File size, packets, both durations; the data object's size and packets.
        for at in [properties + 40, properties + 56, properties + 64, properties + 72, data + 16, data + 40] {
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        file[properties + 88] |= 1;
        let found = demux(&file);
        assert!(found.samples == plain.samples && found.notes.is_empty(), "{value:x}: {:?}", found.notes);
    }
}
