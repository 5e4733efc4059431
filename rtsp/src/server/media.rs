//! What the control part needs from the rest: presentations by name, and workers that play them.

use crate::playback::PlayError;
use crate::session::Opened;
use crate::worker::{PlayReply, PlayRequest, ViewerId, ViewerStatistics, WorkerId, Workers};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rtp::clock::MediaTime;
use std::time::Duration;

/// Where presentations are looked up.
pub trait Presentations: Send + Sync + 'static {
    /// The presentation of that name, decoded from the URL. What would feed a channel is waited for so long.
    fn open<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Opened, OpenError>>;
}

/// Why there is nothing to play.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// 404
    #[error("no such presentation")]
    NotFound,
    /// 503: it is there, but its bytes can't be had now, or nothing feeds it; the reason is for the log.
    #[error("{0}")]
    Unavailable(String),
}

/// Who plays: the workers, or a test's stand-in. See [`Workers`] for what each means.
pub trait Media: Send + Sync + 'static {
    /// The worker for a new session.
    fn assign(&self) -> WorkerId;
    /// Its RTP and RTCP ports.
    fn ports(&self, worker: WorkerId) -> (u16, u16);
    /// Makes ready; nothing leaves yet.
    fn play(&self, worker: WorkerId, request: PlayRequest) -> BoxFuture<'_, Result<PlayReply, PlayError>>;
    /// Lets the packets go.
    fn go(&self, worker: WorkerId, viewer: ViewerId);
    /// Stops, now or when `at` is reached, with the place where it stands.
    fn pause(&self, worker: WorkerId, viewer: ViewerId, at: Option<MediaTime>) -> BoxFuture<'_, Option<MediaTime>>;
    /// What was sent so far.
    fn viewer(&self, worker: WorkerId, viewer: ViewerId) -> BoxFuture<'_, Option<ViewerStatistics>>;
    /// Forgets the viewer.
    fn remove(&self, worker: WorkerId, viewer: ViewerId, bye: bool);
    /// RTCP from a channel; `track` counts the tracks that play.
    fn rtcp(&self, worker: WorkerId, viewer: ViewerId, track: usize, packet: Bytes);
}

impl Media for Workers {
    fn assign(&self) -> WorkerId {
        Workers::assign(self)
    }

    fn ports(&self, worker: WorkerId) -> (u16, u16) {
        Workers::ports(self, worker)
    }

    fn play(&self, worker: WorkerId, request: PlayRequest) -> BoxFuture<'_, Result<PlayReply, PlayError>> {
        Box::pin(Workers::play(self, worker, request))
    }

    fn go(&self, worker: WorkerId, viewer: ViewerId) {
        Workers::go(self, worker, viewer);
    }

    fn pause(&self, worker: WorkerId, viewer: ViewerId, at: Option<MediaTime>) -> BoxFuture<'_, Option<MediaTime>> {
        Box::pin(Workers::pause(self, worker, viewer, at))
    }

    fn viewer(&self, worker: WorkerId, viewer: ViewerId) -> BoxFuture<'_, Option<ViewerStatistics>> {
        Box::pin(Workers::viewer(self, worker, viewer))
    }

    fn remove(&self, worker: WorkerId, viewer: ViewerId, bye: bool) {
        Workers::remove(self, worker, viewer, bye);
    }

    fn rtcp(&self, worker: WorkerId, viewer: ViewerId, track: usize, packet: Bytes) {
        Workers::rtcp(self, worker, viewer, track, packet);
    }
}
