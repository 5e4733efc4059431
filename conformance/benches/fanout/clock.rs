//! When each picture, and the sound with it, was fed.

use super::ears::header;
use anyhow::{Context, Result};
use rtp::clock::RtpTimestamp;
use rtsp::channel::Channel;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Pictures that are remembered: two minutes and more.
const REMEMBERED: usize = 4096;

/// Ticks of a picture's time, by the clocks of video and sound.
pub const STEPS: [i64; 2] = [3_600, 320];

/// The times at which pictures were fed, nanoseconds. Clones are the same.
#[derive(Clone)]
pub struct Times(Arc<Vec<AtomicU64>>);

/// What of a packet tells when it was fed.
pub struct Clock {
    times: Times,
    /// SSRC and timestamp of picture zero, of each track.
    zeros: [(u32, RtpTimestamp); 2],
}

impl Times {
    pub fn new() -> Self {
        Self(Arc::new((0..REMEMBERED).map(|_| AtomicU64::new(0)).collect()))
    }

    pub fn set(&self, picture: usize, at: u64) {
        self.0[picture % REMEMBERED].store(at, Ordering::Relaxed);
    }
}

impl Clock {
    /// Of a channel that is just being fed for the first time.
    pub fn new(channel: &Channel, times: Times) -> Result<Self> {
        let live = channel.live().context("nothing feeds it")?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let kept = channel.newest(&live).context("the channel has ended")?.kept;
            let zero = |track: usize| {
                let first = kept.iter().find(|burst| burst.track == track)?.units.first()?;
                let source = live.sources.get(track)?;
                Some((source.ssrc, source.start.plus(first.pts)))
            };
            if let (Some(video), Some(sound)) = (zero(0), zero(1)) {
                return Ok(Self { times, zeros: [video, sound] });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        anyhow::bail!("nothing was fed")
    }

    /// From feeding to `at`, nanoseconds, of a packet of the channel.
    pub fn delay(&self, packet: &[u8], at: u64) -> Option<u64> {
        let (_, timestamp, ssrc) = header(packet)?;
        let track = self.zeros.iter().position(|(source, _)| *source == ssrc)?;
        let ticks = i64::from(RtpTimestamp(timestamp).distance(self.zeros[track].1));
        let picture = usize::try_from(ticks / STEPS[track]).ok()?;
        let fed = self.times.0[picture % REMEMBERED].load(Ordering::Relaxed);
        at.checked_sub(fed).filter(|_| fed > 0)
    }

    /// Whether a packet is the last of a picture.
    pub fn ends_picture(&self, packet: &[u8]) -> bool {
        header(packet).is_some_and(|(marker, _, ssrc)| marker && ssrc == self.zeros[0].0)
    }
}
