//! What decodes from the samples, and when, is what ffmpeg decodes from the file.

use super::demux;
use crate::container::testing::{Demuxed, run};
use crate::container::{DemuxedSample, TrackInfo};
use rtp::format::{Format, Media, PcmCoding};
use std::path::Path;

/// Makes `folder/name` of those arguments.
pub(in crate::container) fn make(folder: &Path, name: &str, arguments: &[&[&str]]) -> String {
    let path = folder.join(name).to_str().unwrap().to_string();
    let arguments = [&["-v", "error", "-y", "-nostdin"], arguments.concat().as_slice(), &[path.as_str()]].concat();
    run("ffmpeg", &arguments);
    path
}

/// A decoded frame.
struct Frame {
    /// Seconds.
    time: f64,
    hash: String,
}

/// The frames of the first video or audio stream (`v` or `a`).
fn frames(path: &str, options: &[&str], stream: &str) -> Vec<Frame> {
    let map = format!("0:{stream}:0");
    // As signed 16 bits and by one thread, so that nothing but the samples makes a difference.
    let into = ["-map", &map, "-fps_mode", "passthrough", "-c:a", "pcm_s16le", "-f", "framemd5", "-"];
    let output = run("ffmpeg", &[&["-v", "error", "-threads", "1"], options, &["-i", path], &into].concat());
    let output = String::from_utf8(output).unwrap();
    let base = output.lines().find_map(|line| line.strip_prefix("#tb 0: ")).unwrap();
    let (numerator, denominator) = base.split_once('/').unwrap();
    let tick = numerator.parse::<f64>().unwrap() / denominator.parse::<f64>().unwrap();
    let lines = output.lines().filter(|line| !line.starts_with('#'));
    let frame = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        Frame { time: fields[2].parse::<f64>().unwrap() * tick, hash: fields[5].to_owned() }
    };
    lines.map(frame).collect()
}

/// A track's samples as an elementary stream, and how ffmpeg is to read it.
fn stream(track: &TrackInfo, samples: &[&DemuxedSample]) -> (Vec<u8>, Vec<String>) {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.data.iter().copied()).collect();
    let kind = |kind: &str| vec!["-f".to_owned(), kind.to_owned()];
    match &track.format {
        Format::H264 { sps, pps, .. } => {
            let mut out = Vec::new();
            for set in sps.iter().chain(pps) {
                out.extend([0, 0, 0, 1]);
                out.extend(set);
            }
            rtp::codec::nal::prefixed_to_annex_b(&bytes, 4, &mut out).unwrap();
            (out, kind("h264"))
        }
        Format::H265 { vps, sps, pps, .. } => {
            let mut out = Vec::new();
            for set in vps.iter().chain(sps).chain(pps) {
                out.extend([0, 0, 0, 1]);
                out.extend(set);
            }
            rtp::codec::nal::prefixed_to_annex_b(&bytes, 4, &mut out).unwrap();
            (out, kind("hevc"))
        }
        Format::Mp4vEs { config, .. } => ([config.clone(), bytes].concat(), kind("m4v")),
        Format::Mpv { .. } => (bytes, kind("mpegvideo")),
        Format::Jpeg { .. } => (bytes, kind("mjpeg")),
        Format::H263 { .. } => (bytes, kind("h263")),
        Format::Mpa { .. } => (bytes, kind("mp3")),
        Format::Ac3 { .. } => (bytes, kind("ac3")),
        Format::Pcm { coding, sample_rate, channels } => {
            let name = match coding {
                PcmCoding::Mulaw => "mulaw",
                PcmCoding::Alaw => "alaw",
                PcmCoding::L16 => "s16be",
                PcmCoding::L24 => "s24be",
            };
            let (rate, channels) = (sample_rate.to_string(), channels.to_string());
            (bytes, [kind(name), vec!["-ar".into(), rate, "-ac".into(), channels]].concat())
        }
        Format::Aac { config, .. } => {
            let mut out = Vec::new();
            for sample in samples {
                let [profile, rate, channels] =
                    [(config[0] >> 3) - 1, (config[0] & 7) << 1 | config[1] >> 7, config[1] >> 3 & 15];
                let length = sample.data.len() as u32 + 7;
                let high = (channels & 3) << 6 | (length >> 11) as u8;
                out.extend([0xff, 0xf1, profile << 6 | rate << 2 | channels >> 2, high, (length >> 3) as u8]);
                out.extend([(length << 5) as u8 | 0x1f, 0xfc]);
                out.extend(&sample.data);
            }
            (out, kind("aac"))
        }
        other => panic!("{other:?}"),
    }
}

