//! Whole files: what comes out decodes to what ffmpeg decodes from the file, at the same times.

use super::Codec;
use crate::container::testing::{Demuxed, drive, drive_bytes, media, probe_bytes, run};
use crate::container::{Kind, limits};
use proptest::prelude::*;
use rtp::codec::nal::prefixed_to_annex_b;
use rtp::format::Format;
use std::sync::LazyLock;

const PICTURE_25: &str = "testsrc2=size=176x144:rate=25:duration=3";
const PICTURE_30: &str = "testsrc2=size=176x120:rate=30000/1001:duration=3";
const SOUND_44: &str = "aevalsrc=0.3*sin(440*2*PI*t)|0.2*sin(660*2*PI*t):sample_rate=44100:duration=3";
const SOUND_22: &str = "aevalsrc=0.3*sin(440*2*PI*t):sample_rate=22050:duration=3";

/// A file made by ffmpeg of a test picture or a tone.
fn made(input: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film");
    let input = ["-v", "error", "-y", "-f", "lavfi", "-i", input, "-threads", "1"];
    run("ffmpeg", &[&input[..], arguments, &[path.to_str().unwrap()]].concat());
    std::fs::read(path).unwrap()
}

/// What `program` says of a file of `bytes`, whose path comes after `before`.
fn of_file(program: &str, before: &[&str], bytes: &[u8], after: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    run(program, &[before, &[path.to_str().unwrap()], after].concat())
}

/// The hashes of the frames that ffmpeg decodes.
fn hashes(bytes: &[u8], format: &str) -> Vec<String> {
    let after = ["-map", "0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let lines = of_file("ffmpeg", &["-v", "quiet", "-f", format, "-i"], bytes, &after);
    let lines = String::from_utf8(lines).unwrap();
    let frames = lines.lines().filter(|line| !line.starts_with('#'));
    frames.filter_map(|line| line.rsplit(',').next()).map(|hash| hash.trim().to_owned()).collect()
}

/// Lines of numbers that ffprobe shows; `None` for what it doesn't know.
fn probed(bytes: &[u8], format: &str, entries: &str) -> Vec<Vec<Option<f64>>> {
    let before = ["-v", "quiet", "-f", format, "-show_entries", entries, "-of", "csv=p=0"];
    let lines = String::from_utf8(of_file("ffprobe", &before, bytes, &[])).unwrap();
    let lines = lines.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.trim_end_matches(',').split(',').map(|field| field.parse().ok()).collect()).collect()
}

fn demux(name: &str, bytes: &[u8], codec: Codec) -> Demuxed {
    assert_eq!(probe_bytes(bytes), Some(Kind::Es(codec)), "{name}");
    let demuxed = drive_bytes(Kind::Es(codec), bytes).unwrap();
    assert_eq!(demuxed.tracks.len(), 1, "{name}");
    let mut last = i64::MIN;
    for sample in &demuxed.samples {
        assert!(sample.dts > last && sample.dts <= sample.pts && sample.duration > 0, "{name}: {sample:?}");
        last = sample.dts;
    }
    assert!(demuxed.samples[0].sync, "{name}: the first is no sync sample");
    demuxed
}

/// Seconds, ascending.
fn times(demuxed: &Demuxed) -> Vec<f64> {
    let mut times: Vec<_> = demuxed.samples.iter().map(|sample| sample.pts).collect();
    times.sort_unstable();
    times.into_iter().map(|time| time as f64 / f64::from(demuxed.tracks[0].timescale)).collect()
}

/// The stream as a player gets it.
fn stream(demuxed: &Demuxed) -> Vec<u8> {
    let mut out = Vec::new();
    for sample in &demuxed.samples {
        match demuxed.tracks[0].format {
            Format::H264 { .. } | Format::H265 { .. } => prefixed_to_annex_b(&sample.data, 4, &mut out).unwrap(),
            _ => out.extend_from_slice(&sample.data),
        }
    }
    out
}

