//! What a session is of.

use crate::channel::Watching;
use catalog::index::Index;
use std::sync::Arc;

/// What a name stands for.
#[derive(Debug)]
pub enum Opened {
    /// A presentation of the library.
    Film(Arc<Index>),
    /// A live one, which something feeds now or did a moment ago.
    Channel(Watching),
}

impl Opened {
    /// Its tracks; a channel's have no samples.
    pub fn index(&self) -> &Arc<Index> {
        match self {
            Opened::Film(index) => index,
            Opened::Channel(watching) => &watching.live.index,
        }
    }
}
