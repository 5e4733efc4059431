//! The channels of a front, by name.

use super::{Channel, ChannelOptions};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The channels of a front. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    channels: Arc<Mutex<BTreeMap<String, Arc<Channel>>>>,
}

impl Channels {
    /// The channel of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Channel>> {
        self.lock().get(name).cloned()
    }

    /// The channel of that name, made if there is none.
    pub fn get_or_add(&self, name: &str, options: ChannelOptions) -> Arc<Channel> {
        self.lock().entry(name.to_owned()).or_insert_with(|| Channel::new(name, options)).clone()
    }

    /// Takes one away, and ends it.
    pub fn remove(&self, name: &str, reason: &str) -> bool {
        let removed = self.lock().remove(name);
        if let Some(channel) = &removed {
            channel.close(reason);
        }
        removed.is_some()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Channel>> {
        self.lock().values().cloned().collect()
    }

    /// Gives up waiting for feeds that have been gone for too long; call it about once a second.
    pub fn sweep(&self, now: Instant) {
        for channel in self.all() {
            channel.sweep(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
