//! Files of many kinds, made by ffmpeg at test time, and those of the media folder.

use super::demux;
use super::played::{compare, make, same_as_ffmpeg};
use crate::container::testing::{Demuxed, media};
use rtp::format::{Format, PcmCoding};

pub(super) const PICTURE: &[&str] = &["-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25:duration=3"];
pub(super) const TONE: &[&str] = &["-f", "lavfi", "-i", "aevalsrc=sin(t*t*900)|0.4*sin(t*2000):s=44100:d=3"];
pub(super) const MPEG4: &[&str] = &["-c:v", "mpeg4", "-bf", "2", "-g", "20", "-b:v", "200k"];
pub(super) const H264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-b:v", "200k"];
pub(super) const MP3: &[&str] = &["-c:a", "libmp3lame", "-b:a", "128k"];

/// Makes a file, holds it against ffmpeg and gives what was found.
#[track_caller]
fn check(name: &str, arguments: &[&[&str]]) -> Demuxed {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), name, &[PICTURE, TONE, &arguments.concat()]);
    let found = same_as_ffmpeg(&path);
    assert_eq!((found.tracks.len(), found.notes.as_slice()), (2, [].as_slice()), "{name}");
    found
}

#[test]
fn mpeg4_with_and_without_b_pictures() {
    let found = check("b.avi", &[MPEG4, MP3]);
    assert!(matches!(&found.tracks[0].format, Format::Mp4vEs { width: 176, height: 144, .. }));
    assert!(matches!(found.tracks[1].format, Format::Mpa { layer: 3, sample_rate: 44_100, channels: 2 }));
    check("no_b.avi", &[MPEG4, &["-bf", "0"], MP3]);
    check("ntsc.avi", &[&["-r", "30000/1001"], MPEG4, MP3]);
    check("divx.avi", &[MPEG4, &["-tag:v", "DX50"], MP3]);
}

#[test]
fn packed_b_pictures_come_apart() {
    let found = check("packed.avi", &[&["-c:v", "libxvid", "-bf", "2", "-g", "20"], MP3]);
    let Format::Mp4vEs { config, .. } = &found.tracks[0].format else { panic!() };
    let letter = |bytes: &[u8]| bytes.windows(12).find(|text| text.starts_with(b"DivX503b1393")).is_some();
    assert!(letter(config) && !config.windows(13).any(|text| text == b"DivX503b1393p"));
    assert!(found.of(1).all(|sample| !sample.data.windows(13).any(|text| text == b"DivX503b1393p")));
    check("xvid.avi", &[&["-c:v", "libxvid", "-g", "20"], MP3]);
}

#[test]
fn h264_is_shown_in_its_order() {
    for (name, options) in [
        ("none.avi", ["-bf", "0"]),
        ("b.avi", ["-bf", "2"]),
        ("pyramid.avi", ["-bf", "5"]),
        ("open.avi", ["-x264opts", "open-gop=1"]),
        ("fields.avi", ["-flags", "+ildct+ilme"]),
    ] {
        let found = check(name, &[H264, &options, MP3]);
        assert!(matches!(&found.tracks[0].format, Format::H264 { sps, pps, .. } if sps.len() == 1 && pps.len() == 1));
        assert!(found.of(1).filter(|sample| sample.sync).count() >= 4);
    }
}

#[test]
fn h265_is_shown_in_its_order() {
    for (name, parameters) in
        [("none.avi", "bframes=0"), ("b.avi", "bframes=3:keyint=20"), ("deep.avi", "bframes=8:b-pyramid=1")]
    {
        let parameters = format!("log-level=error:{parameters}");
        let codec = ["-c:v", "libx265", "-preset", "veryfast", "-x265-params", &parameters, "-vtag", "HEVC"];
        let found = check(name, &[&codec, MP3]);
        let Format::H265 { vps, sps, pps, .. } = &found.tracks[0].format else { panic!("{:?}", found.tracks) };
        assert_eq!((vps.len(), sps.len(), pps.len()), (1, 1, 1), "{name}");
        assert!(found.of(1).filter(|sample| sample.sync).count() >= 1, "{name}");
    }
}

#[test]
fn other_pictures() {
    let found = check("two.avi", &[&["-c:v", "mpeg2video", "-bf", "2"], MP3]);
    assert!(matches!(found.tracks[0].format, Format::Mpv { mpeg2: true, .. }));
    let found = check("one.avi", &[&["-c:v", "mpeg1video", "-bf", "2"], MP3]);
    assert!(matches!(found.tracks[0].format, Format::Mpv { mpeg2: false, .. }));
    let found = check("jpeg.avi", &[&["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-huffman", "default"], MP3]);
    assert!(matches!(found.tracks[0].format, Format::Jpeg { .. }));
    let found = check("h263.avi", &[&["-c:v", "h263"], MP3]);
    assert!(matches!(found.tracks[0].format, Format::H263 { .. }));
}

