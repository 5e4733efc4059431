//! Whole files: what ffprobe finds in them we find, too.

use super::object;
use crate::container::Kind;
use crate::container::testing::{Demuxed, drive_bytes, media, run};
use rtp::format::{Format, Media};
use std::collections::BTreeMap;
use std::path::Path;

/// Milliseconds, bytes, sync, hash.
type Packet = (i64, usize, bool, u32);

/// Holds all tracks of `bytes`, which lie at `path`, against ffprobe, whose streams must come in the same order.
#[track_caller]
fn same_as_ffprobe(path: &Path, bytes: &[u8]) -> Demuxed {
    let found = drive_bytes(Kind::Asf, bytes).unwrap();
    let theirs = packets(path);
    assert_eq!(found.tracks.len(), theirs.len(), "{path:?}: {:?}", found.notes);
    // One constant for all tracks lies between ffprobe's times and ours.
    let zero = theirs.values().filter_map(|packets| packets.first()).map(|packet| packet.0).min().unwrap();
    for (track, (stream, theirs)) in found.tracks.iter().zip(theirs) {
        let ours: Vec<Packet> = found
            .of(track.number)
            .map(|sample| {
                let data = object(sample);
                assert_eq!(sample.pts, sample.dts);
                (sample.dts + zero, data.len(), sample.sync, adler32(&data))
            })
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{path:?}: stream {stream}");
        for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "{path:?}: stream {stream}, packet {number}");
        }
        for sample in found.of(track.number) {
            track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
        }
    }
    found
}

fn packets(path: &Path) -> BTreeMap<u32, Vec<Packet>> {
    let entries = "packet=stream_index,dts_time,size,flags,data_hash";
    let arguments = ["-v", "error", "-show_packets", "-show_data_hash", "adler32", "-show_entries", entries];
    let path = path.to_str().unwrap();
    let output = run("ffprobe", &[arguments.as_slice(), &["-of", "compact=p=0", path]].concat());
    let mut out: BTreeMap<u32, Vec<Packet>> = BTreeMap::new();
    let output = String::from_utf8(output).unwrap().replace("\n|", "|");
    for line in output.lines().filter(|line| line.contains("stream_index=")) {
        let field = |name: &str| line.split('|').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap();
        let hash = field("data_hash").strip_prefix("adler32:").unwrap();
        out.entry(field("stream_index").parse().unwrap()).or_default().push((
            (field("dts_time").parse::<f64>().unwrap() * 1000.0).round() as i64,
            field("size").parse().unwrap(),
            field("flags").contains('K'),
            u32::from_str_radix(hash, 16).unwrap(),
        ));
    }
    out
}

/// As ffprobe computes it: zlib's, but from zero.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

#[test]
fn files_from_everywhere_are_read_as_ffprobe_reads_them() {
    let cases: &[(&str, &[&str])] = &[
        ("asf_bee_wmv1.wmv", &["WMA 2 8000 Hz 1 channels", "WMV1 video 160x120"]),
        ("asf_ladybug_vc1_wmapro.wmv", &["WMA Pro", "WVC1"]),
        ("asf_miguel_vbr.wma", &["WMA 2 44100 Hz"]),
        ("asf_multilang_5audio.wma", &["WMA 2"; 5]),
        ("asf_numbers_wmv3.wmv", &["WMA 2", "WMV3"]),
        ("asf_seattle_wmvoice.wmv", &["WMA Voice", "WMV2"]),
        ("asf_timecode_wmv2_noindex.wmv", &["WMV2"]),
    ];
    for (name, codecs) in cases {
        let Some(bytes) = media(name) else { return };
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
        let folder = std::env::var_os("MOBIDIC_MEDIA").map_or_else(beside, Into::into);
        let found = same_as_ffprobe(&folder.join(name), &bytes);
        let described: Vec<String> = found.tracks.iter().map(|track| track.format.describe()).collect();
        for (described, codec) in described.iter().zip(*codecs) {
            assert!(described.contains(codec), "{name}: {described} is not {codec}");
        }
    }
}

#[test]
fn languages_are_told() {
    let Some(bytes) = media("asf_multilang_5audio.wma") else { return };
    let found = drive_bytes(Kind::Asf, &bytes).unwrap();
    let mut languages: Vec<String> = found.tracks.iter().filter_map(|track| track.language.clone()).collect();
    languages.sort();
    languages.dedup();
    assert!(languages.len() > 1, "{languages:?}");
}

#[test]
fn what_ffmpeg_writes_comes_back_whole_and_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    for (video, audio, size) in [("wmv1", "wmav1", "3200"), ("wmv2", "wmav2", "1200"), ("msmpeg4", "mp2", "60000")] {
        let path = folder.path().join(format!("{video}.wmv"));
        let name = path.to_str().unwrap();
        let sources = ["-f", "lavfi", "-i", "testsrc=s=176x144:r=25:d=3", "-f", "lavfi", "-i", "sine=r=44100:d=3"];
        let codecs = ["-c:v", video, "-bf", "0", "-g", "10", "-c:a", audio, "-packet_size", size];
        let start = ["-nostdin", "-v", "error", "-y"];
        run("ffmpeg", &[&start[..], &sources, &codecs, &[name]].concat());
        let found = same_as_ffprobe(&path, &std::fs::read(&path).unwrap());
        assert_eq!(found.of(1).filter(|sample| sample.sync).count(), 8, "{video}");
        // To a pipe it can write neither sizes nor counts.
        let piped = run("ffmpeg", &["-nostdin", "-v", "error", "-i", name, "-c", "copy", "-f", "asf", "-"]);
        let path = folder.path().join("piped.asf");
        std::fs::write(&path, &piped).unwrap();
        same_as_ffprobe(&path, &piped);
    }
}

#[test]
fn streams_that_are_not_the_best_or_nothing_to_play_are_left_out() {
    let Some(mut bytes) = media("asf_bee_wmv1.wmv") else { return };
    let at = bytes.windows(16).position(|window| window == rtp::asf::guid::AUDIO).unwrap();
    bytes[at..at + 16].copy_from_slice(&rtp::asf::guid::COMMAND);
    let found = drive_bytes(Kind::Asf, &bytes).unwrap();
    assert!(matches!(&found.tracks[..], [track] if track.format.media() == Media::Video));
    assert!(found.notes.iter().any(|note| note.contains("script commands")), "{:?}", found.notes);
    assert!(matches!(found.tracks[0].format, Format::Asf { .. }));
}

#[test]
fn the_last_sound_lasts_as_long_as_its_bytes() {
    // Objects of 0.38 s, of which the last has a sixth.
    let Some(bytes) = media("asf_bee_wmv1.wmv") else { return };
    let found = drive_bytes(Kind::Asf, &bytes).unwrap();
    let sound = found.tracks.iter().find(|track| track.format.media() == Media::Audio).unwrap().number;
    let last = found.of(sound).last().unwrap();
    assert_eq!((last.dts, last.duration), (9919, 64));
}
