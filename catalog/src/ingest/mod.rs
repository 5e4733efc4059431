//! From a file to a parallel media file: read, demultiplexed, laid out, striped, sealed, and only then named.
//!
//! The catalog speaks last. Before an object's first byte leaves, its row says who writes it; after both
//! objects are sealed on all their nodes, one transaction turns the rows to sealed and names the
//! presentation. Whatever ends the work before that (an error, a dropped future, a killed process) leaves rows
//! that [`crate::sweep`] finds and bytes that nobody names.
//!
//! The file is read by a thread of its own, which hashes, demultiplexes and lays out the samples (`interleave`);
//! what it makes goes through a short queue to the nodes. Memory is bounded whatever the file's size, but for
//! the sample tables (20 bytes a sample).
//!
//! `FILE#PROGRAM` is one program of a transport stream (`part`), a film of its own.
//!
//! A name comes from the file's stem ([`name`]). If another film has it already, an automatic name becomes `NAME-2`
//! with a note, so that folders with many `movie.mp4` go in; a name that a person chose is never changed: that
//! is an error. A file whose content is in already is skipped, whatever either is called.

pub(crate) mod draft;
mod folder;
mod interleave;
pub mod name;
mod part;
mod pump;
mod run;
mod source;

pub use folder::{Found, find};
pub use run::ingest_file;

pub(crate) use draft::is_live;

use crate::container::ContainerError;
use crate::db::CatalogError;
use crate::index::IndexError;
use crate::presentation::Presentation;
use crate::sample::TableError;
use std::path::PathBuf;
use stripes::id::NodeId;
use stripes::layout::Policy;
use stripes::net::WriteError;

/// How a file is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestOptions {
    /// A person's choice, else made from the file's name.
    pub name: Option<String>,
    /// How its objects are cut.
    pub policy: Policy,
    /// The stripe set, in order.
    pub nodes: Vec<NodeId>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes of the file read in this stage.
    pub bytes: u64,
    /// Bytes of the file.
    pub total: u64,
}

/// What is being done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading it to know whether its content is in already.
    Hashing,
    /// Reading it and writing its samples to the nodes.
    Adding,
    /// Waiting until the nodes have it all on disk.
    Sealing,
}

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Added or not.
    pub outcome: Outcome,
    /// What people should know: tracks left out, damage passed over, another name taken.
    pub notes: Vec<String>,
}

/// Whether a file was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It can be watched now.
    Added(Box<Presentation>),
    /// Its content could be watched before, under this name.
    AlreadyPresent(String),
}

/// Why a file was not added. Nothing of it can be seen then.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The file can't be opened or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// With the offset, where there is one.
        reason: String,
    },
    /// No container that we know.
    #[error("{}: at byte 0: not a film in a known container (MPEG program, transport and elementary streams, VCD .dat, MP4, MOV, AVI, WAV, ASF, FLV, Matroska, Ogg)", path.display())]
    NotMedia {
        /// Which.
        path: PathBuf,
    },
    /// The container is broken or holds what we can't take.
    #[error("{}: {error}", path.display())]
    Container {
        /// Which.
        path: PathBuf,
        /// Where and why.
        error: ContainerError,
    },
    /// The container has no track that we can send.
    #[error("{}: nothing in it can be played{}", path.display(), joined(notes))]
    NothingPlayable {
        /// Which.
        path: PathBuf,
        /// Why each track was left out.
        notes: Vec<String>,
    },
    /// A track is longer than a table can say.
    #[error("{}: {error}", path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// What.
        error: TableError,
    },
    /// The index can't be written.
    #[error("{}: {error}", path.display())]
    Index {
        /// Which.
        path: PathBuf,
        /// Why.
        error: IndexError,
    },
    /// The name that a person chose can't be one.
    #[error("{}: {error}", path.display())]
    BadName {
        /// Which.
        path: PathBuf,
        /// Why.
        error: name::BadName,
    },
    /// Another film has the name that a person chose.
    #[error("{}: another film or a channel is named {name:?}; choose another with --name, or remove that one first", path.display())]
    NameTaken {
        /// Which.
        path: PathBuf,
        /// Of both.
        name: String,
    },
    /// A node does not take it.
    #[error("{}: at byte {offset}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// How far the file had been read.
        offset: u64,
        /// Which node, and why.
        error: WriteError,
    },
    /// The catalog does not take it.
    #[error("{}: {error}", path.display())]
    Catalog {
        /// Which.
        path: PathBuf,
        /// Why.
        error: CatalogError,
    },
    /// A sweep took us for dead: only after minutes without a heartbeat.
    #[error("{}: given up: this process was thought dead by a sweep", path.display())]
    Swept {
        /// Which.
        path: PathBuf,
    },
}

impl IngestError {
    /// Whether the file is simply none of ours, as most are in a mixed folder.
    pub fn is_not_media(&self) -> bool {
        matches!(self, IngestError::NotMedia { .. })
    }
}

fn joined(notes: &[String]) -> String {
    notes.iter().map(|note| format!("; {note}")).collect()
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod media_tests;
#[cfg(test)]
mod tests;

/// [`ingest_file`] with the tests' own container.
#[cfg(test)]
pub(crate) async fn ingest_fake(
    catalog: &crate::db::Catalog,
    cluster: &stripes::net::Cluster,
    path: &std::path::Path,
    options: &IngestOptions,
    progress: impl FnMut(Progress),
) -> Result<Ingested, IngestError> {
    run::ingest_with(catalog, cluster, path, options, progress, fake::open).await
}