/// Of `bytes`, a file that ffmpeg reads as `format`, our access units decode to the same frames at the same times, from
/// zero on.
fn check_video(name: &str, bytes: &[u8], codec: Codec, format: &str) -> Demuxed {
    let demuxed = demux(name, bytes, codec);
    let expected = hashes(bytes, format);
    assert!(!expected.is_empty(), "{name}: ffmpeg decodes nothing");
    assert_eq!(hashes(&stream(&demuxed), format), expected, "{name}: frames");
    let (ours, theirs) = (times(&demuxed), probed(bytes, format, "frame=best_effort_timestamp_time"));
    assert_eq!((ours.len(), ours[0]), (theirs.len(), 0.0), "{name}: access units");
    // The time of the first one is ffmpeg's guess.
    let known = theirs.iter().map(|line| line[0]).enumerate().skip(1);
    let offset = known.clone().zip(&ours[1..]).find_map(|((_, theirs), ours)| Some(theirs? - ours)).unwrap_or(0.0);
    for ((index, theirs), ours) in known.zip(&ours[1..]) {
        let Some(theirs) = theirs else { continue };
        let error = (ours + offset - theirs).abs();
        assert!(error < 0.000_02, "{name}: frame {index} is at {ours}, not {theirs}");
    }
    demuxed
}

/// Of `bytes`, our access units are ffmpeg's packets but for a header of `stripped` bytes, at the same times.
fn check_audio(name: &str, bytes: &[u8], codec: Codec, format: &str, stripped: usize) -> Demuxed {
    let demuxed = demux(name, bytes, codec);
    let expected = probed(bytes, format, "packet=pts_time,size");
    let sizes: Vec<_> = demuxed.samples.iter().map(|sample| Some((sample.data.len() + stripped) as f64)).collect();
    assert_eq!(sizes, expected.iter().map(|line| line[1]).collect::<Vec<_>>(), "{name}: access units");
    for (index, (ours, theirs)) in times(&demuxed).iter().zip(&expected).enumerate() {
        // Of AC-3 ffmpeg adds up durations that it rounded to 90 kHz.
        let rounded = if codec == Codec::Ac3 { index as f64 / 90_000.0 } else { 0.0 };
        assert!((ours - theirs[0].unwrap()).abs() < 0.000_02 + rounded, "{name}: {ours}, not {theirs:?}");
    }
    if stripped == 0 {
        let copied = ["-map", "0:a", "-c", "copy", "-f", "data", "-"];
        let packets = of_file("ffmpeg", &["-v", "quiet", "-f", format, "-i"], bytes, &copied);
        assert!(packets == stream(&demuxed), "{name}: bytes");
    }
    demuxed
}

static MPEG2: LazyLock<Vec<u8>> =
    LazyLock::new(|| made(PICTURE_25, &["-c:v", "mpeg2video", "-bf", "2", "-g", "15", "-f", "mpeg2video"]));
static VISUAL: LazyLock<Vec<u8>> =
    LazyLock::new(|| made(PICTURE_25, &["-c:v", "mpeg4", "-bf", "2", "-g", "15", "-f", "m4v"]));
static AVC: LazyLock<Vec<u8>> =
    LazyLock::new(|| made(PICTURE_25, &["-c:v", "libx264", "-g", "20", "-pix_fmt", "yuv420p", "-f", "h264"]));
static HEVC: LazyLock<Vec<u8>> =
    LazyLock::new(|| made(PICTURE_25, &["-c:v", "libx265", "-x265-params", "log-level=error:keyint=10", "-f", "hevc"]));
static MP3: LazyLock<Vec<u8>> = LazyLock::new(|| made(SOUND_44, &["-c:a", "libmp3lame", "-f", "mp3"]));
static ADTS: LazyLock<Vec<u8>> = LazyLock::new(|| made(SOUND_44, &["-c:a", "aac", "-f", "adts"]));

