//! A file of each codec, made by ffmpeg and held against ffprobe; audio in single ticks against what ffmpeg decodes.

use super::files::{BOTH, PICTURE, TONE, make};
use super::probed::same_as_ffprobe;
use super::*;
use crate::container::testing::{media, run};
use rtp::format::Format;

/// A file `name` of those arguments, whose tracks describe themselves like that.
#[track_caller]
fn check(name: &str, arguments: &[&[&str]], want: &[&str]) -> Demuxed {
    let folder = tempfile::tempdir().unwrap();
    let found = same_as_ffprobe(&make(folder.path(), name, arguments));
    let described: Vec<String> = found.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!(described, want, "{name}: {:?}", found.notes);
    found
}

const COPY: &[&str] = &["-strict", "experimental"];
const X265: &[&str] =
    &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=20:bframes=3"];

#[test]
fn h265_of_each_kind() {
    let h265 = "H.265 176x144";
    let found = check("hvc1.mp4", &[BOTH, X265, &["-tag:v", "hvc1", "-c:a", "ac3"]], &[h265, "AC-3 44100 Hz mono"]);
    let Format::H265 { vps, sps, pps, .. } = &found.tracks[0].format else { panic!() };
    assert_eq!([vps.len(), sps.len(), pps.len()], [1; 3]);
    assert!(found.of(1).any(|sample| sample.pts < sample.dts + sample.duration * 4 && sample.pts != sample.dts));
    check("hev1.mov", &[BOTH, X265, &["-tag:v", "hev1", "-c:a", "eac3"]], &[h265, "E-AC-3 44100 Hz mono"]);
    check(
        "frag.mp4",
        &[BOTH, X265, &["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"]],
        &[h265, "AAC 44100 Hz mono"],
    );
}

#[test]
fn sound_of_each_kind() {
    let around: &[&str] = &["-ar", "48000", "-ac", "6", "-b:a", "384k"];
    let tone: &[&str] = &["-f", "lavfi", "-i", TONE];
    check("a.mp4", &[tone, &["-c:a", "ac3"], around], &["AC-3 48000 Hz 6 channels"]);
    check("e.mp4", &[tone, &["-c:a", "eac3"], around], &["E-AC-3 48000 Hz 6 channels"]);
    check("a.mov", &[tone, &["-c:a", "ac3", "-ac", "2"]], &["AC-3 44100 Hz stereo"]);
    check("o.mp4", &[tone, &["-c:a", "libopus", "-ac", "2"]], &["Opus 48000 Hz stereo"]);
    check("m.mp4", &[tone, &["-c:a", "libopus"], COPY], &["Opus 48000 Hz mono"]);
    let found = check("many.mp4", &[BOTH, &["-c:v", "mpeg4", "-c:a", "libopus"], around], &["MPEG-4 visual 176x144"]);
    assert_eq!(
        found.notes,
        ["track 2 is left out: audio in a codec not supported (Opus with 6 channels, of which RTP carries two)"]
    );
}

#[test]
fn pictures_of_each_kind() {
    let picture: &[&str] = &["-f", "lavfi", "-i", PICTURE];
    check("h263.3gp", &[picture, &["-c:v", "h263"]], &["H.263 176x144"]);
    check("h263.mov", &[picture, &["-c:v", "h263"]], &["H.263 176x144"]);
    check("vp9.mp4", &[picture, &["-c:v", "libvpx-vp9", "-deadline", "realtime"]], &["VP9 176x144"]);
    let jpeg: &[&str] = &["-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p"];
    check("jpeg.mov", &[picture, jpeg], &["Motion JPEG 176x144"]);
}

