//! What goes wrong on a node's disk.

use crate::{id::ObjectId, layout::UnitAddress, wire::Refusal};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why the store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the folder.
    #[error("{}: another process keeps its units here", .0.display())]
    Locked(PathBuf),
    /// Not a folder of units, or one of a later program.
    #[error("{}: {reason}", .path.display())]
    Folder {
        /// The file that tells.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system fails.
    #[error("{}: {doing}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// No room, by the disk or by the set capacity.
    #[error("{}: disk full: {reason}", .path.display())]
    Full {
        /// The file that can't grow.
        path: PathBuf,
        /// Whose limit it is.
        reason: String,
    },
    /// Not here.
    #[error("{item}: {reason}")]
    Absent {
        /// What.
        item: Item,
        /// What is here instead.
        reason: String,
    },
    /// The disk doesn't hold what was written.
    #[error("{item}: damaged: {}, at byte {offset}: {reason}", .path.display())]
    Damaged {
        /// What.
        item: Item,
        /// The file.
        path: PathBuf,
        /// Where its record begins.
        offset: u64,
        /// What doesn't fit.
        reason: String,
    },
    /// Contradicts what is here, or is not complete.
    #[error("{item}: {reason}")]
    Conflict {
        /// What.
        item: Item,
        /// With what.
        reason: String,
    },
    /// Makes no sense.
    #[error("{item}: {reason}")]
    Bad {
        /// What.
        item: Item,
        /// Why, and what would have been allowed.
        reason: String,
    },
}

/// An object, or one unit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The object.
    pub object: ObjectId,
    /// The unit, if it is about one.
    pub unit: Option<UnitAddress>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object {}", self.object)?;
        self.unit.map_or(Ok(()), |unit| write!(f, ", unit {unit}"))
    }
}

impl StoreError {
    /// How it is told over HTTP.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Locked(_) | Self::Folder { .. } | Self::Io { .. } => Refusal::Disk,
            Self::Full { .. } => Refusal::Full,
            Self::Absent { .. } => Refusal::Absent,
            Self::Damaged { .. } => Refusal::Damaged,
            Self::Conflict { .. } => Refusal::Conflict,
            Self::Bad { .. } => Refusal::Bad,
        }
    }

    /// Wraps what the system said while `doing` something to `path`; every way to have no room becomes `Full`.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path, reason: format!("{doing}: {source}") }
            }
            _ => Self::Io { path, doing, source },
        }
    }
}
