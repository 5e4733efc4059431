use super::*;
use crate::presentation::SourceHash;
use crate::sample::{Sample, TableBuilder};
use proptest::prelude::*;
use rtp::clock::Ticks;
use stripes::{
    id::{NodeId, ObjectId},
    layout::{MIN_UNIT_SIZE, Policy},
};

fn layout(length: u64) -> Layout {
    Layout::new(
        ObjectId(7),
        length,
        Policy { unit_size: MIN_UNIT_SIZE, data: 4, parity: 0 },
        (0..4).map(NodeId).collect(),
        1,
    )
}

fn index(steps: &[(u32, i64, i64, bool)]) -> Index {
    let mut builder = TableBuilder::new();
    let (mut offset, mut dts) = (0, -50);
    for (size, step, shift, sync) in steps {
        dts += step;
        let sample = Sample { offset, size: *size, dts: Ticks(dts), pts: Ticks(dts + shift), sync: *sync };
        builder.push(sample, Ticks(1800)).unwrap();
        offset += u64::from(*size);
    }
    let format = Format::H264 { sps: vec![vec![0x67, 1]], pps: vec![vec![0x68]], width: 320, height: 240 };
    let samples = builder.finish();
    let track = Track { id: 1, format, language: None, bandwidth_bps: 9, average_bps: 8, samples };
    let second = Track {
        id: 3,
        format: Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 },
        language: Some("de".into()),
        ..track.clone()
    };
    Index {
        name: "film".into(),
        title: "Ein Film".into(),
        source: Source { hash: SourceHash([3; 32]), bytes: 99 },
        created: 1_700_000_000,
        duration: MediaTime(5_000_000_000),
        media: layout(offset),
        tracks: vec![track, second],
    }
}

#[test]
fn one_wrong_byte_anywhere_is_an_error() {
    let bytes = index(&[(10, 3, 6, true), (4, 3, -3, false), (5, 3, 0, false)]).encode().unwrap();
    assert!(Index::decode(&bytes).is_ok());
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            assert!(Index::decode(&bad).is_err(), "byte {at} ^ {flip:#x}");
        }
        assert!(Index::decode(&bytes[..at]).is_err(), "cut to {at}");
    }
    let mut long = bytes.clone();
    long.push(0);
    assert!(Index::decode(&long).is_err());
}

/// A body whose hash is right is still not believed.
#[test]
fn a_well_sealed_lie_is_refused() {
    let good = index(&[(10, 3, 6, true)]);
    let mut cases = vec![good.clone(); 5];
    cases[0].media.length = 9;
    cases[1].tracks.clear();
    cases[2].tracks[1].id = 1;
    cases[3].media.first = 4;
    cases[4].tracks[0].id = 0;
    for (number, bad) in cases.iter().enumerate() {
        assert!(Index::decode(&bad.encode().unwrap()).is_err(), "case {number}");
    }
    let seal = |version: u32, body: &[u8]| {
        let mut bytes = [&MAGIC[..], &version.to_le_bytes(), body].concat();
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    };
    assert_eq!(Index::decode(&seal(2, b"")), Err(IndexError::Version(2)));
    assert!(matches!(Index::decode(&seal(1, &[0xff; 40])), Err(IndexError::Body(_))));
    let mut body = postcard::to_stdvec(&good).unwrap();
    body.push(0);
    assert!(matches!(Index::decode(&seal(1, &body)), Err(IndexError::Body(_))));
    assert!(matches!(Index::decode(b"RIFF"), Err(IndexError::NotAnIndex)));
}

#[test]
fn it_makes_the_catalogs_entry() {
    let index = index(&[(10, 3, 6, true)]);
    let presentation = index.presentation(layout(500));
    assert_eq!((presentation.name.as_str(), presentation.bytes()), ("film", 510));
    assert_eq!(presentation.tracks.iter().map(|t| t.id).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(presentation.tracks[1].language.as_deref(), Some("de"));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        steps in prop::collection::vec((0u32..5000, 0i64..4000, -9000i64..9000, any::<bool>()), 0..200)
    ) {
        let index = index(&steps);
        prop_assert_eq!(Index::decode(&index.encode().unwrap()).unwrap(), index);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut sealed = [&MAGIC[..], &VERSION.to_le_bytes(), &bytes].concat();
        let hash = blake3::hash(&sealed);
        sealed.extend_from_slice(hash.as_bytes());
        prop_assert!(Index::decode(&sealed).is_err());
        prop_assert!(Index::decode(&bytes).is_err());
    }
}
