//! What decodes from the samples is what decodes from the file.

use super::demux;
use super::files::{AAC, BOTH, H264, make};
use crate::container::testing::{Demuxed, run};
use rtp::format::Format;
use std::path::Path;

/// The hash of each decoded frame of the first video or audio stream (`v` or `a`).
fn frames(path: &str, stream: &str) -> Vec<String> {
    let map = format!("0:{stream}:0");
    // As signed 16 bits, and decoding by one thread, so that nothing but the samples makes a difference.
    let options = ["-map", &map, "-fps_mode", "passthrough", "-c:a", "pcm_s16le", "-f", "framemd5", "-"];
    let output = run("ffmpeg", &[["-v", "error", "-i", path].as_slice(), &options].concat());
    let output = String::from_utf8(output).unwrap();
    let lines = output.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_string()).collect()
}

/// A track's samples as an elementary stream, and the name's ending for it.
fn stream(found: &Demuxed, number: u32) -> (Vec<u8>, &'static str) {
    let track = found.tracks.iter().find(|track| track.number == number).unwrap();
    let samples = found.of(number);
    match &track.format {
        Format::H264 { sps, pps, .. } => {
            let mut out = Vec::new();
            for set in sps.iter().chain(pps) {
                out.extend([0, 0, 0, 1]);
                out.extend(set);
            }
            samples.for_each(|sample| rtp::codec::nal::prefixed_to_annex_b(&sample.data, 4, &mut out).unwrap());
            (out, "h264")
        }
        Format::H265 { vps, sps, pps, .. } => {
            let mut out = Vec::new();
            for set in vps.iter().chain(sps).chain(pps) {
                out.extend([0, 0, 0, 1]);
                out.extend(set);
            }
            samples.for_each(|sample| rtp::codec::nal::prefixed_to_annex_b(&sample.data, 4, &mut out).unwrap());
            (out, "hevc")
        }
        Format::Ac3 { .. } => (found.stream(number), "ac3"),
        Format::Eac3 { .. } => (found.stream(number), "eac3"),
        Format::Mp4vEs { config, .. } => {
            ([config.clone(), samples.flat_map(|sample| sample.data.to_vec()).collect()].concat(), "m4v")
        }
        Format::Mpv { .. } => (samples.flat_map(|sample| sample.data.to_vec()).collect(), "mpg"),
        Format::Mpa { .. } => (samples.flat_map(|sample| sample.data.to_vec()).collect(), "mp3"),
        Format::Aac { config, .. } => {
            let mut out = Vec::new();
            for sample in samples {
                let [profile, rate, channels] =
                    [(config[0] >> 3) - 1, (config[0] & 7) << 1 | config[1] >> 7, config[1] >> 3 & 15];
                let length = sample.data.len() as u32 + 7;
                out.extend([
                    0xff,
                    0xf1,
                    profile << 6 | rate << 2 | channels >> 2,
                    (channels & 3) << 6 | (length >> 11) as u8,
                    (length >> 3) as u8,
                    (length << 5) as u8 | 0x1f,
                    0xfc,
                ]);
                out.extend(&sample.data);
            }
            (out, "aac")
        }
        other => panic!("{other:?} has no stream of its own here"),
    }
}

#[track_caller]
fn check(arguments: &[&[&str]]) {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "film.mp4", arguments);
    let found = demux(&std::fs::read(&path).unwrap()).unwrap();
    for (number, kind) in [(1, "v"), (2, "a")] {
        let (bytes, ending) = stream(&found, number);
        let alone = Path::new(folder.path()).join(format!("alone.{ending}"));
        std::fs::write(&alone, bytes).unwrap();
        let (got, want) = (frames(alone.to_str().unwrap(), kind), frames(&path, kind));
        // Alone, the frame that primes an audio decoder comes out too.
        let priming = found.of(number).filter(|sample| sample.pts + sample.duration <= 0).count();
        assert!(want.len() > 70);
        assert_eq!(got[priming.min(got.len() - want.len())..], want, "{arguments:?}: track {number}");
    }
}

#[test]
fn frames_are_those_of_the_file() {
    check(&[BOTH, H264, AAC]);
    check(&[BOTH, H264, AAC, &["-movflags", "frag_keyframe+empty_moov"]]);
    check(&[BOTH, &["-c:v", "mpeg4", "-bf", "2"], AAC]);
    check(&[BOTH, &["-c:v", "mpeg2video", "-bf", "2"], AAC]);
    check(&[
        BOTH,
        &["-c:v", "libx265", "-x265-params", "log-level=none:keyint=20"],
        &["-c:a", "ac3", "-use_editlist", "0"],
    ]);
    check(&[BOTH, &["-c:v", "mpeg4"], &["-c:a", "eac3", "-use_editlist", "0"]]);
}
