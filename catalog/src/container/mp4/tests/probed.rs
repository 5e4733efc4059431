//! What ffprobe finds in a file, and whether we find the same.

use super::demux;
use crate::container::DemuxedSample;
use crate::container::testing::{Demuxed, run};
use rtp::format::{Format, Media};
use std::collections::BTreeMap;

/// One packet by ffprobe.
struct Packet {
    /// Seconds.
    pts: f64,
    dts: f64,
    size: usize,
    sync: bool,
    /// Decoded but not shown.
    discard: bool,
    hash: u32,
}

/// Holds every track that we find in the file at `path` against ffprobe: number of samples, bytes, times, sync
/// samples. Returns what we found. Samples that ffprobe marks as discarded may be missing with us.
#[track_caller]
pub(super) fn same_as_ffprobe(path: &str) -> Demuxed {
    let found = demux(&std::fs::read(path).unwrap()).unwrap();
    let packets = packets(path);
    let mut moved = None;
    for track in &found.tracks {
        let scale = f64::from(track.timescale);
        // Bundled otherwise than by ffmpeg.
        if matches!(track.format, Format::Pcm { .. } | Format::Amr { .. }) {
            continue;
        }
        let samples: Vec<&DemuxedSample> = found.of(track.number).collect();
        let packets = &packets[&(track.number - 1)];
        // One constant for all tracks lies between ffprobe's times and ours.
        let last = packets.iter().rfind(|packet| !packet.discard).unwrap();
        let ours = samples.last().unwrap().pts as f64 / scale;
        let moved = *moved.get_or_insert(ours - last.pts);
        let tolerance = match track.format.media() {
            Media::Video => 1.0 / 90_000.0,
            Media::Audio | Media::Text => 1.0 / f64::from(track.format.clock_rate().hz()),
        } + 1e-6;
        let h263 = matches!(track.format, Format::H263 { .. });
        let mut samples = samples.into_iter().enumerate().peekable();
        for (number, packet) in packets.iter().enumerate() {
            let same = |sample: &DemuxedSample| {
                sample.data.len() == packet.size
                    && adler32(&sample.data) == packet.hash
                    // A table may promise what an H.263 picture doesn't hold: we look.
                    && (sample.sync == packet.sync || h263 && !sample.sync)
                    && (sample.pts as f64 / scale - packet.pts - moved).abs() <= tolerance
                    && (packet.discard || (sample.dts as f64 / scale - packet.dts - moved).abs() <= tolerance)
            };
            if samples.next_if(|(_, sample)| same(sample)).is_some() || packet.discard {
                continue;
            }
            let ours = samples.peek().map(|(index, sample)| {
                let (pts, dts) = (sample.pts as f64 / scale, sample.dts as f64 / scale);
                format!("{index}: pts {pts} dts {dts} {} bytes, sync {}", sample.data.len(), sample.sync)
            });
            panic!(
                "{path}: track {} packet {number}: pts {} dts {} {} bytes, sync {}; times differ by {moved}; ours {ours:?}",
                track.number, packet.pts, packet.dts, packet.size, packet.sync
            );
        }
        assert!(samples.next().is_none(), "{path}: track {} has more samples than ffprobe finds", track.number);
    }
    for sample in &found.samples {
        let track = found.tracks.iter().find(|track| track.number == sample.track).unwrap();
        // What has no payload format becomes packets of ASF later.
        if !matches!(track.format, Format::Asf { .. }) {
            track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
        }
    }
    assert_eq!(earliest(&found), 0.0, "the first thing shown is at zero");
    in_order(&found);
    found
}

/// The earliest time shown, in seconds: what an edit list trims is before zero.
fn earliest(found: &Demuxed) -> f64 {
    let shown = found.samples.iter().filter_map(|sample| {
        let track = found.tracks.iter().find(|track| track.number == sample.track)?;
        let scale = f64::from(track.timescale);
        let audio = track.format.media() == Media::Audio;
        let until = if audio { sample.pts + sample.duration } else { sample.pts + 1 };
        (until > 0).then(|| sample.pts.max(0) as f64 / scale)
    });
    shown.fold(f64::INFINITY, f64::min)
}

/// All samples in the order of their decoding times.
#[track_caller]
pub(super) fn in_order(found: &Demuxed) {
    let scale: BTreeMap<u32, u32> = found.tracks.iter().map(|track| (track.number, track.timescale)).collect();
    for pair in found.samples.windows(2) {
        let [a, b] = [0, 1].map(|i: usize| (i128::from(pair[i].dts), i128::from(scale[&pair[i].track])));
        assert!(a.0 * b.1 <= b.0 * a.1, "{pair:?}");
    }
}

fn packets(path: &str) -> BTreeMap<u32, Vec<Packet>> {
    let entries = "packet=stream_index,pts_time,dts_time,size,flags,data_hash";
    let arguments = ["-v", "error", "-show_packets", "-show_data_hash", "adler32", "-show_entries", entries];
    let output = run("ffprobe", &[arguments.as_slice(), &["-of", "compact=p=0", path]].concat());
    let mut out: BTreeMap<u32, Vec<Packet>> = BTreeMap::new();
    // Side data is written with a line of its own in the middle of a packet.
    let output = String::from_utf8(output).unwrap().replace("\n|", "|");
    for line in output.lines().filter(|line| line.contains("stream_index=")) {
        let field = |name: &str| line.split('|').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let time = |name: &str| field(name).and_then(|time| time.parse().ok()).unwrap_or(f64::NAN);
        let flags = field("flags").unwrap();
        out.entry(field("stream_index").unwrap().parse().unwrap()).or_default().push(Packet {
            pts: time("pts_time"),
            dts: time("dts_time"),
            size: field("size").unwrap().parse().unwrap(),
            sync: flags.contains('K'),
            discard: flags.contains('D'),
            hash: u32::from_str_radix(field("data_hash").unwrap().strip_prefix("adler32:").unwrap(), 16).unwrap(),
        });
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
