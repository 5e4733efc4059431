//! A channel in smaller packets for those who want them: a channel of its own, fed by a tap of the first.

use super::{Burst, Channel, ChannelOptions, Feeder, Joined, Live, Tap, TapId, TrackDescription, Want, Watching};
use rtp::{format::Format, packet::HEADER_LEN, packetizer::MIN_PACKET};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Bytes of payload are multiples of this, so that whoever asks for ever other ones has us cut a channel in few ways.
const STEP: usize = 128;

/// A channel in smaller packets, while somebody wants it.
pub(super) struct Cut {
    of: Arc<Live>,
    max_packet: usize,
    channel: Arc<Channel>,
    tap: TapId,
    /// Who wants the smaller packets wants the channel.
    _want: Want,
}

impl Channel {
    /// The channel in packets of at most `payload` bytes behind the RTP header, or as near as can be had (RFC 2326 section
    /// 12.7): the same for all who want about as many, and gone with the last of them. `None` where it is small enough as it
    /// is, where its packets can't be cut anew, and where the description is over.
    pub fn in_packets_of(self: &Arc<Self>, live: &Arc<Live>, payload: usize) -> Option<Watching> {
        let max_packet = (payload / STEP * STEP).saturating_add(HEADER_LEN).max(MIN_PACKET);
        let whole = |track: &catalog::index::Track| matches!(track.format, Format::Mp2t { .. });
        if payload.saturating_add(HEADER_LEN) >= self.options.max_packet || live.index.tracks.iter().any(whole) {
            return None;
        }
        let mut cuts = self.cuts();
        let same = |cut: &&Cut| cut.max_packet == max_packet && Arc::ptr_eq(&cut.of, live);
        if let Some(cut) = cuts.iter().find(same)
            && let Some(live) = cut.channel.live()
        {
            return Some(Watching::new(cut.channel.clone(), live));
        }
        let tracks = live.index.tracks.iter().map(|track| TrackDescription {
            format: track.format.clone(),
            language: track.language.clone(),
            bandwidth_bps: Some(track.bandwidth_bps),
        });
        let began = self.newest(live)?.kept.first().map(|burst| burst.arrived);
        let channel = Channel::new(self.name(), ChannelOptions { max_packet, ..self.options.clone() });
        let feeder = channel.feed(tracks.collect(), began.unwrap_or_else(Instant::now)).ok()?;
        let smaller = channel.live()?;
        let knife = Arc::new(Knife(Mutex::new(State { feeder: Some(feeder), early: Some(Vec::new()) })));
        let Joined { tap, kept, .. } = self.join(live, knife.clone())?;
        knife.catch_up(&kept);
        cuts.retain(|cut| cut.max_packet != max_packet);
        cuts.push(Cut { of: live.clone(), max_packet, channel: channel.clone(), tap, _want: self.want() });
        Some(Watching::new(channel, smaller))
    }

    /// Lets go of what nobody wants any more.
    pub(super) fn sweep_cuts(&self) {
        let unwanted = |cut: &mut Cut| *cut.channel.wanted().borrow() == 0;
        let gone: Vec<Cut> = self.cuts().extract_if(.., unwanted).collect();
        for cut in gone {
            self.leave(cut.tap);
        }
    }

    fn cuts(&self) -> MutexGuard<'_, Vec<Cut>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tap. It only copies bytes, once for all who watch: that may be done with the channel locked.
struct Knife(Mutex<State>);

struct State {
    /// Until the end.
    feeder: Option<Feeder>,
    /// What came before all that the channel had kept has gone in; `None` after that.
    early: Option<Vec<Arc<Burst>>>,
}

impl Tap for Knife {
    fn burst(&self, burst: &Arc<Burst>) {
        let mut state = self.state();
        match &mut state.early {
            Some(early) => early.push(burst.clone()),
            None => state.feed(burst),
        }
    }

    fn ended(&self, reason: &str) {
        if let Some(feeder) = self.state().feeder.take() {
            feeder.end(reason);
        }
    }
}

impl Knife {
    fn catch_up(&self, kept: &[Arc<Burst>]) {
        let mut state = self.state();
        let early = state.early.take().unwrap_or_default();
        kept.iter().chain(&early).for_each(|burst| state.feed(burst));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn feed(&self, burst: &Burst) {
        if let Some(feeder) = &self.feeder {
            feeder.units(burst.track, &burst.units, burst.arrived);
        }
    }
}
