//! Which channels of a front are kept: those with a window, as long as they are listed.

use super::{Recording, Shift};
use crate::channel::{Channel, Channels};
use catalog::{channel::ChannelSettings, sweep::remove_segments};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// The settings of all channels, and every change of them.
type Listed = watch::Receiver<Arc<Vec<Arc<ChannelSettings>>>>;

/// Keeps channels until it is stopped.
pub struct Keeping {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Shift {
    /// Keeps those of `channels` that `listed` gives a window. What is kept of one that the catalog does not name any more
    /// is deleted.
    pub fn follow(&self, channels: Channels, mut listed: Listed) -> Keeping {
        let (stop, mut stopped) = oneshot::channel();
        let shift = self.clone();
        let task = tokio::spawn(async move {
            let mut kept: BTreeMap<String, (Arc<Channel>, Recording)> = BTreeMap::new();
            loop {
                let wanted = listed.borrow_and_update().clone();
                shift.adapt(&channels, &wanted, &mut kept).await;
                tokio::select! {
                    changed = listed.changed() => if changed.is_err() { break },
                    _ = &mut stopped => break,
                }
            }
            for (_, recording) in kept.into_values() {
                recording.end().await;
            }
        });
        Keeping { stop, task }
    }

    async fn adapt(
        &self,
        channels: &Channels,
        wanted: &[Arc<ChannelSettings>],
        kept: &mut BTreeMap<String, (Arc<Channel>, Recording)>,
    ) {
        let goes_on = |name: &str, channel: &Arc<Channel>| {
            let listed = wanted.iter().any(|settings| settings.name == name && settings.window_s > 0);
            listed && channels.get(name).is_some_and(|now| Arc::ptr_eq(&now, channel))
        };
        let over = kept.iter().filter(|(name, (channel, _))| !goes_on(name, channel));
        for name in over.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if let Some((_, recording)) = kept.remove(&name) {
                recording.end().await;
            }
            if !wanted.iter().any(|settings| settings.name == name) {
                self.forget(&name).await;
            }
        }
        for settings in wanted.iter().filter(|settings| settings.window_s > 0) {
            let length = Duration::from_secs(settings.window_s.into());
            if let Some(channel) = channels.get(&settings.name).filter(|_| !kept.contains_key(&settings.name)) {
                let recording = self.record(channel.clone(), length);
                kept.insert(settings.name.clone(), (channel, recording));
            }
        }
    }

    /// Deletes what is kept of a channel that has gone; what was sealed while it was removed, too.
    async fn forget(&self, name: &str) {
        if let Err(error) = remove_segments(self.catalog(), self.source().cluster(), name, None).await {
            tracing::error!(channel = name, %error, "what was kept of the channel stays for now");
        }
    }
}

impl Keeping {
    /// Ends all recordings, and waits until what came is sealed.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
