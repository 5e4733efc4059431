//! What nodes and their clients say to each other beyond plain HTTP: header names, JSON answers, reasons.

use crate::{
    id::{NodeId, ObjectId},
    manifest::Manifest,
};
use serde::{Deserialize, Serialize};

/// Header of PUT and GET: CRC-32C of the body's bytes (of the whole unit in the answer to HEAD), 8 hex digits.
pub const CRC_HEADER: &str = "x-unit-crc32c";
/// Header of PUT: the object's unit size in bytes, which sets where its rows lie on the node's disk.
pub const UNIT_SIZE_HEADER: &str = "x-unit-size";
/// Header of PUT and DELETE of units of a sealed object: the generation of the layout on whose behalf.
pub const GENERATION_HEADER: &str = "x-generation";
/// Header of every answer: who answers, so that a wrong address can't pass for a lost unit.
pub const NODE_HEADER: &str = "x-node-id";
/// Header of every refusal: one word of `Refusal`, for programs; the body says it for people.
pub const REFUSAL_HEADER: &str = "x-refusal";
/// Objects in one page of a listing; a node's answer stays small whatever is asked.
pub const MAX_PAGE: usize = 1000;

/// Why a node refused, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such unit, object or manifest here (404).
    Absent,
    /// What lies on the disk is not what was written (500).
    Damaged,
    /// No room on the disk (507).
    Full,
    /// Contradicts what is here already, or units are missing at seal (409).
    Conflict,
    /// The request makes no sense (400, 411, 413).
    Bad,
    /// Too much at once (503).
    Busy,
    /// The disk fails (500).
    Disk,
}

/// The words and the statuses, one line each.
const REFUSALS: [(Refusal, &str, u16); 7] = [
    (Refusal::Absent, "absent", 404),
    (Refusal::Damaged, "damaged", 500),
    (Refusal::Full, "full", 507),
    (Refusal::Conflict, "conflict", 409),
    (Refusal::Bad, "bad", 400),
    (Refusal::Busy, "busy", 503),
    (Refusal::Disk, "disk", 500),
];

impl Refusal {
    /// As in `REFUSAL_HEADER`.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// The usual HTTP status.
    pub fn status(self) -> u16 {
        self.row().2
    }

    /// From `REFUSAL_HEADER`; `None` for a word of a later program.
    pub fn from_word(word: &str) -> Option<Self> {
        REFUSALS.iter().find(|row| row.1 == word).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, u16) {
        REFUSALS.iter().find(|row| row.0 == self).unwrap_or(&REFUSALS[6])
    }
}

/// Answer to `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Who answers.
    pub node: NodeId,
    /// Bytes that can still be stored.
    pub free_bytes: u64,
    /// Bytes that the node's disk (or its set capacity) holds in all.
    pub total_bytes: u64,
}

/// Answer to `GET /statistics`; counters since the node's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatistics {
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Objects on the disk.
    pub objects: u64,
    /// Bytes that they take on the disk.
    pub disk_bytes: u64,
    /// Units read and sent, whole or in part.
    pub units_read: u64,
    /// Bytes of those: of a part (asked for by Range) those of the blocks that it touches, and of their checksums.
    pub bytes_read: u64,
    /// Units stored.
    pub units_written: u64,
    /// Bytes of those.
    pub bytes_written: u64,
    /// Units found damaged when they were read.
    pub units_damaged: u64,
    /// Requests refused for whatever reason, absent units included.
    pub refused: u64,
    /// Connections now.
    pub connections: u64,
    /// Connections turned away at the limit.
    pub connections_refused: u64,
    /// Bytes a second that one read after the other gets from the disk: the set limit, else as measured; 0 if
    /// nothing was read yet.
    #[serde(default)]
    pub read_rate: u64,
    /// The set limit of reading, bytes a second.
    #[serde(default)]
    pub read_limit: Option<u64>,
}

/// One line of `GET /objects`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectListing {
    /// The object.
    pub object: ObjectId,
    /// Complete, as far as this node is concerned.
    pub sealed: bool,
    /// Bytes that it takes on this node's disk, headers and block rounding included.
    pub disk_bytes: u64,
    /// Its manifest, if sealed.
    pub manifest: Option<Manifest>,
    /// Seconds since this node last wrote to it: a sweep leaves alone what is being written.
    pub idle_seconds: u64,
}

/// Answer to `GET /objects?after=ID&limit=N`, in the order of the ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// At most `limit`.
    pub objects: Vec<ObjectListing>,
    /// Ask on after this one; absent on the last page.
    pub next: Option<ObjectId>,
}

/// Answer to `GET /objects/{object}`: what of one object lies on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectSummary {
    /// The object.
    pub object: ObjectId,
    /// Units here.
    pub units: u64,
    /// Their bytes, without headers.
    pub bytes: u64,
    /// Its manifest, if sealed.
    pub manifest: Option<Manifest>,
}

/// A CRC-32C as in `CRC_HEADER`.
pub fn crc_text(crc: u32) -> String {
    format!("{crc:08x}")
}

/// From `CRC_HEADER`; `None` unless 8 hex digits.
pub fn parse_crc(text: &str) -> Option<u32> {
    (text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_sums_read_back() {
        for (refusal, word, status) in REFUSALS {
            assert_eq!(Refusal::from_word(refusal.word()), Some(refusal), "{word}");
            assert_eq!(refusal.status(), status);
        }
        assert_eq!(Refusal::from_word("?"), None);
        assert_eq!(parse_crc(&crc_text(7)), Some(7));
        for bad in ["", "7", "+0000007", "0000000g", "000000007"] {
            assert_eq!(parse_crc(bad), None, "{bad}");
        }
    }
}
