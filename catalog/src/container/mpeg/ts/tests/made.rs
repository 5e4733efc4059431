//! Films made by ffmpeg, and real ones.

use super::*;

#[test]
fn films_made_by_ffmpeg() {
    let interlaced = [MPEG2, &["-flags", "+ildct+ilme", "-top", "1"]].concat();
    let fields = [H264, &["-flags", "+ildct+ilme", "-x264-params", "tff=1"]].concat();
    let aac_in_latm: &[&str] = &["-mpegts_flags", "latm", "-f", "mpegts"];
    let plain: &[&str] = &["-f", "mpegts"];
    let with_eac3: &[&str] = &["-c:v", "mpeg2video", "-c:a", "eac3"];
    let with_mp3: &[&str] = &["-c:v", "mpeg1video", "-c:a", "libmp3lame"];
    let visual: &[&str] = &["-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame"];
    let late = ["-output_ts_offset", "95442", "-f", "mpegts"];
    let cases: &[(&str, Vec<u8>)] = &[
        ("H.264 and AAC", H264_FILM.clone()),
        ("MPEG-2 and layer II", film(PICTURE_25, SOUND_48, MPEG2, plain)),
        ("MPEG-2 interlaced, 29.97 Hz", film(PICTURE_30, SOUND_48, &interlaced, plain)),
        ("H.265 and AC-3", film(PICTURE_25, SOUND_48, HEVC, plain)),
        ("M2TS", film(PICTURE_30, SOUND_48, H264_AC3, &["-mpegts_m2ts_mode", "1", "-f", "mpegts"])),
        ("AAC in M2TS, as private data", film(PICTURE_25, SOUND_48, H264, &["-mpegts_m2ts_mode", "1", "-f", "mpegts"])),
        ("LATM", film(PICTURE_25, SOUND_48, H264, aac_in_latm)),
        ("E-AC-3", film(PICTURE_25, SOUND_48, with_eac3, plain)),
        ("MPEG-1 and MP3", film(PICTURE_25, SOUND_44, with_mp3, plain)),
        ("MPEG-4 visual and MP3", film(PICTURE_25, SOUND_44, visual, plain)),
        ("H.264 interlaced", film(PICTURE_25, SOUND_48, &fields, plain)),
        ("times that wrap", film(PICTURE_25, SOUND_44, H264, &late)),
        ("one frame a packet", film(PICTURE_25, SOUND_44, H264, &["-pes_payload_size", "0", "-f", "mpegts"])),
    ];
    for (name, bytes) in cases {
        let demuxed = check(name, bytes);
        assert_eq!((demuxed.tracks.len(), &demuxed.notes[..]), (2, &[][..]), "{name}");
    }
}

#[test]
fn lpcm_of_blu_ray_discs_is_what_ffmpeg_decodes() {
    let cases = [("1", "s16", PcmCoding::L16), ("2", "s32", PcmCoding::L24), ("6", "s16", PcmCoding::L16)];
    for (count, depth, coding) in cases {
        let codec = ["-c:v", "mpeg2video", "-c:a", "pcm_bluray", "-ac", count, "-sample_fmt", depth];
        let file = film(PICTURE_25, SOUND_48, &codec, &["-mpegts_m2ts_mode", "1", "-f", "mpegts"]);
        let demuxed = demux(&file);
        let channels = count.parse().unwrap();
        let pcm = Format::Pcm { coding, sample_rate: 48_000, channels };
        let track = demuxed.tracks.iter().find(|track| track.format == pcm);
        let number = track.unwrap_or_else(|| panic!("{:?}: {:?}", demuxed.tracks, demuxed.notes)).number;
        let ours: Vec<u8> = demuxed.of(number).flat_map(|sample| sample.data.to_vec()).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, &file).unwrap();
        let raw = if coding == PcmCoding::L16 { "pcm_s16be" } else { "pcm_s24be" };
        let options = ["-v", "quiet", "-i", path.to_str().unwrap(), "-map", "0:a", "-c:a", raw, "-f", "data", "-"];
        let theirs = run("ffmpeg", &options);
        assert!(!theirs.is_empty() && ours == theirs, "{count} channels: {} and {} bytes", ours.len(), theirs.len());
    }
}

