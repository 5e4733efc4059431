//! One description of a channel being kept.

use super::{Coming, Intake, keeper::Keeper, unix_ns, weight};
use crate::channel::{Burst, Live, LiveUnit};
use catalog::segment::{SegmentError, SegmentOptions, SegmentUnit, SegmentWriter};
use rtp::clock::MediaTime;
use rtp::format::Media;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

/// A segment lasts so long: few objects, little to lose.
const LONG: Duration = Duration::from_secs(10);
/// So long where somebody plays close to the end.
const SHORT: Duration = Duration::from_secs(2);
/// Not shorter, however often somebody asks: each is an object on every node.
const SHORTEST: Duration = Duration::from_millis(400);
/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(5);
/// After nodes have refused a segment, the next is tried so much later.
const RETRY: Duration = Duration::from_secs(5);

/// Why one is not kept any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is over.
    Description,
    /// Another front records.
    Lost,
    /// It is to stop.
    Stopped,
}

/// One description of the channel being kept.
pub(super) struct Taking<'a> {
    keeper: &'a Keeper,
    live: Arc<Live>,
    /// The track whose sync samples begin anew after a hole.
    leader: usize,
    writer: Option<SegmentWriter>,
    begun: Instant,
    /// There is a hole: nothing is taken but from a sync sample on.
    hurt: bool,
    /// So far it is kept already.
    kept: MediaTime,
    renewed: Instant,
    /// Nodes have refused; not before then again.
    retry: Option<Instant>,
    /// Somebody wants what is not sealed yet.
    wanted: bool,
}

impl<'a> Taking<'a> {
    pub(super) fn new(keeper: &'a Keeper, live: &Arc<Live>) -> Self {
        let video = live.index.tracks.iter().position(|track| track.format.media() == Media::Video);
        Self {
            keeper,
            live: live.clone(),
            leader: video.unwrap_or(0),
            writer: None,
            begun: Instant::now(),
            hurt: false,
            kept: keeper.window.end_on(live.line_ns).unwrap_or(MediaTime(i64::MIN)),
            renewed: Instant::now(),
            retry: None,
            wanted: false,
        }
    }

    /// Works until the description is over, or another is to.
    pub(super) async fn work(
        &mut self,
        coming: &mut UnboundedReceiver<Coming>,
        intake: &Intake,
        stop: &mut oneshot::Receiver<()>,
    ) -> End {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                came = coming.recv() => match came {
                    Some(Coming::Burst(burst)) => {
                        intake.waiting.fetch_sub(weight(&burst), Relaxed);
                        self.take(&burst).await;
                    }
                    Some(Coming::Hole) => {
                        tracing::error!(channel = self.keeper.channel.name(), "the nodes take too little: the recording has a hole");
                        self.hurt = true;
                        self.cut().await;
                    }
                    Some(Coming::Ended) | None => return End::Description,
                },
                () = self.keeper.window.wanted.notified() => self.wanted = true,
                _ = tick.tick() => {}
                _ = &mut *stop => {
                    while let Ok(Coming::Burst(burst)) = coming.try_recv() {
                        self.take(&burst).await;
                    }
                    return End::Stopped;
                }
            }
            if self.renewed.elapsed() >= RENEW {
                self.renewed = Instant::now();
                if self.keeper.leases(&self.live).await == Some(false) {
                    return End::Lost;
                }
            }
            let now = Instant::now();
            let lasts = now.saturating_duration_since(self.begun);
            let enough = if self.keeper.window.was_close(now) { SHORT } else { LONG };
            if lasts >= enough || (self.wanted && lasts >= SHORTEST) {
                self.wanted = false;
                self.cut().await;
            }
        }
    }

    /// Gives up what is not sealed.
    pub(super) async fn abandon(self) {
        if let Some(writer) = self.writer {
            writer.abandon().await;
        }
    }

    pub(super) async fn take(&mut self, burst: &Burst) {
        let clock = self.live.sources.get(burst.track).map(|source| source.clock);
        let early = |unit: &LiveUnit| clock.is_some_and(|clock| clock.time(unit.dts) < self.kept);
        if burst.units.first().is_some_and(early) {
            self.hurt = true;
            return;
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None if self.retry.is_some_and(|at| Instant::now() < at) => return,
            None if self.hurt && !(burst.track == self.leader && burst.is_sync()) => return,
            None => match self.begin().await {
                Ok(writer) => writer,
                Err(error) => return self.refused(&error),
            },
        };
        for unit in &burst.units {
            let unit = SegmentUnit { data: &unit.data, dts: unit.dts, pts: unit.pts, sync: unit.sync };
            if let Err(error) = writer.push(burst.track, unit).await {
                self.refused(&error);
                return writer.abandon().await;
            }
        }
        let full = writer.is_full();
        self.writer = Some(writer);
        if full {
            self.cut().await;
        }
    }

    async fn begin(&mut self) -> Result<SegmentWriter, SegmentError> {
        let shift = &self.keeper.shift;
        let (policy, nodes) = shift.set().await?;
        let (now, live) = (Instant::now(), &self.live);
        let passed = unix_ns(SystemTime::now()).saturating_sub(live.line_ns);
        let options = SegmentOptions {
            channel: self.keeper.channel.name().to_owned(),
            line_ns: live.line_ns,
            ahead_ns: live.position(now).0.saturating_sub(passed),
            tracks: live.index.tracks.clone(),
            policy,
            nodes,
        };
        self.begun = now;
        SegmentWriter::begin(&shift.0.catalog, shift.0.source.cluster(), options).await
    }

    /// Seals what came so far and shows it.
    pub(super) async fn cut(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        let channel = self.keeper.channel.name();
        match writer.finish().await {
            Ok(Some((segment, index))) => {
                if self.retry.take().is_some() {
                    tracing::info!(channel, "the recording goes on");
                }
                self.hurt = false;
                let window = self.keeper.window.clone();
                window.push(&segment, index);
                if window.was_asked(Instant::now()) {
                    // Tables of hours take milliseconds; viewers find them made.
                    let _ = tokio::task::spawn_blocking(move || window.snapshot()).await;
                }
                if let Err(error) = self.keeper.drop_old().await {
                    tracing::error!(channel, %error, "what is too old stays for now");
                }
            }
            Ok(None) => {}
            Err(error) => self.refused(&error),
        }
    }

    /// The live path goes on undisturbed; the recording has a hole.
    fn refused(&mut self, error: &SegmentError) {
        let channel = self.keeper.channel.name();
        if self.retry.is_none() {
            tracing::error!(channel, %error, "the recording has a hole: the nodes don't take it");
        } else {
            tracing::debug!(channel, %error, "still not recorded");
        }
        self.retry = Some(Instant::now() + RETRY);
        self.hurt = true;
    }
}
