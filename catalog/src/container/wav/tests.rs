//! Files made by ffmpeg, held against what it decodes of them; and broken ones.

use super::Wav;
use crate::container::avi::tests::played::{compare, make};
use crate::container::testing::{Demuxed, drive, run};
use crate::container::{ContainerError, Kind, open};
use proptest::prelude::*;
use rtp::format::Format;

const TONE: &[&str] = &["-f", "lavfi", "-i", "aevalsrc=sin(t*t*900)|0.4*sin(t*2000):s=32000:d=2"];

fn demux(bytes: &[u8]) -> Result<Demuxed, ContainerError> {
    drive(&mut *open(Kind::Wav, bytes.len() as u64), &mut std::io::Cursor::new(bytes))
}

fn file(options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::read(make(folder.path(), "sound.wav", &[TONE, options])).unwrap()
}

#[test]
fn sound_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    for options in [
        ["-c:a", "pcm_s16le"].as_slice(),
        &["-c:a", "pcm_u8"],
        &["-c:a", "pcm_s24le"],
        &["-c:a", "pcm_mulaw"],
        &["-c:a", "pcm_alaw"],
        &["-c:a", "libmp3lame"],
        &["-c:a", "ac3"],
        &["-c:a", "pcm_s16le", "-rf64", "always"],
        &["-c:a", "pcm_s16le", "-channel_layout", "mono", "-ac", "1"],
    ] {
        let path = make(folder.path(), "sound.wav", &[TONE, options]);
        let found = demux(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(found.notes, [] as [&str; 0], "{options:?}");
        compare(&path, &found, 0.0005);
        let samples: i64 = found.samples.iter().map(|sample| sample.duration).sum();
        assert!((64_000..67_000).contains(&samples), "{options:?}: {samples}");
    }
}

/// What has no payload format goes bare to who wraps it: the file's bytes, as long as ffmpeg plays them.
#[test]
fn sound_for_asf() {
    let folder = tempfile::tempdir().unwrap();
    for options in [
        ["-c:a", "adpcm_ms"].as_slice(),
        &["-c:a", "adpcm_ima_wav"],
        &["-c:a", "adpcm_ima_wav", "-ac", "1", "-block_size", "256"],
        &["-c:a", "adpcm_yamaha"],
        &["-c:a", "g726", "-ar", "8000", "-ac", "1"],
        &["-c:a", "pcm_f32le"],
        &["-c:a", "pcm_f64le"],
        &["-c:a", "pcm_s32le"],
        &["-c:a", "pcm_s64le"],
    ] {
        let path = make(folder.path(), "sound.wav", &[TONE, options]);
        let bytes = std::fs::read(&path).unwrap();
        let wrapped = demux(&bytes).unwrap();
        assert_eq!((wrapped.notes.len(), wrapped.tracks[0].timescale), (0, 1000), "{options:?}");
        let bare = drive(&mut Wav::new(bytes.len() as u64), &mut std::io::Cursor::new(&bytes)).unwrap();
        assert!(matches!(bare.tracks[0].format, Format::Asf { .. }), "{options:?}");
        let data = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
        let (sent, kept) = (bare.stream(1), &bytes[data..]);
        // A block that is cut at the end is left out.
        assert!(kept.starts_with(&sent) && kept.len() - sent.len() < 2048, "{options:?}");
        let decoded = run("ffmpeg", &["-v", "error", "-i", &path, "-ac", "1", "-f", "u8", "-c:a", "pcm_u8", "-"]);
        let samples: i64 = bare.samples.iter().map(|sample| sample.duration).sum();
        assert_eq!(samples, decoded.len() as i64, "{options:?}");
    }
}

#[test]
fn what_is_no_sound_says_why() {
    #[track_caller]
    fn check(bytes: &[u8], want: &str) {
        assert_eq!(demux(bytes).unwrap_err().to_string(), want);
    }
    let whole = file(&["-c:a", "pcm_s16le", "-bitexact"]);
    check(&whole[..12], "wav: at byte 12: no description of the sound (fmt)");
    check(&whole[..30], "wav: at byte 20: a description of the sound (fmt) of 16 bytes, 10 are left");
    check(&whole[..36], "wav: at byte 36: no sound (data)");
    check(&whole[..44], "wav: at byte 44: no sound: nothing follows its header");
    let mut nothing = whole.clone();
    // A tag that no codec has, and no rate of bytes by which its times would be known.
    nothing[20..22].copy_from_slice(&0x7777u16.to_le_bytes());
    nothing[28..32].fill(0);
    let error = demux(&nothing).unwrap_err().to_string();
    let want = "no track that can be sent: audio of format 0x7777 that doesn't say its rate of bytes";
    assert!(error.ends_with(want), "{error}");
}

#[test]
fn unfinished_and_cut_files_give_what_is_there() {
    let mut whole = file(&["-c:a", "pcm_s16le", "-bitexact"]);
    let all = demux(&whole).unwrap();
    let cut = demux(&whole[..whole.len() / 2]).unwrap();
    assert!(cut.samples.len() < all.samples.len());
    assert_eq!(cut.notes, [format!("the file ends {} bytes before its sound does", whole.len().div_ceil(2))]);
    for size in [0, u32::MAX] {
        whole[40..44].copy_from_slice(&size.to_le_bytes());
        assert_eq!(demux(&whole).unwrap().samples, all.samples);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_panic(flips in prop::collection::vec((0usize..200, any::<u8>()), 0..12), len in 0usize..4000) {
        thread_local!(static FILE: Vec<u8> = file(&["-c:a", "libmp3lame"]));
        let mut bytes = FILE.with(|file| file[..file.len().min(len)].to_vec());
        for (at, value) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let _ = demux(&bytes);
    }
}