#[test]
fn opus_comes_without_its_control_headers() {
    for (count, channels) in [("1", 1), ("2", 2)] {
        let codec = ["-c:v", "mpeg2video", "-c:a", "libopus", "-ac", count];
        let file = film(PICTURE_25, SOUND_48, &codec, &["-f", "mpegts"]);
        let demuxed = demux(&file);
        let track = demuxed.tracks.iter().find(|track| track.format == Format::Opus { channels }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, &file).unwrap();
        let entries = ["-v", "quiet", "-select_streams", "a", "-show_entries", "packet=size", "-of", "csv=p=0"];
        let sizes = String::from_utf8(run("ffprobe", &[&entries[..], &[path.to_str().unwrap()]].concat())).unwrap();
        let theirs: Vec<usize> = sizes.lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect();
        let ours: Vec<usize> = demuxed.of(track.number).map(|sample| sample.data.len()).collect();
        assert!(ours == theirs && ours.len() > 50, "{count} channels: {ours:?} and {theirs:?}");
        assert!(demuxed.of(track.number).all(|sample| sample.duration * 50 == i64::from(track.timescale)));
    }
}

#[test]
fn program_streams_with_what_transport_streams_have() {
    let codecs: &[(&str, &[&str])] = &[
        ("H.264", &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-c:a", "mp2"]),
        ("H.265", &["-c:v", "libx265", "-x265-params", "log-level=none:pools=1:bframes=0", "-c:a", "ac3"]),
        (
            "H.265 and B pictures",
            &["-c:v", "libx265", "-x265-params", "log-level=none:pools=1:bframes=4", "-c:a", "mp2"],
        ),
        ("MPEG-4 visual", &["-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame"]),
    ];
    for (name, codec) in codecs {
        let demuxed = check_as(Kind::MpegPs, name, &film(PICTURE_25, SOUND_48, codec, &["-f", "mpeg"]));
        assert_eq!((demuxed.tracks.len(), &demuxed.notes[..]), (2, &[][..]), "{name}");
    }
}

#[test]
fn real_files() {
    for (name, tracks) in [("ts_bbb_mpeg2_mp2.ts", 2), ("ts_204byte_dvbsub.ts", 1)] {
        let Some(file) = media(name) else { return };
        let demuxed = check(name, &file);
        assert_eq!(demuxed.tracks.len(), tracks, "{name}: {:?}", demuxed.notes);
    }
    let Some(file) = media("ts_ac3_51_only.ts") else { return };
    // A frame without its start comes first and is left out, one without its end last and is kept as far as it goes.
    let demuxed = demux(&file);
    let formats: Vec<_> = demuxed.tracks.iter().map(|track| &track.format).collect();
    assert_eq!(formats, [&Format::Ac3 { sample_rate: 48_000, channels: 6 }]);
    assert_eq!((demuxed.samples.len(), demuxed.notes.len()), (9, 1), "{:?}", demuxed.notes);
    let Some(file) = media("m2ts_panasonic_truncated.mts") else { return };
    let demuxed = demux(&file);
    assert!(matches!(demuxed.tracks[..], [TrackInfo { format: Format::H264 { width: 1920, height: 1080, .. }, .. }]));
    assert_eq!(demuxed.samples.len(), 1);
    assert!(demuxed.notes[0].contains("AC-3, which has no whole access unit"), "{:?}", demuxed.notes);
}

/// ffmpeg gives DTS no description, and a number that others give to subtitles.
#[test]
fn a_program_of_private_data_alone_is_told_by_its_content() {
    let dts = ["-vn", "-c:a", "dca", "-strict", "-2"];
    let file = film(PICTURE_25, SOUND_48, &dts, &["-f", "mpegts"]);
    let demuxed = demux(&file);
    let described: Vec<String> = demuxed.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!((described, demuxed.samples.len()), (vec!["DTS 48000 Hz 2 channels".to_owned()], 282));
    let mut silent = file.clone();
    for packet in silent.chunks_mut(188).filter(|packet| packet[1] & 0x1F == 1 && packet[2] == 0) {
        // Behind the headers of the packets of both kinds, with or without a clock.
        let keep = [4, 6, 18, 26][usize::from(packet[1] >> 5 & 2 | packet[3] >> 5 & 1)];
        packet[keep..].fill(0);
    }
    let reason = drive_bytes(Kind::MpegTs, &silent).map_or_else(|error| error.reason, |_| "none".into());
    assert!(reason.starts_with("no stream of the program can be taken; "), "{reason}");
}
