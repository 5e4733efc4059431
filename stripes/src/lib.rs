//! Objects striped over storage nodes.
//!
//! (the nouns of the crate, one line each, come here)

pub mod id;
pub mod layout;
pub mod manifest;
pub mod net;
pub mod reader;
pub mod wire;
pub mod writer;