#[test]
fn codecs_without_a_payload_format_keep_their_names() {
    let picture: &[&str] = &["-f", "lavfi", "-i", PICTURE];
    let own_tables: &[&str] = &["-c:v", "mjpeg", "-huffman", "optimal", "-c:a", "aac"];
    check("own_tables.mov", &[BOTH, own_tables], &["MJPG video 176x144", "AAC 44100 Hz mono"]);
    check("svq1.mov", &[picture, &["-c:v", "svq1"]], &["svq1 video 176x144"]);
    check("cinepak.mov", &[picture, &["-t", "0.4", "-c:v", "cinepak"]], &["cvid video 176x144"]);
    check("raw.mov", &[picture, &["-c:v", "rawvideo", "-pix_fmt", "uyvy422"]], &["UYVY video 176x144"]);
    check("xdcam.mov", &[picture, &["-c:v", "mpeg2video", "-tag:v", "xdv5"]], &["MPEG-2 video 176x144"]);
    check("one.mov", &[picture, &["-c:v", "mpeg1video", "-tag:v", "m1v1"]], &["MPEG-1 video 176x144"]);
    let tone: &[&str] = &["-f", "lavfi", "-i", TONE];
    check("dts.mp4", &[tone, &["-c:a", "dca"], COPY], &["DTS 44100 Hz 2 channels"]);
    check("flac.mp4", &[tone, &["-c:a", "flac"], COPY], &["PCM 16 bits 44100 Hz mono"]);
}

#[test]
fn adpcm_is_cut_at_its_blocks() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, name, block) in [("adpcm_ms", "Microsoft ADPCM", 1024), ("adpcm_ima_wav", "IMA ADPCM", 1024)] {
        let path = make(folder.path(), "adpcm.mov", &[BOTH, &["-c:v", "mpeg4", "-c:a", codec]]);
        let found = demux(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(found.tracks[1].format.describe(), format!("{name} 44100 Hz 1 channels"));
        let whole = run("ffmpeg", &["-v", "error", "-i", &path, "-map", "0:a", "-c", "copy", "-f", "data", "-"]);
        assert!(found.stream(2) == whole, "{codec}");
        assert!(found.of(2).all(|sample| sample.data.len() % block == 0), "{codec}");
        let mut at = 0;
        for sample in found.of(2) {
            assert_eq!(sample.pts, at, "{codec}");
            at += sample.duration;
        }
    }
}

/// A file's audio track in single ticks: bundles without gaps, and of the samples that ffmpeg decodes.
#[track_caller]
fn ticks(name: &str, arguments: &[&[&str]], want: &str, raw: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), name, arguments);
    let found = same_as_ffprobe(&path);
    let track = found.tracks.last().unwrap();
    assert_eq!(track.format.describe(), want, "{name}");
    let decoded = run("ffmpeg", &["-v", "error", "-i", &path, "-map", "0:a", "-f", raw, "-"]);
    assert!(found.stream(track.number) == decoded, "{name}: other samples than ffmpeg's");
    let rate = i64::from(track.format.clock_rate().hz());
    let mut at = found.of(track.number).next().unwrap().pts;
    for sample in found.of(track.number) {
        assert_eq!((sample.pts, sample.dts), (at, at), "{name}");
        assert!(sample.duration * 50 <= i64::from(track.timescale), "{name}");
        at += sample.duration;
    }
    assert_eq!(at * rate / i64::from(track.timescale), 3 * rate, "{name}");
    assert!(found.of(track.number).count() < 400, "{name}");
}

#[test]
fn single_ticks_are_bundled() {
    let video: &[&str] = &["-c:v", "mpeg4"];
    ticks("sowt.mov", &[BOTH, video, &["-c:a", "pcm_s16le", "-ac", "2"]], "PCM 16 bits 44100 Hz stereo", "s16be");
    ticks("twos.mov", &[BOTH, video, &["-c:a", "pcm_s16be"]], "PCM 16 bits 44100 Hz mono", "s16be");
    ticks("in24.mov", &[BOTH, video, &["-c:a", "pcm_s24be", "-ac", "2"]], "PCM 24 bits 44100 Hz stereo", "s24be");
    ticks("in24le.mov", &[BOTH, video, &["-c:a", "pcm_s24le"]], "PCM 24 bits 44100 Hz mono", "s24be");
    ticks("raw.mov", &[BOTH, video, &["-c:a", "pcm_u8", "-ar", "11025"]], "PCM 16 bits 11025 Hz mono", "s16be");
    ticks("signed.mov", &[BOTH, video, &["-c:a", "pcm_s8"]], "PCM 16 bits 44100 Hz mono", "s16be");
    ticks("ulaw.mov", &[BOTH, video, &["-c:a", "pcm_mulaw", "-ar", "8000"]], "mu-law 8000 Hz mono", "mulaw");
    ticks("alaw.mov", &[BOTH, video, &["-c:a", "pcm_alaw", "-ar", "8000"]], "A-law 8000 Hz mono", "alaw");
    let ima4: &[&str] = &["-c:a", "adpcm_ima_qt", "-af", "atrim=end_sample=131072"];
    ima4_decodes(&[BOTH, video, ima4]);
    // Rates and channels beyond version 1's fields make version 2.
    ticks("lpcm.mov", &[BOTH, video, &["-c:a", "pcm_s16le", "-ar", "96000"]], "PCM 16 bits 96000 Hz mono", "s16be");
    ticks("lpcm24.mov", &[BOTH, video, &["-c:a", "pcm_s24be", "-ar", "96000"]], "PCM 24 bits 96000 Hz mono", "s24be");
    ticks("lpcm6.mov", &[BOTH, video, &["-c:a", "pcm_s16le", "-ac", "6"]], "PCM 16 bits 44100 Hz 6 channels", "s16be");
    // Alone, in large chunks.
    ticks("alone.mov", &[&["-f", "lavfi", "-i", TONE], &["-c:a", "pcm_s16le"]], "PCM 16 bits 44100 Hz mono", "s16be");
}