#[test]
fn sound_of_every_kind() {
    let pcm = |coding| Format::Pcm { coding, sample_rate: 44_100, channels: 2 };
    let sixteen = check("s16.avi", &[MPEG4, &["-c:a", "pcm_s16le"]]);
    assert_eq!(sixteen.tracks[1].format, pcm(PcmCoding::L16));
    assert_eq!(check("u8.avi", &[MPEG4, &["-c:a", "pcm_u8"]]).tracks[1].format, pcm(PcmCoding::L16));
    assert_eq!(check("mu.avi", &[MPEG4, &["-c:a", "pcm_mulaw"]]).tracks[1].format, pcm(PcmCoding::Mulaw));
    assert_eq!(check("a.avi", &[MPEG4, &["-c:a", "pcm_alaw"]]).tracks[1].format, pcm(PcmCoding::Alaw));
    assert_eq!(check("s24.avi", &[MPEG4, &["-c:a", "pcm_s24le"]]).tracks[1].format, pcm(PcmCoding::L24));
    let found = check("ac3.avi", &[MPEG4, &["-c:a", "ac3"]]);
    assert!(matches!(found.tracks[1].format, Format::Ac3 { .. }));
    let found = check("mp2.avi", &[MPEG4, &["-c:a", "mp2"]]);
    assert!(matches!(found.tracks[1].format, Format::Mpa { layer: 2, .. }));
    check("vbr.avi", &[MPEG4, &["-c:a", "libmp3lame", "-q:a", "4"]]);
    check("low.avi", &[MPEG4, &["-c:a", "libmp3lame", "-ar", "22050"]]);
    check("aac.avi", &[MPEG4, &["-c:a", "aac"]]);
}

#[test]
fn a_codec_without_payload_format_takes_all_tracks_into_asf() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [("div3.avi", "msmpeg4"), ("wmv.avi", "wmv2"), ("cinepak.avi", "cinepak")] {
        let path = make(folder.path(), name, &[PICTURE, TONE, &["-c:v", codec, "-r", "5"], MP3]);
        let found = demux(&std::fs::read(path).unwrap()).unwrap();
        assert!(found.tracks.iter().all(|track| matches!(track.format, Format::Asf { .. })), "{name}");
        assert_eq!(found.tracks.len(), 2);
        assert!(found.of(1).count() >= 15 && found.of(1).all(|sample| sample.pts % 200 == 0), "{name}");
        assert!(found.of(1).next().unwrap().sync && found.of(2).count() > 100);
    }
}

#[test]
fn files_of_the_media_folder() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bytes) = media("avi_xvid_mp3_virtualdubmod.avi") else { return };
    let path = folder.path().join("xvid.avi");
    std::fs::write(&path, &bytes).unwrap();
    let found = demux(&bytes).unwrap();
    // ffmpeg counts its sound in bytes at the header's rate.
    compare(path.to_str().unwrap(), &found, 0.03);
    assert_eq!(found.notes, [] as [&str; 0]);
    let Some(bytes) = media("avi_camera_mjpeg_pcm.avi") else { return };
    let path = folder.path().join("camera.avi");
    std::fs::write(&path, &bytes).unwrap();
    let found = same_as_ffmpeg(path.to_str().unwrap());
    assert!(matches!(found.tracks[0].format, Format::Jpeg { width: 320, height: 240 }));
    assert_eq!(found.notes, [] as [&str; 0]);
    #[track_caller]
    fn wrapped(name: &str, samples: &[usize]) {
        let Some(bytes) = media(name) else { return };
        let found = demux(&bytes).unwrap();
        assert!(found.tracks.iter().all(|track| matches!(track.format, Format::Asf { .. })), "{:?}", found.tracks);
        assert_eq!(found.notes, [] as [&str; 0]);
        let counts: Vec<usize> = found.tracks.iter().map(|track| found.of(track.number).count()).collect();
        assert_eq!(counts, samples, "{name}");
    }
    wrapped("avi_vtest_div3.avi", &[795]);
    wrapped("avi_countdown_cram.avi", &[141, 39]);
    let Some(bytes) = media("avi_truncated_header.avi") else { return };
    let error = demux(&bytes).unwrap_err().to_string();
    assert_eq!(error, "avi: at byte 390: no chunk of media of any stream from here to the end of the file");
}
