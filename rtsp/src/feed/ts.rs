//! Transport streams over UDP and RTP (RFC 2250 section 2), unicast and multicast.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`TsAddress`] | the datagrams that a transport stream comes in, as a URL |
//! | `TsFeed` | datagrams in, tracks and units out |
//! | `Reorder` | RTP packets in their order |
//! | `socket` | the port, and the group joined |

mod address;
mod intake;
mod reorder;
mod socket;

pub use address::TsAddress;

use super::{FeedEnded, FeedTask};
use crate::channel::{Feeder, LiveUnit, TrackDescription};
use catalog::{channel::Feed, feed::FeedEvent};
use intake::TsFeed;
use rtp::format::Media;
use std::time::{Duration, Instant};

/// A source that has sent nothing for so long is away: viewers are told when it stays so.
const SILENCE: Duration = Duration::from_secs(3);
/// Bytes of a datagram at most.
const MAX_DATAGRAM: usize = 65_536;

/// Feeds the channel until the source is silent.
pub(super) async fn run(task: &FeedTask) -> Result<(), FeedEnded> {
    let Feed::Ts { url } = &task.settings.feed else { return Ok(()) };
    let address: TsAddress = url.parse().map_err(FeedEnded)?;
    let socket = socket::open(&address).map_err(|error| FeedEnded(format!("{address}: {error}")))?;
    let mut feed = TsFeed::new(&address);
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut feeding = Feeding { task, feeder: None, video: Vec::new(), units: Vec::new() };
    let mut heard = false;
    loop {
        let received = match heard {
            true => match tokio::time::timeout(SILENCE, socket.recv_from(&mut buffer)).await {
                Ok(received) => received,
                Err(_) => {
                    feed.handle_silence();
                    feeding.bring_all(&mut feed)?;
                    return Err(FeedEnded(format!("{address}: nothing came for {} s", SILENCE.as_secs())));
                }
            },
            // Whoever sends first, nothing is lost by waiting.
            false => socket.recv_from(&mut buffer).await,
        };
        let (len, from) = received.map_err(|error| FeedEnded(format!("{address}: {error}")))?;
        if address.source.is_some_and(|source| source != from.ip()) {
            continue;
        }
        heard = true;
        feed.handle_datagram(&buffer[..len], Instant::now())
            .map_err(|error| FeedEnded(format!("{address}: {error}")))?;
        feeding.bring_all(&mut feed)?;
        task.status.count(feed.packets(), feed.lost());
    }
}

/// What comes on its way into the channel.
struct Feeding<'a> {
    task: &'a FeedTask,
    feeder: Option<Feeder>,
    /// Which of its tracks are video.
    video: Vec<bool>,
    /// Units of one track that came together: sound may share packets.
    units: Vec<(usize, LiveUnit)>,
}

impl Feeding<'_> {
    fn bring_all(&mut self, feed: &mut TsFeed) -> Result<(), FeedEnded> {
        let now = Instant::now();
        while let Some(event) = feed.poll() {
            self.take(event, now)?;
        }
        self.bring(now)
    }

    fn take(&mut self, event: FeedEvent, now: Instant) -> Result<(), FeedEnded> {
        match event {
            FeedEvent::Tracks(tracks) => {
                self.bring(now)?;
                // The channel has one feeder at a time.
                self.feeder = None;
                let described = |track: catalog::feed::FeedTrack| {
                    let (format, language) = (track.format, track.language);
                    TrackDescription { format, language, bandwidth_bps: None }
                };
                self.video = tracks.iter().map(|track| track.format.media() == Media::Video).collect();
                let tracks = tracks.into_iter().map(described).collect();
                let feeder = self.task.channel.feed(tracks, now).map_err(|error| FeedEnded(error.to_string()))?;
                self.feeder = Some(feeder);
                Ok(())
            }
            FeedEvent::Unit(unit) => {
                let is_video = self.video.get(unit.track).copied().unwrap_or(false);
                let live = LiveUnit { data: unit.data, dts: unit.dts, pts: unit.pts, sync: unit.sync };
                if is_video || self.units.first().is_some_and(|(track, _)| *track != unit.track) {
                    self.bring(now)?;
                }
                self.units.push((unit.track, live));
                if is_video { self.bring(now) } else { Ok(()) }
            }
        }
    }

    /// Brings the units that have gathered.
    fn bring(&mut self, now: Instant) -> Result<(), FeedEnded> {
        let Some(track) = self.units.first().map(|(track, _)| *track) else { return Ok(()) };
        let units: Vec<LiveUnit> = self.units.drain(..).map(|(_, unit)| unit).collect();
        match &self.feeder {
            Some(feeder) if !feeder.units(track, &units, now) => Err(super::taken_over()),
            _ => Ok(()),
        }
    }
}