#[test]
fn mpeg_video() {
    let mpeg1 = ["-c:v", "mpeg1video", "-bf", "2", "-g", "12", "-f", "mpeg1video"];
    check_video("MPEG-1", &made(PICTURE_30, &mpeg1), Codec::MpegVideo, "mpegvideo");
    check_video("MPEG-2", &MPEG2, Codec::MpegVideo, "mpegvideo");
    let interlaced = ["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-bf", "1", "-f", "mpeg2video"];
    check_video("interlaced", &made(PICTURE_25, &interlaced), Codec::MpegVideo, "mpegvideo");
    let Some(file) = media("es_xine_default.mpv") else { return };
    check_video("es_xine_default.mpv", &file, Codec::MpegVideo, "mpegvideo");
}

#[test]
fn mpeg4_visual() {
    let demuxed = check_video("B pictures", &VISUAL, Codec::Mpeg4Visual, "m4v");
    let Format::Mp4vEs { config, width: 176, height: 144 } = &demuxed.tracks[0].format else { panic!() };
    assert!(config.starts_with(&[0, 0, 1, 0xB0]) && VISUAL.starts_with(config));
    let plain = ["-c:v", "mpeg4", "-f", "m4v"];
    check_video("29.97 Hz", &made(PICTURE_30, &plain), Codec::Mpeg4Visual, "m4v");
    let xvid = ["-c:v", "libxvid", "-bf", "1", "-f", "m4v"];
    check_video("Xvid", &made(PICTURE_25, &xvid), Codec::Mpeg4Visual, "m4v");
}

/// Players show the pictures before the first headers, too, where the codec lets them.
#[test]
fn begun_in_the_middle() {
    let visual = made(PICTURE_25, &["-c:v", "mpeg4", "-g", "15", "-f", "m4v"]);
    let cut = |bytes: &[u8]| bytes[bytes.len() / 3 + 13..].to_vec();
    let demuxed = check_video("MPEG-4 visual", &cut(&visual), Codec::Mpeg4Visual, "m4v");
    assert!(demuxed.samples[0].sync && !demuxed.samples[1].sync);
    let picture = visual.windows(4).position(|code| code == [0, 0, 1, 0xB6]).unwrap();
    let headers_first = [&visual[..picture], &cut(&visual)].concat();
    check_video("headers, and no I picture", &headers_first, Codec::Mpeg4Visual, "m4v");
    let options = ["-c:v", "libx265", "-x265-params", "log-level=error:keyint=15:bframes=0", "-f", "hevc"];
    let hevc = cut(&made(PICTURE_25, &options));
    let demuxed = demux("H.265", &hevc, Codec::H265);
    assert_eq!(demuxed.samples.len(), hashes(&hevc, "hevc").len(), "H.265");
    // Of H.264 they show none.
    let avc = cut(&AVC);
    assert_eq!(hashes(&stream(&demux("H.264", &avc, Codec::H264)), "h264"), hashes(&avc, "h264"), "H.264");
}

#[test]
fn avc() {
    let demuxed = check_video("B pyramid", &AVC, Codec::H264, "h264");
    let Format::H264 { sps, pps, width: 176, height: 144 } = &demuxed.tracks[0].format else { panic!() };
    assert_eq!((sps.len(), pps.len()), (1, 1));
    assert_eq!(demuxed.samples.iter().filter(|sample| sample.sync).count(), 4);
    let cases: &[(&str, &str, &[&str])] = &[
        ("baseline", PICTURE_30, &["-profile:v", "baseline"]),
        ("slices", PICTURE_25, &["-x264-params", "slices=4"]),
        ("interlaced", PICTURE_25, &["-flags", "+ildct+ilme", "-x264-params", "tff=1"]),
        ("open groups", PICTURE_25, &["-x264-params", "open-gop=1:keyint=12"]),
        ("intra refresh", PICTURE_25, &["-x264-params", "intra-refresh=1:keyint=12"]),
        ("delimiters", PICTURE_25, &["-x264-params", "aud=1"]),
    ];
    for (name, picture, arguments) in cases {
        let codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "h264"];
        check_video(name, &made(picture, &[arguments, &codec[..]].concat()), Codec::H264, "h264");
    }
}