/// Holds what we find in the file at `path` against what ffmpeg plays of it. Returns what we found.
#[track_caller]
pub(in crate::container) fn same_as_ffmpeg(path: &str) -> Demuxed {
    let bytes = std::fs::read(path).unwrap();
    let found = demux(&bytes).unwrap();
    compare(path, &found, 0.0005);
    found
}

/// As [`same_as_ffmpeg`], of what was found in the file at `path`; times may differ by `tolerance` seconds.
#[track_caller]
pub(in crate::container) fn compare(path: &str, found: &Demuxed, tolerance: f64) {
    let folder = tempfile::tempdir().unwrap();
    let mut offset = None;
    for track in &found.tracks {
        let video = track.format.media() == Media::Video;
        let letter = if video { "v" } else { "a" };
        let samples: Vec<&DemuxedSample> = found.of(track.number).collect();
        let (bytes, options) = stream(track, &samples);
        let alone = folder.path().join("alone");
        std::fs::write(&alone, bytes).unwrap();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let (want, got) = (frames(path, &[], letter), frames(alone.to_str().unwrap(), &options, letter));
        let scale = f64::from(track.timescale);
        let mut times: Vec<f64> = samples.iter().map(|sample| sample.pts as f64 / scale).collect();
        times.sort_by(f64::total_cmp);
        // What PCM is cut into is nobody's business but its bytes are.
        if matches!(track.format, Format::Pcm { .. }) {
            assert_eq!(all(path, &[]), all(alone.to_str().unwrap(), &options), "{path}: track {letter}");
        } else {
            assert!(want.len() > 10, "{path}: {letter}: {}", want.len());
            let hashes = |frames: &[Frame]| frames.iter().map(|frame| frame.hash.clone()).collect::<Vec<_>>();
            assert_eq!(hashes(&got), hashes(&want), "{path}: track {letter}");
            assert_eq!(times.len(), want.len(), "{path}: track {letter}");
            // ffmpeg guesses the time of the first picture of MPEG-1.
            let guessed = usize::from(matches!(track.format, Format::Mpv { mpeg2: false, .. }));
            for (number, (time, frame)) in times.iter().zip(&want).enumerate().skip(guessed) {
                let moved = *offset.get_or_insert(frame.time - time);
                let wrong = frame.time - time - moved;
                assert!(wrong.abs() < tolerance, "{path}: track {letter} frame {number}: {time} and {}", frame.time);
            }
        }
        let begin = times[0];
        let moved = *offset.get_or_insert(want[0].time - begin);
        let guessed = matches!(track.format, Format::Mpv { mpeg2: false, .. });
        let right = guessed || (want[0].time - begin - moved).abs() < tolerance;
        assert!(right, "{path}: track {letter} begins at {begin} and {}", want[0].time);
        for sample in &samples {
            track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
            assert!(sample.dts <= sample.pts);
        }
        assert!(samples[0].sync, "{path}: track {letter}");
        assert!(samples.windows(2).all(|pair| pair[0].dts < pair[1].dts), "{path}: track {letter}");
    }
}

/// The hash of all samples of the sound.
fn all(path: &str, options: &[&str]) -> Vec<u8> {
    let into = ["-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "md5", "-"];
    run("ffmpeg", &[&["-v", "error"], options, &["-i", path], &into].concat())
}
