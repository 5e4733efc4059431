//! Who feeds a channel, and who wants to watch it.

use super::{Channel, Fed, Live, LiveUnit, State};
use crate::shift::Window;
use std::{
    sync::{Arc, Weak},
    time::Instant,
};

/// Who feeds a channel. When it is dropped, the channel waits for another as long as its options say.
#[derive(Debug)]
pub struct Feeder {
    pub(super) channel: Arc<Channel>,
    pub(super) number: u64,
}

impl Feeder {
    /// Units of one track that came together, in decode order and in stored form (see [`rtp::format::Format::store`]), their times on
    /// the feed's own line, which all its tracks share: zero means the same instant in each. They may share packets.
    ///
    /// False: another has taken over or the channel was closed; nothing that this one brings is taken any more.
    pub fn units(&self, track: usize, units: &[LiveUnit], now: Instant) -> bool {
        let mut state = self.channel.state();
        if state.feeder != self.number {
            return false;
        }
        let State { running: Some(running), taps, .. } = &mut *state else { return false };
        let Some(units) = running.timeline.place(track, units, now) else { return true };
        match running.packets.lay_down(track, units, now) {
            Ok(burst) => {
                let burst = Arc::new(burst);
                running.kept.keep(&burst, &running.live);
                for (_, tap) in taps {
                    tap.burst(&burst);
                }
            }
            Err(error) => tracing::debug!(channel = self.channel.name, track, %error, "a unit can't be sent"),
        }
        true
    }

    /// One unit: see [`Feeder::units`].
    pub fn unit(&self, track: usize, unit: LiveUnit, now: Instant) -> bool {
        self.units(track, &[unit], now)
    }

    /// The channel that is fed.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The feed is over and says so: nobody is waited for.
    pub fn end(self, reason: &str) {
        let mut state = self.channel.state();
        if state.feeder == self.number {
            state.fed = Fed::No;
            state.end(reason);
            self.channel.described.send_replace(None);
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        let grace = self.channel.options.grace;
        let mut state = self.channel.state();
        if state.feeder == self.number && state.fed == Fed::Yes {
            state.fed = Fed::Until(Instant::now() + grace);
        }
    }
}

/// Somebody wants to watch a channel.
#[derive(Debug)]
pub struct Want(pub(super) Weak<Channel>);

impl Want {
    /// Whether it is about that channel.
    pub fn is_of(&self, channel: &Arc<Channel>) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(channel))
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        if let Some(channel) = self.0.upgrade() {
            channel.wanted.send_modify(|count| *count = count.saturating_sub(1));
        }
    }
}

/// A channel that somebody watches or is about to, as it is described now.
#[derive(Debug)]
pub struct Watching {
    /// The channel.
    pub channel: Arc<Channel>,
    /// Its description.
    pub live: Arc<Live>,
    /// What is kept of it, where something is.
    pub window: Option<Arc<Window>>,
    /// So that a feed on demand goes on.
    _want: Want,
}

impl Watching {
    /// Somebody watches `channel` as `live` describes it.
    pub fn new(channel: Arc<Channel>, live: Arc<Live>) -> Self {
        Self { _want: channel.want(), channel, live, window: None }
    }
}
