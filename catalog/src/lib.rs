//! Containers, sample tables, ingest and the relational catalog.
//!
//! What can be watched:
//! - [`presentation::Presentation`]: a name, and where its two objects lie. [`presentation::TrackSummary`]: a track for a
//!   list. [`presentation::Source`], [`presentation::SourceHash`]: the file that it was made of.
//! - [`index::Index`]: the sealed index object, all that a viewer's session needs: [`index::Track`]s with their formats
//!   and tables. It carries the name too, so that nodes alone can bring a catalog back.
//! - [`sample::SampleTable`]: a track's samples by number and by time. [`sample::Sample`]: one entry.
//!   [`sample::TableBuilder`] makes one, [`sample::Rates`] are its bits per second.
//! - [`multiplex::multiplex`]: an index as one transport stream, or [`multiplex::MultiplexError`].
//! - [`library::Library`]: opens indexes, each read once for all viewers.
//!
//! How a file becomes that:
//! - [`container`]: what a film comes in; a [`container::Demuxer`] says which bytes it needs and gives samples.
//! - [`ingest::ingest_file`]: file to parallel media file, [`ingest::Progress`] on the way, [`ingest::Ingested`] or
//!   [`ingest::IngestError`] at the end. [`ingest::find`]: the files of a folder. [`ingest::name`]: what names are like.
//!
//! What comes live:
//! - [`feed::TransportStream`], [`feed::PassedStream`]: bytes in, [`feed::FeedTrack`]s and [`feed::FeedUnit`]s out.
//!
//! What a channel keeps of itself, beside [`segment`]'s own page:
//! - [`segment::SegmentWriter`]: writes a [`db::Segment`], a stretch of its time in a sealed object.
//! - [`segment::save()`]: makes a film of such. [`sweep::remove_segments`]: lets the oldest go.
//!
//! Who remembers it:
//! - [`db::Catalog`]: the relational catalog: presentations, tracks, objects, nodes, settings. [`db::Owner`]: who
//!   writes an object. [`db::Publish`]: how naming went.
//! - [`channel::ChannelSettings`]: a live presentation as an operator wants it; [`channel::Feed`]: what feeds it;
//!   [`channel::MulticastSettings`]: the group that it goes to. [`db::ChannelReport`]: how a front finds it.
//! - [`db::Member`], [`db::Intent`]: a node and what is wanted of it. [`db::Move`]: an object between two layouts.
//!   [`db::Rewrite`]: one that another takes the place of. [`db::Job`]: work on the cluster. [`db::FrontReport`]: what a
//!   front has promised.
//! - [`sweep::sweep`]: deletes what nobody names; [`sweep::remove`]: takes a presentation out.
//! - [`operate::Operator`]: does an [`operate::Task`] on the cluster (rebalance, drain, remove, rebuild, scrub), which can
//!   break off at any point; [`operate::Done`]: what came of it.
//! - [`verify::Verifier`]: reads and mends everything in the background; [`verify::Verified`]: what a round came to.
//! - [`rebuild::rebuild`]: names back from the nodes alone. [`check::check`]: reads a presentation back whole.
//!
//! Invariants: the catalog never names bytes that are not sealed on all their nodes, and loses its name before
//! its bytes; an object is on the books before its first byte, so that no crash leaves bytes that a sweep
//! does not know; no container type leaves [`container`] and [`ingest`]; demuxers never run while a viewer waits.

pub mod channel;
pub mod check;
pub mod container;
pub mod db;
pub mod feed;
pub mod index;
pub mod ingest;
pub mod library;
pub mod multiplex;
pub mod operate;
pub mod presentation;
pub mod rebuild;
pub mod sample;
pub mod segment;
pub mod sweep;
pub mod verify;

#[cfg(test)]
mod testing;
