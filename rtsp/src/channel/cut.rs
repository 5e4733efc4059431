//! A channel in smaller packets: its units are packetized anew.

use super::{
    Burst, Channel, Feeder, Live, Tap, TrackDescription, Watching,
    form::{Form, Maker},
};
use rtp::{format::Format, packet::HEADER_LEN, packetizer::MIN_PACKET};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of payload are multiples of this, so that whoever asks for ever other ones has us cut a channel in few ways.
const STEP: usize = 128;

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
        let (form, mut forms) = (Form::Packets(max_packet), self.forms());
        if let Some(watching) = forms.find(form, live) {
            return Some(watching);
        }
        let tracks = live.index.tracks.iter().map(|track| TrackDescription {
            format: track.format.clone(),
            language: track.language.clone(),
            bandwidth_bps: Some(track.bandwidth_bps),
        });
        let knife = |feeder| Knife(Mutex::new(State { feeder: Some(feeder), early: Some(Vec::new()) }));
        forms.make(form, self, live, tracks.collect(), knife)
    }
}

/// The tap.
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

impl Maker for Knife {
    fn catch_up(&self, kept: &[Arc<Burst>]) {
        let mut state = self.state();
        let early = state.early.take().unwrap_or_default();
        kept.iter().chain(&early).for_each(|burst| state.feed(burst));
    }
}

impl Knife {
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
