//! Files that are cut, damaged or lies: an error or what is left of them, never a panic, never without end or bound.

use super::demux;
use super::layout::{Film, Index, Layout, original};
use crate::container::testing::media;
use proptest::prelude::*;

#[test]
fn cut_files_give_what_is_there_or_a_clear_error() {
    let whole = original();
    let all = demux(&whole).unwrap().samples.len();
    let mut last = 0;
    for tenth in 0..10 {
        match demux(&whole[..whole.len() * tenth / 10]) {
            Ok(found) => {
                assert!(found.samples.len() < all && found.samples.len() > last, "{tenth} tenths");
                last = found.samples.len();
                let unindexed = "it has no index; its chunks are looked for one by one";
                assert_eq!(found.notes[0], unindexed, "{tenth} tenths");
            }
            Err(error) => {
                assert!(tenth < 2, "{tenth} tenths: {error}");
                let text = error.to_string();
                let clear =
                    ["no headers (hdrl)", "no stream headers", "no chunk of media", "no track that can be sent"];
                assert!(clear.iter().any(|part| text.contains(part)), "{tenth} tenths: {text}");
            }
        }
    }
    assert!(last > all * 8 / 10);
}

#[test]
fn junk_in_the_middle_costs_only_what_it_hits() {
    let file = original();
    let film = Film::new(&file);
    let mut bytes = film.build(&Layout { index: Index::None, ..Layout::default() });
    let all = demux(&bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 3000].fill(0x55);
    let found = demux(&bytes).unwrap();
    assert!(found.samples.len() + 30 > all.samples.len(), "{} of {}", found.samples.len(), all.samples.len());
    assert_eq!(found.samples.last().unwrap().data, all.samples.last().unwrap().data);
}

/// An index that leads to the same bytes over and over.
#[test]
fn an_index_that_multiplies_the_file_is_refused() {
    let file = original();
    let at = file.windows(4).rposition(|name| name == b"idx1").unwrap();
    let first = file[at + 8..at + 24].to_vec();
    let rows = 1_000_000;
    let mut bytes = file[..at + 4].to_vec();
    bytes.extend((rows * 16u32).to_le_bytes());
    (0..rows).for_each(|_| bytes.extend(&first));
    let error = demux(&bytes).unwrap_err();
    assert!(error.reason.starts_with("chunks overlap"), "{error}");
}

#[test]
fn damaged_files_of_the_media_folder_end() {
    for name in ["avi_xvid_mp3_virtualdubmod.avi", "avi_camera_mjpeg_pcm.avi", "avi_countdown_cram.avi"] {
        let Some(bytes) = media(name) else { return };
        for step in [97, 1009, 10_007] {
            let mut bytes = bytes.clone();
            bytes.iter_mut().step_by(step).for_each(|byte| *byte ^= 0x41);
            let _ = demux(&bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_flips_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        early in any::<bool>(),
        len in any::<prop::sample::Index>(),
        apart in any::<bool>(),
    ) {
        thread_local!(static FILES: [Vec<u8>; 2] = {
            let film = original();
            [Film::new(&film).build(&Layout { apart: true, ..Layout::default() }), film]
        });
        FILES.with(|files| {
            let mut bytes = files[usize::from(apart)].clone();
            for (at, value) in flips {
                let range = if early { 6000.min(bytes.len()) } else { bytes.len() };
                bytes[at.index(range)] = value;
            }
            if len.index(3) == 0 {
                bytes.truncate(len.index(bytes.len()));
            }
            let _ = demux(&bytes);
        });
    }
}