#[test]
fn hevc() {
    let demuxed = check_video("B pyramid", &HEVC, Codec::H265, "hevc");
    let Format::H265 { vps, sps, pps, width: 176, height: 144 } = &demuxed.tracks[0].format else { panic!() };
    assert_eq!((vps.len(), sps.len(), pps.len()), (1, 1, 1));
    assert_eq!(demuxed.samples.iter().filter(|sample| sample.sync).count(), 8);
    let cases: &[(&str, &str, &str)] = &[
        ("no B pictures", PICTURE_30, "bframes=0"),
        ("slices", PICTURE_25, "slices=3:bframes=2"),
        ("open groups", PICTURE_25, "open-gop=1:keyint=12:min-keyint=12:bframes=3"),
        ("delimiters, sets with each", PICTURE_25, "aud=1:repeat-headers=1:keyint=10"),
        ("temporal layers", PICTURE_25, "temporal-layers=3:b-pyramid=1"),
        ("intra refresh", PICTURE_30, "intra-refresh=1:bframes=0"),
        ("hashes behind", PICTURE_25, "hash=1"),
        ("end of sequence", PICTURE_25, "eos=1:eob=1"),
    ];
    for (name, picture, parameters) in cases {
        let parameters = format!("log-level=error:{parameters}");
        let arguments = ["-c:v", "libx265", "-preset", "veryfast", "-x265-params", &parameters, "-f", "hevc"];
        check_video(name, &made(picture, &arguments), Codec::H265, "hevc");
    }
}

/// Where a stream begins at a clean random access picture, those that lead it refer to what is not there.
#[test]
fn leading_pictures_of_a_cut_are_left_out() {
    let parameters = "log-level=error:open-gop=1:keyint=12:min-keyint=12:bframes=3:repeat-headers=1";
    let whole = made(PICTURE_25, &["-c:v", "libx265", "-x265-params", parameters, "-f", "hevc"]);
    // The second video parameter set.
    let second = whole.windows(5).enumerate().filter(|(_, bytes)| bytes == &[0, 0, 1, 0x40, 1]).nth(1).unwrap().0;
    let demuxed = demux("cut", &whole[second..], Codec::H265);
    assert_eq!((demuxed.samples[0].pts, hashes(&whole[second..], "hevc").len()), (0, demuxed.samples.len()));
}

#[test]
fn mpeg_audio() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("layer II", SOUND_44, &["-c:a", "mp2", "-f", "mp2"]),
        ("layer II, low rate", SOUND_22, &["-c:a", "mp2", "-b:a", "64k", "-f", "mp2"]),
        ("no tags", SOUND_44, &["-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"]),
        ("variable rate", SOUND_44, &["-c:a", "libmp3lame", "-q:a", "4", "-f", "mp3"]),
        ("ID3v1", SOUND_22, &["-c:a", "libmp3lame", "-write_id3v1", "1", "-metadata", "title=x", "-f", "mp3"]),
    ];
    for (name, sound, arguments) in cases {
        check_audio(name, &made(sound, arguments), Codec::MpegAudio, "mp3", 0);
    }
    for name in ["mp3_vbr_xing.mp3", "mp3_dss_cbr_id3v22.mp3"] {
        let Some(file) = media(name) else { return };
        let demuxed = check_audio(name, &file, Codec::MpegAudio, "mp3", 0);
        assert_eq!(demuxed.notes, Vec::<String>::new(), "{name}");
    }
}

/// It has no payload format, and goes bare to who wraps it.
#[test]
fn dts() {
    // Between the words of the second lies what looks like a header of MPEG audio without a rate.
    for (sound, rate, channels) in [(SOUND_44, 44_100, 2), ("sine=sample_rate=48000:duration=3", 48_000, 1)] {
        let bytes = made(sound, &["-c:a", "dca", "-strict", "-2", "-f", "dts"]);
        assert_eq!(probe_bytes(&bytes), Some(Kind::Es(Codec::Dts)), "{rate} Hz");
        let wrapped = drive_bytes(Kind::Es(Codec::Dts), &bytes).unwrap();
        assert_eq!(wrapped.tracks[0].format.describe(), format!("DTS {rate} Hz {channels} channels"));
        let mut es = super::Es::new(Codec::Dts, bytes.len() as u64);
        let bare = drive(&mut es, &mut std::io::Cursor::new(&bytes)).unwrap();
        let expected = probed(&bytes, "dts", "packet=size");
        let sizes: Vec<_> = bare.samples.iter().map(|sample| vec![Some(sample.data.len() as f64)]).collect();
        assert_eq!((sizes, wrapped.samples.len()), (expected, bare.samples.len()), "{rate} Hz");
        let frame = i64::from(bare.tracks[0].timescale) * 512;
        assert!(bare.stream(1) == bytes && bare.samples.iter().all(|sample| sample.duration * rate == frame));
    }
}

