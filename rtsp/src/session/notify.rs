//! How a viewer is told something.

use crate::net::outbox::Outbox;
use std::sync::Arc;

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
