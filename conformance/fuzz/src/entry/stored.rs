//! What nodes and their clients tell each other, and the index objects that nodes give.

use catalog::index::Index;
use rtsp::sdp::{Dialect, describe};
use std::net::{IpAddr, Ipv4Addr};
use stripes::id::{NodeId, ObjectId};
use stripes::layout::UnitAddress;
use stripes::manifest::Manifest;
use stripes::wire::{Health, NodeStatistics, ObjectPage, ObjectSummary, parse_crc};

/// An index is read as it was written or not at all, and can be described.
pub fn index(input: &[u8]) {
    // Nobody finds the hash by chance: it is put behind what comes.
    let mut sealed = b"mobidicX\x01\0\0\0".to_vec();
    sealed.extend_from_slice(input);
    let hash = blake3::hash(&sealed);
    sealed.extend_from_slice(hash.as_bytes());
    let Ok(index) = Index::decode(&sealed) else { return };
    let text = describe(&index, IpAddr::V4(Ipv4Addr::LOCALHOST), Dialect::Any);
    assert!(!text.contains('\0'));
    assert_eq!(Index::decode(&index.encode().expect("what was read")).as_ref(), Ok(&index));
}

/// A manifest, with any place in its object; the names and answers of nodes.
pub fn manifest(input: &[u8]) {
    for known in [
        serde_json::from_slice::<ObjectPage>(input).map(drop),
        serde_json::from_slice::<ObjectSummary>(input).map(drop),
        serde_json::from_slice::<Health>(input).map(drop),
        serde_json::from_slice::<NodeStatistics>(input).map(drop),
    ] {
        known.ok();
    }
    if let Ok(text) = str::from_utf8(input) {
        parse_crc(text);
        reads_back::<UnitAddress>(text);
        reads_back::<ObjectId>(text);
        reads_back::<NodeId>(text);
    }
    let Ok(manifest) = Manifest::decode(input) else { return };
    assert_eq!(Manifest::decode(&manifest.encode().expect("what was read")).expect("what was written"), manifest);
    let layout = &manifest.layout;
    let rows = [0, 1, layout.rows() / 2, layout.rows().saturating_sub(1), layout.rows(), u64::MAX];
    for row in rows {
        for address in layout.row_units(row) {
            let node = layout.node(address);
            assert!(layout.nodes.contains(&node) && layout.is_on(address, node));
            assert!(layout.unit_length(address) <= layout.policy.unit_size.into());
        }
        for position in [layout.row_width().min(255) as u8, u8::MAX] {
            let address = UnitAddress { row, position };
            let held = layout.nodes.iter().any(|node| layout.is_on(address, *node));
            assert_eq!(held, usize::from(position) < layout.row_width(), "{address}");
        }
    }
    for at in [0, layout.length / 2, layout.length.saturating_sub(1)] {
        let unit = layout.unit_at(at);
        assert!(at >= layout.length || layout.unit_bytes(unit).contains(&at));
        assert_eq!(layout.unit(layout.address(unit)), Some(unit));
    }
}

fn reads_back<T: std::fmt::Display + std::str::FromStr + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert!(value.to_string().parse().is_ok_and(|read: T| read == value), "{text:?}");
    }
}
