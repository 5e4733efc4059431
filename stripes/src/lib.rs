//! Objects striped over storage nodes.
//!
//! (the nouns of the crate, one line each, come here)

pub mod id;
pub mod layout;
