//! Viewers who are behind a channel: what they play grows.

use super::{Behind, PlayRequest, Start, live::Stood, viewer::Viewer};
use crate::shift::{Snapshot, Window};
use rtp::clock::MediaTime;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Something newer is looked for so often.
const LOOK: Duration = Duration::from_millis(100);

/// How long PLAY waits until what it wants is sealed: the nodes bring it to their disks meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);

/// The window that a viewer plays.
pub(super) struct Following {
    window: Arc<Window>,
    snapshot: Arc<Snapshot>,
    looked: Option<Instant>,
}

impl Following {
    pub(super) fn new(request: &PlayRequest) -> Option<Self> {
        let Behind { window, snapshot, .. } = request.behind.as_ref()?;
        Some(Self { window: window.clone(), snapshot: snapshot.clone()?, looked: None })
    }
}

impl PlayRequest {
    /// Takes the window as it is once it reaches as far as is wanted.
    ///
    /// # Errors
    /// [`super::PlayError::Range`] where nothing is kept that could be played.
    pub(super) async fn reach(&mut self) -> Result<(), super::PlayError> {
        let Some(behind) = &mut self.behind else { return Ok(()) };
        let nothing = || super::PlayError::Range { start: behind.at.as_secs_f64(), duration: 0.0 };
        let snapshot = behind.window.reach(behind.at, PATIENCE).await.ok_or_else(nothing)?;
        if let Start::At(at) = &mut self.start {
            *at = (*at).max(snapshot.first);
        }
        if self.rate.0.0 < 0.0 {
            self.end = Some(self.end.map_or(snapshot.first, |end| end.max(snapshot.first)));
        }
        self.index = snapshot.index.clone();
        behind.snapshot = Some(snapshot);
        Ok(())
    }

    /// The same from the first place that there is.
    fn begin_at(&self, first: MediaTime) -> Self {
        Self { start: Start::At(first), ..self.clone() }
    }
}

impl Viewer {
    /// Begins where the viewer `stood` when it watched the channel as it is. Where that has gone from the window, or it never
    /// did, another request in the stead of one to go on.
    pub(super) fn catch_hold(&mut self, request: &PlayRequest, stood: Option<&[Option<Stood>]>) -> Option<PlayRequest> {
        let Behind { at, snapshot, .. } = request.behind.as_ref()?;
        let snapshot = snapshot.as_ref()?;
        let Some(stood) = stood else {
            return (request.start == Start::Resume).then(|| request.begin_at((*at).max(snapshot.first)));
        };
        let place = |track: usize| {
            let stood = stood.get(track).copied().flatten()?;
            Some((stood.sent_to, stood.next_sequence, stood.zero))
        };
        let there = self.playback.take_over(*at, &snapshot.gone, place);
        (!there && request.start == Start::Resume).then(|| request.begin_at(snapshot.first))
    }

    /// Goes over to the snapshot that a request brings; another request where its place has gone.
    pub(super) fn take_newest(&mut self, request: &PlayRequest, now: Instant) -> Option<PlayRequest> {
        let snapshot = request.behind.as_ref()?.snapshot.clone()?;
        let there = self.grow(snapshot.clone(), now);
        (!there && request.start == Start::Resume).then(|| request.begin_at(snapshot.first))
    }

    /// Looks for more when it comes close to the end of what it knows. If its place has gone, or nothing will follow,
    /// it ends there.
    pub(super) fn look_for_more(&mut self, now: Instant) {
        let Some(following) = &mut self.behind else { return };
        let lately = following.looked.is_some_and(|then| now.saturating_duration_since(then) < LOOK);
        if lately || !self.playback.is_near_end(now) {
            return;
        }
        following.looked = Some(now);
        let window = following.window.clone();
        match window.newer(&following.snapshot.index, now) {
            Some(newer) if newer.index.media.object == following.snapshot.index.media.object => {
                self.grow(newer, now);
            }
            _ if window.is_over(following.snapshot.index.media.object) => self.playback.is_complete(),
            _ => window.is_close(now),
        }
    }

    /// False where the place has gone.
    fn grow(&mut self, newer: Arc<Snapshot>, now: Instant) -> bool {
        let Some(following) = &mut self.behind else { return true };
        let before = following.snapshot.gone.iter();
        let gone: Vec<usize> = newer.gone.iter().zip(before).map(|(now, then)| now.saturating_sub(*then)).collect();
        let there = self.playback.grow(newer.index.clone(), &gone, now);
        following.snapshot = newer;
        there
    }
}