#[test]
fn ac3() {
    let five = "aevalsrc=0.1*sin(440*2*PI*t)|0|0|0|0|0:sample_rate=48000:duration=3:channel_layout=5.1";
    let demuxed = check_audio("AC-3", &made(five, &["-c:a", "ac3", "-f", "ac3"]), Codec::Ac3, "ac3", 0);
    assert_eq!(demuxed.tracks[0].format, Format::Ac3 { sample_rate: 48_000, channels: 6 });
    let demuxed = check_audio("E-AC-3", &made(SOUND_44, &["-c:a", "eac3", "-f", "eac3"]), Codec::Ac3, "eac3", 0);
    assert_eq!(demuxed.tracks[0].format, Format::Eac3 { sample_rate: 44_100, channels: 2 });
    let Some(file) = media("ac3_silence.ac3") else { return };
    check_audio("ac3_silence.ac3", &file, Codec::Ac3, "ac3", 0);
}

#[test]
fn aac() {
    let demuxed = check_audio("AAC", &ADTS, Codec::Adts, "aac", 7);
    let expected = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 };
    assert_eq!(demuxed.tracks[0].format, expected);
    check_audio("22 kHz mono", &made(SOUND_22, &["-c:a", "aac", "-f", "adts"]), Codec::Adts, "aac", 7);
    let Some(file) = media("aac_adts.aac") else { return };
    check_audio("aac_adts.aac", &file, Codec::Adts, "aac", 7);
}

/// Frames of layer III, free format: 128 kbit/s and 44.1 kHz, of 417 and 418 bytes.
fn free_format() -> Vec<u8> {
    (0..40)
        .flat_map(|at| {
            let padding = u8::from(at % 3 == 0);
            [vec![0xFF, 0xFB, padding << 1, 0x64], vec![0x11; 413 + usize::from(padding)]].concat()
        })
        .collect()
}

