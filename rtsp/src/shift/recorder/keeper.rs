//! One channel being kept, by this front or by another.

use super::taking::{End, Taking};
use super::{Inner, Intake, Shift, unix_ns};
use crate::channel::{Channel, Live};
use crate::shift::Window;
use catalog::{
    db::CatalogError,
    segment::{SegmentError, read_index},
    sweep::remove_segments,
};
use rtp::format::Format;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{mpsc::unbounded_channel, oneshot};

/// What is older than the window stays so much longer, for those who play just there.
const MARGIN: Duration = Duration::from_secs(30);
/// After a channel has ended, how soon it is looked for its next description.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a front that does not record looks for what another has sealed, and whether it is to record now.
const LOOK: Duration = Duration::from_secs(1);
/// The lease of who records, seconds: so long nothing is kept where a front has died.
const LEASE_S: i64 = 20;
/// A viewer of another front was close to the end within so many seconds.
const CLOSE_S: i64 = 15;

/// Keeps one channel.
pub(super) struct Keeper {
    pub(super) shift: Shift,
    pub(super) channel: Arc<Channel>,
    pub(super) window: Arc<Window>,
    pub(super) length: Duration,
}

impl Keeper {
    /// Until `stop` is sent or dropped.
    pub(super) async fn run(self, mut stop: oneshot::Receiver<()>) {
        let channel = self.channel.name();
        if let Err(error) = self.look().await {
            tracing::error!(channel, %error, "what was kept of the channel before can't be watched");
        }
        let mut recorded = false;
        loop {
            let live = tokio::select! {
                live = self.channel.wait_live() => live,
                _ = &mut stop => return,
            };
            let Some(live) = live else { return };
            if live.index.tracks.iter().any(|track| matches!(track.format, Format::Mp2t { .. })) {
                tracing::error!(channel, "a transport stream that is passed on as it is can't be kept");
                return;
            }
            if self.leases(&live).await != Some(true) {
                if std::mem::take(&mut recorded) {
                    tracing::warn!(channel, "another front records it from now on");
                }
                if self.look_on(&mut stop).await {
                    return;
                }
                continue;
            }
            if !std::mem::replace(&mut recorded, true) {
                tracing::info!(channel, "recorded");
            }
            let end = self.record(&live, &mut stop).await;
            if end != End::Lost {
                self.release().await;
            }
            if end == End::Stopped {
                return;
            }
        }
    }

    /// Records one description.
    async fn record(&self, live: &Arc<Live>, stop: &mut oneshot::Receiver<()>) -> End {
        let (queue, mut coming) = unbounded_channel();
        let intake = Arc::new(Intake { queue, waiting: 0.into(), overflown: false.into() });
        let Some(joined) = self.channel.join(live, intake.clone()) else {
            // It has just ended; the next one may be described in a moment.
            tokio::time::sleep(AGAIN).await;
            return End::Description;
        };
        let mut taking = Taking::new(self, live);
        for burst in &joined.kept {
            taking.take(burst).await;
        }
        let end = taking.work(&mut coming, &intake, stop).await;
        match end {
            // The other has it, too.
            End::Lost => taking.abandon().await,
            End::Description | End::Stopped => {
                taking.cut().await;
                self.window.feed_has_gone();
            }
        }
        self.channel.leave(joined.tap);
        end
    }

    /// Whether this front is the one that records, for the next [`LEASE_S`] seconds; `None`: the catalog doesn't say.
    pub(super) async fn leases(&self, live: &Live) -> Option<bool> {
        let (Inner { catalog, front, .. }, channel) = (&*self.shift.0, self.channel.name());
        let asked = async {
            match catalog.lease_recorder(channel, front, LEASE_S).await? {
                Some(recorder) => Ok(Some(recorder)),
                // Not on the books yet.
                None => {
                    catalog.channel_line(channel, live.line_ns).await?;
                    catalog.lease_recorder(channel, front, LEASE_S).await
                }
            }
        };
        let recorder: Result<_, CatalogError> = asked.await;
        match recorder {
            Ok(Some(recorder)) => {
                if unix_ns(SystemTime::now()) / 1_000_000_000 - recorder.close < CLOSE_S {
                    self.window.is_close(Instant::now());
                }
                Some(recorder.front == *front)
            }
            Ok(None) => Some(false),
            Err(error) => {
                tracing::debug!(channel, %error, "not known who records it");
                None
            }
        }
    }

    /// Another may record.
    async fn release(&self) {
        let Inner { catalog, front, .. } = &*self.shift.0;
        if let Err(error) = catalog.end_recorder_lease(self.channel.name(), front).await {
            tracing::debug!(channel = self.channel.name(), %error, "nobody records it until the lease has run out");
        }
    }

    /// Looks what another front has sealed; true: it is to stop.
    async fn look_on(&self, stop: &mut oneshot::Receiver<()>) -> bool {
        let channel = self.channel.name();
        if let Err(error) = self.look().await {
            tracing::debug!(channel, %error, "not known what another front has kept");
        }
        self.window.drop_before(self.oldest_ns());
        let wanted = tokio::select! {
            () = tokio::time::sleep(LOOK) => self.window.was_close(Instant::now()),
            () = self.window.wanted.notified() => true,
            _ = stop => return true,
        };
        if wanted && let Err(error) = self.shift.0.catalog.want_short_segments(channel).await {
            tracing::debug!(channel, %error, "the other front is not told that somebody is close behind");
        }
        false
    }

    /// Takes in what was sealed since the last look.
    async fn look(&self) -> Result<(), SegmentError> {
        let Inner { catalog, source, .. } = &*self.shift.0;
        let after = self.window.newest_ns().unwrap_or(i64::MIN).max(self.oldest_ns());
        for segment in catalog.segments_after(self.channel.name(), after).await? {
            match read_index(source, &segment).await {
                Ok(index) => self.window.push(&segment, index),
                Err(error) => {
                    let object = segment.layout.object;
                    tracing::error!(channel = self.channel.name(), %object, %error, "a kept segment can't be read");
                }
            }
        }
        Ok(())
    }

    /// What ended before is let go of.
    fn oldest_ns(&self) -> i64 {
        let kept = i64::try_from((self.length + MARGIN).as_nanos()).unwrap_or(i64::MAX);
        unix_ns(SystemTime::now()).saturating_sub(kept)
    }

    /// Lets go of what is too old: first nobody finds it any more, then its bytes go.
    pub(super) async fn drop_old(&self) -> Result<(), CatalogError> {
        let before = self.oldest_ns();
        self.window.drop_before(before);
        let Inner { catalog, source, .. } = &*self.shift.0;
        remove_segments(catalog, source.cluster(), self.channel.name(), Some(before)).await?;
        Ok(())
    }
}