/// IMA ADPCM of QuickTime comes as the samples that ffmpeg decodes.
#[track_caller]
fn ima4_decodes(arguments: &[&[&str]]) {
    let folder = tempfile::tempdir().unwrap();
    for channels in ["1", "2"] {
        let path = make(folder.path(), "ima4.mov", &[arguments, &[&["-ac", channels]]].concat());
        let found = demux(&std::fs::read(&path).unwrap()).unwrap();
        let decoded = run("ffmpeg", &["-v", "error", "-i", &path, "-map", "0:a", "-f", "s16be", "-"]);
        assert!(found.stream(2) == decoded, "{channels}: other samples than ffmpeg's");
        assert!(matches!(found.tracks[1].format, Format::Pcm { sample_rate: 44_100, .. }));
    }
}

#[test]
fn samples_that_rtp_has_no_name_for_are_described_as_the_file_does() {
    let folder = tempfile::tempdir().unwrap();
    for codec in ["pcm_f32le", "pcm_s32be", "pcm_f64be"] {
        let path = make(folder.path(), "wide.mov", &[BOTH, &["-c:v", "mpeg4", "-c:a", codec]]);
        let found = demux(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(found.tracks[1].format.encoding_name(), "X-QT", "{codec}");
        let whole = run("ffmpeg", &["-v", "error", "-i", &path, "-map", "0:a", "-c", "copy", "-f", "data", "-"]);
        assert!(found.stream(2) == whole, "{codec}");
    }
}

#[test]
fn subtitles_are_text_and_chapters_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words.srt");
    std::fs::write(
        &words,
        "1\n00:00:00,500 --> 00:00:01,000\nGr\u{fc}\u{df}e\n\n2\n00:00:01,200 --> 00:00:02,000\nand more\n",
    )
    .unwrap();
    let marks = folder.path().join("marks.txt");
    std::fs::write(&marks, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=one\n").unwrap();
    let inputs = ["-i", words.to_str().unwrap(), "-i", marks.to_str().unwrap()];
    let maps = [
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "2",
        "-map_chapters",
        "3",
        "-c:v",
        "mpeg4",
        "-c:a",
        "aac",
        "-c:s",
        "mov_text",
    ];
    for name in ["text.mp4", "text.mov"] {
        let path = make(folder.path(), name, &[BOTH, &inputs, &maps]);
        let found = demux(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(found.notes, ["track 4 is left out: the names of chapters"], "{name}");
        let text = found.tracks.iter().find(|track| track.format == Format::T140 {}).unwrap();
        let scale = i64::from(text.timescale);
        let cues =
            found.of(text.number).map(|cue| (cue.pts * 1000 / scale, cue.duration * 1000 / scale, cue.data.clone()));
        let want = [(500, 500, "Gr\u{fc}\u{df}e".into()), (1200, 800, "and more".into())];
        assert_eq!(cues.collect::<Vec<_>>(), want, "{name}");
    }
}

#[test]
fn a_phone_of_2004_is_read() {
    let Some(bytes) = media("3gp_phone_h263_amr.3gp") else { return };
    let found = demux(&bytes).unwrap();
    let described: Vec<String> = found.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!(described, ["H.263 176x144", "AMR 8000 Hz mono"]);
    assert_eq!([found.of(1).count(), found.of(2).count()], [222, 760]);
}
