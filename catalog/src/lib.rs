//! Containers, sample tables, ingest and the relational catalog.
//!
//! (the nouns of the crate, one line each, come here)

pub mod container;
pub mod db;
pub mod index;
pub mod presentation;
pub mod sample;
