//! Files of many kinds, made by ffmpeg at test time.

use super::probed::same_as_ffprobe;
use super::*;
use crate::container::testing::{media, run};
use rtp::format::Format;
use std::path::Path;

pub(super) const PICTURE: &str = "testsrc2=size=176x144:rate=25:duration=3";
pub(super) const TONE: &str = "sine=frequency=440:sample_rate=44100:duration=3";
/// Both, as inputs 0 and 1.
pub(super) const BOTH: &[&str] = &["-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE];
pub(super) const H264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "20", "-b:v", "200k"];
pub(super) const AAC: &[&str] = &["-c:a", "aac", "-b:a", "64k"];

/// Makes `folder/name` of those arguments.
pub(super) fn make(folder: &Path, name: &str, arguments: &[&[&str]]) -> String {
    let path = folder.join(name).to_str().unwrap().to_string();
    let arguments = [&["-v", "error", "-y", "-nostdin"], arguments.concat().as_slice(), &[path.as_str()]].concat();
    run("ffmpeg", &arguments);
    path
}

/// Makes a file, holds it against ffprobe and gives what was found.
#[track_caller]
fn check(name: &str, arguments: &[&[&str]]) -> Demuxed {
    let folder = tempfile::tempdir().unwrap();
    let found = same_as_ffprobe(&make(folder.path(), name, arguments));
    println!("{name}: {} tracks, {} samples", found.tracks.len(), found.samples.len());
    found
}

#[test]
fn h264_with_b_frames_and_aac() {
    let found = check("a.mp4", &[BOTH, H264, AAC]);
    assert_eq!(found.tracks.len(), 2);
    assert_eq!(found.of(1).count(), 75);
    assert!(matches!(&found.tracks[0].format, Format::H264 { width: 176, height: 144, sps, pps }
        if sps.len() == 1 && pps.len() == 1));
    assert!(matches!(found.tracks[1].format, Format::Aac { sample_rate: 44_100, channels: 1, .. }));
    assert!(found.of(2).next().unwrap().pts < 0, "the frame that primes the decoder comes before zero");
}

#[test]
fn moov_first_wherever_the_times_come_from() {
    check("first.mp4", &[BOTH, H264, AAC, &["-movflags", "+faststart"]]);
    check("no_edits.mp4", &[BOTH, H264, AAC, &["-use_editlist", "0"]]);
    check("negative.mp4", &[BOTH, H264, AAC, &["-movflags", "+negative_cts_offsets"]]);
    check("scale.mp4", &[BOTH, H264, AAC, &["-video_track_timescale", "600"]]);
    check("ntsc.mp4", &[BOTH, &["-r", "30000/1001"], H264, AAC, &["-ar", "48000"]]);
    check("quicktime.mov", &[BOTH, H264, AAC]);
    check("open.mp4", &[BOTH, H264, &["-x264opts", "open-gop=1"], AAC]);
    check("language.mp4", &[BOTH, H264, AAC, &["-metadata:s:a:0", "language=deu"]]);
}

#[test]
fn fragments_of_each_flavour() {
    let fragmented = |name, flags| {
        let found = check(name, &[BOTH, H264, AAC, &["-movflags", flags]]);
        assert_eq!(found.of(1).count(), 75);
    };
    fragmented("keys.mp4", "frag_keyframe+empty_moov");
    fragmented("based.mp4", "frag_keyframe+empty_moov+default_base_moof");
    fragmented("absolute.mp4", "frag_keyframe");
    fragmented("separate.mp4", "frag_keyframe+empty_moov+separate_moof");
    fragmented("no_offset.mp4", "frag_keyframe+empty_moov+omit_tfhd_offset");
    fragmented("each.mp4", "frag_every_frame+empty_moov");
    fragmented("dash.mp4", "dash+frag_keyframe");
    fragmented("delay_moov.mp4", "frag_keyframe+delay_moov");
    fragmented("sidx.mp4", "frag_keyframe+global_sidx+dash");
}

/// ffmpeg 5.1 adds the shift for negative composition offsets to fragments' composition times, and so has the
/// picture late against the sound. By ISO 14496-12 both begin at zero here.
#[test]
fn negative_offsets_in_fragments_do_not_delay_the_picture() {
    let movflags = ["-movflags", "cmaf+frag_keyframe"];
    check("cmaf_picture.mp4", &[&["-f", "lavfi", "-i", PICTURE], H264, &movflags]);
    let folder = tempfile::tempdir().unwrap();
    let found = demux(&std::fs::read(make(folder.path(), "cmaf.mp4", &[BOTH, H264, AAC, &movflags])).unwrap()).unwrap();
    for track in [1, 2] {
        assert_eq!(found.of(track).map(|sample| sample.pts).min(), Some(0));
        assert!(found.of(track).all(|sample| sample.dts <= sample.pts));
    }
}

