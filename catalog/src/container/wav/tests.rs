//! Files made by ffmpeg, held against what it decodes of them; and broken ones.

use super::Wav;
use crate::container::ContainerError;
use crate::container::avi::tests::played::{compare, make};
use crate::container::testing::{Demuxed, drive};
use proptest::prelude::*;

const TONE: &[&str] = &["-f", "lavfi", "-i", "aevalsrc=sin(t*t*900)|0.4*sin(t*2000):s=32000:d=2"];

fn demux(bytes: &[u8]) -> Result<Demuxed, ContainerError> {
    drive(&mut Wav::new(bytes.len() as u64), &mut std::io::Cursor::new(bytes))
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
    let float = file(&["-c:a", "pcm_f32le"]);
    let error = demux(&float).unwrap_err().to_string();
    assert!(error.ends_with("no track that can be sent: audio of format 0x0003 has no payload format"), "{error}");
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