/// What Fraunhofer's encoder notes of a file is no sound.
#[test]
fn notes_of_a_variable_rate_are_no_frame() {
    let plain = drive_bytes(Kind::Es(Codec::MpegAudio), &MP3).unwrap().samples;
    let sound: Vec<u8> = plain.iter().flat_map(|sample| sample.data.iter().copied()).collect();
    // 128 kbit/s, 44.1 kHz: the notes begin behind the header and 32 bytes.
    let mut notes = [&[0xFF, 0xFB, 0x90, 0x64][..], &[0; 413]].concat();
    notes[36..42].copy_from_slice(b"VBRI\0\x01");
    let found = demux("VBRI", &[notes, sound].concat(), Codec::MpegAudio);
    assert!(found.samples == plain && found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn tags_and_junk_are_passed_over() {
    let long = [&b"ID3\x04\0\0\0\x08\0\0"[..], &vec![0; 8 << 14], &MP3[..]].concat();
    let tail = [&[0xFFu8, 0xFB, 0x90][..], &b"TAG"[..], &[0; 125]].concat();
    let plain = drive_bytes(Kind::Es(Codec::MpegAudio), &MP3).unwrap().samples;
    let cases: &[(&str, Vec<u8>, Codec, usize)] = &[
        ("a long tag", long, Codec::Tagged, plain.len()),
        ("junk before", [&[0x55; 3000][..], &MP3[..]].concat(), Codec::MpegAudio, plain.len()),
        ("a tag behind", [&MP3[..], &tail].concat(), Codec::MpegAudio, plain.len()),
        ("free format", free_format(), Codec::MpegAudio, 40),
        ("free format and a tag", [&free_format(), &tail[3..]].concat(), Codec::MpegAudio, 40),
        ("AAC behind a tag", [&b"ID3\x04\0\0\0\0\0\x02xx"[..], &ADTS].concat(), Codec::Adts, 131),
    ];
    for (name, bytes, codec, count) in cases {
        let demuxed = demux(name, bytes, *codec);
        assert_eq!(demuxed.samples.len(), *count, "{name}");
    }
    assert!(drive_bytes(Kind::Es(Codec::Tagged), b"ID3\x04\0\0\0\0\0\x02xxnothing at all").is_err());
}

#[test]
fn cut_files_give_what_they_have() {
    let cases: &[(&str, &[u8], Codec)] = &[
        ("MPEG-2", &MPEG2, Codec::MpegVideo),
        ("MPEG-4", &VISUAL, Codec::Mpeg4Visual),
        ("H.264", &AVC, Codec::H264),
        ("H.265", &HEVC, Codec::H265),
        ("MP3", &MP3, Codec::MpegAudio),
        ("ADTS", &ADTS, Codec::Adts),
    ];
    for (name, bytes, codec) in cases {
        let whole = drive_bytes(Kind::Es(*codec), bytes).unwrap().samples.len();
        let mut last = 1;
        for part in 1..8 {
            let cut = &bytes[..bytes.len() * part / 8];
            let demuxed = demux(name, cut, *codec);
            assert!(demuxed.samples.len() <= whole && demuxed.samples.len() >= last, "{name} {part}/8");
            last = demuxed.samples.len();
        }
        let from_the_middle = &bytes[bytes.len() / 2..];
        let demuxed = drive_bytes(Kind::Es(*codec), from_the_middle).unwrap();
        assert!(demuxed.samples[0].sync && demuxed.samples.len() * 4 > whole, "{name} from the middle");
        let error = drive_bytes(Kind::Es(*codec), &[0x55; 5000]).unwrap_err();
        assert!(error.reason.contains("access unit"), "{name}: {error}");
    }
}

#[test]
fn other_files_are_no_elementary_streams() {
    let program = made(PICTURE_25, &["-c:v", "mpeg2video", "-f", "vob"]);
    let transport = made(PICTURE_25, &["-c:v", "mpeg2video", "-f", "mpegts"]);
    let cases: &[(&str, &[u8])] = &[
        ("a program stream from its middle", &program[program.len() / 2 + 100..]),
        ("a transport stream", &transport),
        ("an AVI", &made(SOUND_44, &["-c:a", "libmp3lame", "-f", "avi"])),
        ("a WAV", &made(SOUND_44, &["-c:a", "libmp3lame", "-f", "wav"])),
        ("Matroska", &made(PICTURE_25, &["-c:v", "mpeg2video", "-f", "matroska"])),
        ("one frame", &MP3[..417]),
        ("zeros", &[0; 70_000]),
    ];
    for (name, bytes) in cases {
        let head = &bytes[..bytes.len().min(limits::PROBE_LEN)];
        assert_eq!(super::detect(head, head.len() == bytes.len()), None, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is changed in a file, it ends, and what comes out keeps the rules.
    #[test]
    fn damage_is_passed_over(which in 0usize..6, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60)) {
        let cases: [(&[u8], Codec); 6] = [
            (&MPEG2, Codec::MpegVideo), (&VISUAL, Codec::Mpeg4Visual), (&AVC, Codec::H264), (&HEVC, Codec::H265),
            (&MP3, Codec::MpegAudio), (&ADTS, Codec::Adts),
        ];
        let (bytes, codec) = cases[which];
        let mut bytes = bytes.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(demuxed) = drive_bytes(Kind::Es(codec), &bytes) {
            let mut last = i64::MIN;
            for sample in &demuxed.samples {
                prop_assert!(sample.dts > last && sample.dts <= sample.pts && sample.duration > 0);
                last = sample.dts;
            }
        }
    }
}