#[test]
fn delays_and_trims_keep_sound_and_picture_together() {
    let late = |late: &'static str, which: [&'static str; 2]| {
        let tone = ["-itsoffset", late, "-f", "lavfi", "-i", TONE];
        let picture = ["-f", "lavfi", "-i", PICTURE];
        [picture.as_slice(), &tone, &["-map", which[0], "-map", which[1]]].concat()
    };
    check("late_sound.mp4", &[&late("0.7", ["0:v", "1:a"]), H264, AAC]);
    check("late_all.mp4", &[&late("1.234", ["0:v", "1:a"]), H264, AAC, &["-output_ts_offset", "0.0667"]]);
    check("late_picture.mp4", &[&["-itsoffset", "0.3"], BOTH, H264, AAC, &["-output_ts_offset", "2"]]);
    // Copied from within a group of pictures: an edit list trims the pictures before the cut.
    let folder = tempfile::tempdir().unwrap();
    let whole = make(folder.path(), "whole.mp4", &[BOTH, H264, AAC]);
    for from in ["0.5", "1.01", "1.33"] {
        check("cut.mp4", &[&["-ss", from, "-i", &whole, "-c", "copy"]]);
        check("cut.mov", &[&["-ss", from, "-i", &whole, "-t", "1.1", "-c", "copy"]]);
    }
}

#[test]
fn other_codecs() {
    let found = check("asp.mp4", &[BOTH, &["-c:v", "mpeg4", "-bf", "2", "-b:v", "200k"], AAC]);
    assert!(matches!(&found.tracks[0].format, Format::Mp4vEs { width: 176, height: 144, config }
        if config.starts_with(&[0, 0, 1])));
    let found = check("mp3.mp4", &[BOTH, &["-c:v", "mpeg2video", "-bf", "2", "-c:a", "libmp3lame"]]);
    assert!(matches!(found.tracks[0].format, Format::Mpv { mpeg2: true, width: 176, height: 144 }));
    assert!(matches!(found.tracks[1].format, Format::Mpa { layer: 3, sample_rate: 44_100, channels: 1 }));
    let found = check("one.mp4", &[BOTH, &["-c:v", "mpeg1video", "-c:a", "mp2"]]);
    assert!(matches!(found.tracks[0].format, Format::Mpv { mpeg2: false, .. }));
    assert!(matches!(found.tracks[1].format, Format::Mpa { layer: 2, .. }));
    let found = check("mp3.mov", &[BOTH, &["-c:v", "mpeg4", "-c:a", "libmp3lame"]]);
    assert!(matches!(found.tracks[1].format, Format::Mpa { layer: 3, .. }));
    let found = check("avc3.mp4", &[BOTH, H264, AAC, &["-tag:v", "avc3"]]);
    assert!(matches!(found.tracks[0].format, Format::H264 { .. }));
}

#[test]
fn what_is_left_out_is_named() {
    let found = check("rle.mov", &[BOTH, &["-c:v", "qtrle"], AAC]);
    assert_eq!(found.tracks.len(), 1);
    assert_eq!(found.notes, ["track 1 is left out: video in a codec not supported (rle )"]);
    let folder = tempfile::tempdir().unwrap();
    let key = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "00112233445566778899aabbccddeeff"];
    let kid = ["-encryption_kid", "00112233445566778899aabbccddeeff"];
    let path = make(folder.path(), "locked.mp4", &[BOTH, H264, AAC, &key, &kid]);
    let error = demux(&std::fs::read(path).unwrap()).unwrap_err().to_string();
    assert!(error.contains("moov/trak[1]/mdia/minf/stbl/stsd: track 1 (video) is encrypted"), "{error}");
}

#[test]
fn files_of_the_media_folder() {
    #[track_caller]
    fn check(name: &str, notes: &[&str]) {
        let Some(bytes) = media(name) else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let found = same_as_ffprobe(path.to_str().unwrap());
        assert_eq!(found.notes, notes, "{name}");
    }
    let hint = |track| format!("track {track} is left out: a hint track (ready-made packets of another server)");
    check("mp4_dss_hinted_h264.mp4", &[&hint(3), &hint(4)]);
    check("mp4_fragmented_mfra.mp4", &[]);
    check("3gp_phone_h263_amr.3gp", &[]);
    check("mp4_android_hevc_mett.mp4", &["track 1 is left out: neither video nor audio (handler meta)"]);
    #[track_caller]
    fn refused(name: &str, reason: &str) {
        let Some(bytes) = media(name) else { return };
        assert_eq!(demux(&bytes).unwrap_err().to_string(), reason, "{name}");
    }
    refused(
        "mp4_broken_no_moov.mp4",
        "mp4: at byte 4336: no moov box, which has the tracks, among those found: ftyp, free, mdat",
    );
    check("mov_cmov_svq1.mov", &[]);
    let qdm2 = "track 1 is left out: audio in a codec not supported (QDM2)";
    check("mov_dss_hinted_svq3.mov", &[qdm2, &hint(3), &hint(4)]);
}
