//! The codec parsers over real files, against what other programs count in them.
//!
//! The files lie in the folder that `MOBIDIC_MEDIA` names, or in `shared/media` beside the workspace.

use rtp::codec::frames::{FrameHeader, Scan, Scanner};
use rtp::codec::{aac, h264, mpeg_audio, mpeg_video, mpeg4_visual, nal, start_code};
use std::path::PathBuf;

/// The file's bytes; `None`, and a line that says so, without the folder.
fn media(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("MOBIDIC_MEDIA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/media")), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no media folder");
        return None;
    }
    Some(std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Frames, their bytes, and samples by `samples`; the stream comes in pieces of an awkward size.
fn count<H: FrameHeader>(bytes: &[u8], samples: impl Fn(&H, &[u8]) -> u32) -> (usize, usize, u64) {
    let (mut scanner, mut start, mut end) = (Scanner::<H>::new(), 0, 0);
    let mut seen = (0, 0, 0);
    loop {
        match scanner.scan(&bytes[start..end], end == bytes.len()) {
            Scan::Frame { skip, header, len } => {
                let frame = &bytes[start + skip..start + skip + len];
                seen = (seen.0 + 1, seen.1 + len, seen.2 + u64::from(samples(&header, frame)));
                start += skip + len;
            }
            Scan::More { .. } if end == bytes.len() => return seen,
            Scan::More { skip } => (start, end) = (start + skip, (end + 1_009).min(bytes.len())),
        }
    }
}

#[test]
fn audio_streams_have_as_many_frames_as_others_count() {
    // ffprobe -count_packets; it leaves the frame with the encoder's notes out, and counts the second file's last frame,
    // of which only 85 bytes are there, as the 3426th.
    for (name, frames, notes) in [("mp3_vbr_xing.mp3", 117, 1), ("mp3_dss_cbr_id3v22.mp3", 3_425, 0)] {
        let Some(bytes) = media(name) else { return };
        let (seen, _, sounding) =
            count(&bytes, |header: &mpeg_audio::FrameHeader, frame| u32::from(!mpeg_audio::is_notes(header, frame)));
        assert_eq!((seen, sounding), (frames + notes, frames as u64), "{name}");
        assert_eq!(mpeg_audio::frames(&bytes).count(), seen, "{name}");
    }
    let Some(bytes) = media("aac_adts.aac") else { return };
    assert_eq!(count(&bytes, |header: &aac::AdtsHeader, _| header.samples()), (144, bytes.len(), 144 * 1_024));
    let first = aac::adts_frames(&bytes).next().unwrap();
    let config = aac::AudioSpecificConfig::parse(&first.header.config()).unwrap();
    assert_eq!((config.object_type, config.sample_rate, config.channels), (2, 44_100, 1));
}

#[test]
fn a_video_stream_has_as_many_pictures_as_others_count() {
    let Some(bytes) = media("es_xine_default.mpv") else { return };
    let (mut pictures, mut slices) = (0, 0);
    for found in start_code::start_codes(&bytes) {
        let rest = &bytes[found.offset..];
        match found.code {
            mpeg_video::SEQUENCE => {
                let sequence = mpeg_video::Sequence::parse(rest).unwrap();
                assert_eq!((sequence.mpeg2, sequence.width, sequence.height), (false, 384, 288));
                assert_eq!((sequence.frame_rate.numerator, sequence.frame_rate.denominator), (25, 1));
            }
            mpeg_video::GROUP => drop(mpeg_video::Group::parse(rest).unwrap()),
            mpeg_video::PICTURE => {
                mpeg_video::Picture::parse(rest).unwrap();
                pictures += 1;
            }
            mpeg_video::FIRST_SLICE..=mpeg_video::LAST_SLICE => slices += 1,
            mpeg_video::USER_DATA | mpeg_video::SEQUENCE_END => {}
            code => panic!("start code {code:02x} at {}", found.offset),
        }
    }
    assert_eq!(pictures, 100);
    assert_eq!(slices % pictures, 0, "each picture has as many slices");
}

#[test]
fn pictures_of_an_avi_are_a_frame_apart() {
    let Some(bytes) = media("avi_xvid_mp3_virtualdubmod.avi") else { return };
    let start = start_code::start_codes(&bytes).find(|found| found.code == mpeg4_visual::SEQUENCE).unwrap().offset;
    let config = mpeg4_visual::Config::parse(&bytes[start..]).unwrap();
    assert_eq!((config.layer.width, config.layer.height, config.packed), (160, 120, false));
    let mut clock = mpeg4_visual::VopClock::default();
    let mut times = Vec::new();
    for found in start_code::start_codes(&bytes[start..]) {
        let rest = &bytes[start + found.offset..];
        match found.code {
            mpeg4_visual::GROUP => clock.handle_group(&mpeg4_visual::Group::parse(rest).unwrap()),
            mpeg4_visual::VOP => {
                let vop = mpeg4_visual::Vop::parse(rest, &config.layer).unwrap();
                times.push(clock.handle_vop(&vop, &config.layer));
            }
            _ => {}
        }
    }
    assert_eq!(times.len(), 28);
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 1), "{times:?}");
}

#[test]
#[ignore = "measures"]
fn the_search_for_start_codes_is_fast() {
    let Some(bytes) = media("mp3_dss_cbr_id3v22.mp3") else { return };
    let began = std::time::Instant::now();
    let found: usize = (0..100).map(|_| start_code::start_codes(&bytes).count()).sum();
    let fast = began.elapsed();
    let naive: usize = (0..100).map(|_| bytes.windows(4).filter(|window| window[..3] == [0, 0, 1]).count()).sum();
    let slow = began.elapsed() - fast;
    let rate = |time: std::time::Duration| bytes.len() as f64 * 100.0 / time.as_secs_f64() / 1e9;
    println!("{:.2} GB/s, naive {:.2} GB/s", rate(fast), rate(slow));
    assert_eq!(found, naive);
}

#[test]
fn parameter_sets_of_an_mp4_say_its_size() {
    // As ffprobe says it.
    for (name, width, height) in [("mp4_fragmented_mfra.mp4", 1080, 720), ("mp4_dss_hinted_h264.mp4", 192, 242)] {
        let Some(bytes) = media(name) else { return };
        let at = bytes.windows(4).position(|window| window == b"avcC").unwrap();
        // One set of each kind lies behind six bytes and a count, each behind its length of two bytes.
        let sets = &bytes[at + 10..at + 100];
        let sps = nal::length_prefixed(sets, 2).next().unwrap().unwrap();
        let pps = nal::length_prefixed(&sets[sps.len() + 3..], 2).next().unwrap().unwrap();
        let set = h264::Sps::parse(sps).unwrap();
        assert_eq!((set.width, set.height), (width, height), "{name}");
        assert_eq!(h264::Pps::parse(pps).unwrap().sps_id, set.id, "{name}");
    }
}
