//! Containers, sample tables, ingest and the relational catalog.
//!
//! (the nouns of the crate, one line each, come here)

pub mod container;
