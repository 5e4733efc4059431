//! Whole files, made by ffmpeg, and what is left of damaged ones.

use crate::container::testing::{Demuxed, drive_bytes, media, run};
use crate::container::{Kind, probe};

const PICTURE: &str = "testsrc2=size=176x144:rate=25:duration=2";
const TONE: &str = "sine=frequency=440:sample_rate=44100:duration=2";

fn make(arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.flv").to_str().unwrap().to_string();
    let inputs = ["-v", "error", "-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE];
    run("ffmpeg", &[&inputs, arguments, &[&path]].concat());
    std::fs::read(path).unwrap()
}

fn times(found: &Demuxed, track: u32) -> Vec<i64> {
    found.of(track).map(|sample| sample.pts).collect()
}

#[test]
fn h264_and_aac_come_with_their_times() {
    let bytes = make(&["-c:v", "libx264", "-bf", "2", "-c:a", "aac"]);
    let found = drive_bytes(probe(&bytes, bytes.len() as u64).unwrap(), &bytes).unwrap();
    let formats: Vec<String> = found.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!((formats.len(), found.notes.len()), (2, 0), "{formats:?}");
    let mut shown = times(&found, 1);
    assert_ne!(shown, found.of(1).map(|sample| sample.dts).collect::<Vec<_>>());
    shown.sort_unstable();
    let first = shown[0];
    assert_eq!(shown, (0..50).map(|picture| first + picture * 40_000_000).collect::<Vec<_>>());
    assert_eq!(found.samples.iter().map(|sample| sample.pts).min(), Some(0));
    assert!(found.of(1).next().unwrap().sync);
    assert!(found.of(1).all(|sample| sample.duration == 40_000_000));
    for sample in &found.samples {
        let track = found.tracks.iter().find(|track| track.number == sample.track).unwrap();
        track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
    }
}

/// What the tracks of `bytes` say of themselves.
fn described(bytes: &[u8]) -> Vec<String> {
    let found = drive_bytes(Kind::Flv, bytes).unwrap();
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    for sample in &found.samples {
        let track = found.tracks.iter().find(|track| track.number == sample.track).unwrap();
        track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
    }
    let mut tracks: Vec<_> = found.tracks.iter().map(|track| (track.number, track.format.describe())).collect();
    // Announced in the order of their first tags.
    tracks.sort();
    tracks.into_iter().map(|(_, described)| described).collect()
}

#[test]
fn what_only_flash_had_travels_in_packets_of_asf() {
    let mp3 = make(&["-c:v", "flv", "-c:a", "libmp3lame"]);
    assert_eq!(described(&mp3), ["FLV1 video 176x144", "MPEG audio layer III 44100 Hz mono"]);
    let adpcm = make(&["-c:v", "flashsv", "-c:a", "adpcm_swf"]);
    assert_eq!(described(&adpcm), ["FSV1 video 176x144", "audio of format 0x5346 44100 Hz 1 channels"]);
    let Some(bytes) = media("flv_sorenson_mp3.flv") else { return };
    assert_eq!(described(&bytes), ["FLV1 video 170x120", "MPEG audio layer III 22050 Hz mono"]);
}

#[test]
fn what_even_asf_has_no_name_for_is_described_as_quicktime_does() {
    let nellymoser = make(&["-c:v", "libx264", "-c:a", "nellymoser", "-ar", "22050"]);
    assert_eq!(described(&nellymoser), ["H.264 176x144", "Nellymoser 22050 Hz 1 channels"]);
    let found = drive_bytes(Kind::Flv, &make(&["-vn", "-c:a", "nellymoser", "-ar", "22050"])).unwrap();
    assert_eq!(found.tracks[0].format.encoding_name(), "X-QT");
}

#[test]
fn the_rest_of_a_cut_tag_is_kept_where_decoders_make_something_of_it() {
    // The codecs, how much is cut, of which the last tag's length and H.264's end are no samples, and whether the last
    // sample is there, shorter than it was.
    let cases = [(["-c:v", "flv", "-c:a", "libmp3lame"], 4, true), (["-c:v", "libx264", "-c:a", "aac"], 4 + 20, false)];
    for (codecs, behind, kept) in cases {
        let whole = make(&codecs);
        let all = drive_bytes(Kind::Flv, &whole).unwrap().samples;
        let last = all.iter().max_by_key(|sample| sample.pts).unwrap();
        let found = drive_bytes(Kind::Flv, &whole[..whole.len() - behind - 20]).unwrap();
        assert_eq!(found.samples.len(), all.len() - usize::from(!kept), "{codecs:?}: {:?}", found.notes);
        let cut = found.samples.iter().find(|sample| (sample.track, sample.pts) == (last.track, last.pts));
        assert_eq!(cut.map(|cut| cut.data.len()), kept.then_some(last.data.len().saturating_sub(20)), "{codecs:?}");
    }
}

#[test]
fn cut_and_damaged_files_end() {
    let whole = make(&["-c:v", "libx264", "-c:a", "aac"]);
    let all = drive_bytes(Kind::Flv, &whole).unwrap().samples.len();
    for part in 0..20 {
        if let Ok(found) = drive_bytes(Kind::Flv, &whole[..whole.len() * part / 20]) {
            assert!(found.samples.len() < all);
        }
    }
    for at in (0..whole.len()).step_by(whole.len() / 300 + 1) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        let _ = drive_bytes(Kind::Flv, &broken);
    }
}
