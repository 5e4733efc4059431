//! The packets of a feed on their way into its channel, from whatever brings them.

use super::rtp::{FeedCounts, RtpFeed, RtpTrack};
use crate::channel::{Channel, FeedRefused, Feeder, LiveUnit};
use bytes::Bytes;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Who says goodbye may begin anew, by another name, within so long. GStreamer ends its session some time after its
/// goodbye, if at all: sometimes it waits for ever for a packet that it has forgotten to send.
const GOODBYE: Duration = Duration::from_secs(3);

/// Brings a feed's packets into a channel. Sockets, connections and timers share it.
#[derive(Debug)]
pub struct Intake {
    channel: Arc<Channel>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    feed: RtpFeed,
    step: Step,
    paused: bool,
}

/// How far it has come.
#[derive(Debug)]
enum Step {
    /// Not all tracks are known, or nothing has come yet.
    Learning,
    /// The channel is fed.
    Feeding(Feeder),
    /// The channel takes no more of it; why is for people.
    Over(String),
}

impl Intake {
    /// Into `channel`, which is fed as soon as all tracks are known: at once, where the description tells all.
    ///
    /// # Errors
    /// See [`FeedRefused`].
    pub fn new(channel: Arc<Channel>, tracks: Vec<RtpTrack>, now: Instant) -> Result<Arc<Self>, FeedRefused> {
        if tracks.is_empty() {
            return Err(FeedRefused::NoTrack);
        }
        let mut feed = RtpFeed::new(tracks, now);
        let step = match feed.described(now) {
            Some(tracks) => Step::Feeding(channel.feed(tracks, now)?),
            None => Step::Learning,
        };
        Ok(Arc::new(Self { channel, state: Mutex::new(State { feed, step, paused: false }) }))
    }

    /// The same, but the channel is fed only when the first packet has come: nothing else tells that there is anybody.
    pub fn waiting(channel: Arc<Channel>, tracks: Vec<RtpTrack>, now: Instant) -> Arc<Self> {
        let feed = RtpFeed::new(tracks, now);
        Arc::new(Self { channel, state: Mutex::new(State { feed, step: Step::Learning, paused: false }) })
    }

    /// A packet came where RTP of a track is sent to.
    pub fn rtp(&self, track: usize, packet: Bytes, now: Instant) {
        let mut state = self.state();
        if !state.paused {
            state.feed.handle_rtp(track, packet, now);
            self.deliver(&mut state, now);
        }
    }

    /// A packet came where RTCP of a track is sent to.
    pub fn rtcp(&self, track: usize, packet: &[u8], now: Instant) {
        self.state().feed.handle_rtcp(track, packet, now);
    }

    /// Looks after what has waited for long enough, and gives receiver reports with their tracks; call it about fifty times
    /// a second.
    pub fn tick(&self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        let mut state = self.state();
        if state.feed.poll_timeout().is_some_and(|at| at <= now) || matches!(state.step, Step::Learning) {
            state.feed.handle_timeout(now);
            self.deliver(&mut state, now);
        }
        std::iter::from_fn(|| state.feed.poll_report()).collect()
    }

    /// What comes from now on is passed over, or no more so.
    pub fn pause(&self, paused: bool) {
        self.state().paused = paused;
    }

    /// Why the channel takes no more of it, if that is so.
    pub fn over(&self) -> Option<String> {
        match &self.state().step {
            Step::Over(reason) => Some(reason.clone()),
            Step::Learning | Step::Feeding(_) => None,
        }
    }

    /// Ends it: the channel waits for the next feed.
    pub fn end(&self, reason: &str) {
        self.state().step = Step::Over(reason.to_owned());
    }

    /// When the last packet came that was taken.
    pub fn last_packet(&self) -> Option<Instant> {
        self.state().feed.last_packet()
    }

    /// Whether all of it has said goodbye, and has not come again for a few seconds.
    pub fn has_left(&self, now: Instant) -> bool {
        self.state().feed.has_left(GOODBYE, now)
    }

    /// What came so far.
    pub fn counts(&self) -> FeedCounts {
        self.state().feed.counts()
    }

    /// The channel that is fed.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    fn deliver(&self, state: &mut State, now: Instant) {
        if matches!(state.step, Step::Learning)
            && state.feed.last_packet().is_some()
            && let Some(tracks) = state.feed.described(now)
        {
            state.step = match self.channel.feed(tracks, now) {
                Ok(feeder) => Step::Feeding(feeder),
                Err(error) => Step::Over(error.to_string()),
            };
        }
        let State { feed, step, .. } = state;
        let Step::Feeding(feeder) = step else { return };
        // Units of one track that came together may share packets.
        let mut run: (usize, Vec<LiveUnit>) = (0, Vec::new());
        let mut takes = true;
        while let Some((track, unit)) = feed.poll() {
            if run.0 != track && !run.1.is_empty() {
                takes &= feeder.units(run.0, &std::mem::take(&mut run.1), now);
            }
            run.0 = track;
            run.1.push(unit);
        }
        if !run.1.is_empty() {
            takes &= feeder.units(run.0, &run.1, now);
        }
        if !takes {
            *step = Step::Over("another feed has taken the channel over, or it was closed".to_owned());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
