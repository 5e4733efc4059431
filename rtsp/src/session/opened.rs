//! What a session is made of: what a name stands for, and how its viewer is told something.

use crate::channel::Watching;
use crate::net::outbox::Outbox;
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

/// How a session's viewer is told something (RFC 7826 13.5): on the connection that set it up.
#[derive(Clone, Debug)]
pub struct Notify {
    /// The way.
    pub outbox: Arc<Outbox>,
    /// The presentation, as SETUP named it.
    pub uri: String,
    /// CSeq of the last PLAY.
    pub play: Option<String>,
    /// CSeq of our last request.
    pub asked: u32,
}
