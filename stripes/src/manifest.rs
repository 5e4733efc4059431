//! What a sealed object is, as every node of its stripe set keeps it: enough to find and read the object
//! again when nobody else remembers it.

use crate::layout::{Layout, LayoutError};
use serde::{Deserialize, Serialize};

/// A manifest's JSON in bytes. A sealing client can't make a node keep more: room for some 3000 nodes.
pub const MAX_MANIFEST_BYTES: usize = 64 << 10;
/// A tag in bytes: it is repeated in every listing.
pub const MAX_TAG_BYTES: usize = 256;
/// The only version there is.
const VERSION: u32 = 1;

/// Says that an object is complete, and how it lies. JSON on the wire and on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// The object's shape and place.
    pub layout: Layout,
    /// A word of whoever wrote the object; the stripes never look into it.
    pub tag: String,
}

/// Why something is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Longer than `MAX_MANIFEST_BYTES`.
    #[error("a manifest of {0} bytes; at most {MAX_MANIFEST_BYTES} are allowed")]
    TooLong(usize),
    /// Not JSON, or not this JSON.
    #[error("not a manifest: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Written by a later program.
    #[error("a manifest of version {0}; this program knows version {VERSION}")]
    Version(u32),
    /// The layout makes no sense.
    #[error("the manifest's layout: {0}")]
    Layout(#[from] LayoutError),
    /// Longer than `MAX_TAG_BYTES`.
    #[error("a tag of {0} bytes; at most {MAX_TAG_BYTES} are allowed")]
    Tag(usize),
}

impl Manifest {
    /// The manifest of a complete object. Checked when it is written or read, not here.
    pub fn new(layout: Layout, tag: impl Into<String>) -> Self {
        Self { version: VERSION, layout, tag: tag.into() }
    }

    /// Whether this is a later one of the same object: nothing but its nodes has changed.
    pub fn follows(&self, old: &Self) -> bool {
        let (new, before) = (&self.layout, &old.layout);
        new.generation > before.generation
            && (new.object, new.length, new.policy) == (before.object, before.length, before.policy)
            && self.tag == old.tag
    }

    /// As JSON. Refuses what `decode` would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let json = serde_json::to_vec(self)?;
        if json.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong(json.len()));
        }
        Ok(json)
    }

    /// From JSON that came from outside.
    pub fn decode(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong(json.len()));
        }
        let manifest: Self = serde_json::from_slice(json)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.version != VERSION {
            return Err(ManifestError::Version(self.version));
        }
        if self.tag.len() > MAX_TAG_BYTES {
            return Err(ManifestError::Tag(self.tag.len()));
        }
        Ok(self.layout.check()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{NodeId, ObjectId},
        layout::Policy,
    };

    fn manifest() -> Manifest {
        let policy = Policy { unit_size: 4096, data: 2, parity: 0 };
        let nodes = vec![NodeId(1), NodeId(2)];
        Manifest::new(Layout::new(ObjectId(5), 9000, policy, nodes, 1), "media")
    }

    #[test]
    fn what_is_written_reads_back() {
        let json = manifest().encode().unwrap();
        assert_eq!(Manifest::decode(&json).unwrap(), manifest());
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_the_reason() {
        let check = |change: &dyn Fn(&mut Manifest), reason: &str| {
            let mut bad = manifest();
            change(&mut bad);
            let written = bad.encode().unwrap_err().to_string();
            assert!(written.contains(reason), "{written}");
            let json = serde_json::to_vec(&bad).unwrap();
            let read = Manifest::decode(&json).unwrap_err().to_string();
            assert!(read.contains(reason), "{read}");
        };
        check(&|m| m.version = 2, "version 2");
        check(&|m| m.tag = "t".repeat(257), "tag of 257");
        check(&|m| m.layout.first = 9, "first node");
        check(&|m| m.layout.nodes = (0..5000).map(NodeId).collect(), "at most 65536");
        for json in ["", "{}", "[]", "{\"version\":1}"] {
            assert!(Manifest::decode(json.as_bytes()).is_err(), "{json}");
        }
    }
}
