//! A channel in another form, for those who want it: a channel of its own, fed by a tap of the first. Made when the first
//! asks for it, the same for all, and gone with the last of them.

use super::{Burst, Channel, ChannelOptions, Feeder, Joined, Live, Tap, TapId, TrackDescription, Want, Watching};
use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Instant,
};

/// What a channel can be had as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// All tracks in one transport stream.
    TransportStream,
    /// In packets of so many bytes at most, RTP header included.
    Packets(usize),
}

/// The forms that somebody wants at this moment.
#[derive(Default)]
pub(super) struct Forms(Vec<Derived>);

struct Derived {
    form: Form,
    of: Arc<Live>,
    channel: Arc<Channel>,
    tap: TapId,
    /// Who wants the form wants the channel.
    _want: Want,
}

/// The tap that makes the form of what it gets. It only moves bytes, once for all who watch: that may be done with the
/// channel locked.
pub(super) trait Maker: Tap + 'static {
    /// What the channel had kept when it was joined: that goes first, even if more has come meanwhile.
    fn catch_up(&self, kept: &[Arc<Burst>]);
}

impl Channel {
    pub(super) fn forms(&self) -> MutexGuard<'_, Forms> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forms {
    /// The one that there is already.
    pub(super) fn find(&self, form: Form, live: &Arc<Live>) -> Option<Watching> {
        let same = |derived: &&Derived| derived.form == form && Arc::ptr_eq(&derived.of, live);
        let channel = &self.0.iter().find(same)?.channel;
        Some(Watching::new(channel.clone(), channel.live()?))
    }

    /// Makes it of `channel`. `None` where `live` is over.
    pub(super) fn make<M: Maker>(
        &mut self,
        form: Form,
        channel: &Arc<Channel>,
        live: &Arc<Live>,
        tracks: Vec<TrackDescription>,
        maker: impl FnOnce(Feeder) -> M,
    ) -> Option<Watching> {
        let began = channel.newest(live)?.kept.first().map(|burst| burst.arrived);
        let max_packet = match form {
            Form::TransportStream => channel.options.max_packet,
            Form::Packets(max_packet) => max_packet,
        };
        let made = Channel::new(channel.name(), ChannelOptions { max_packet, ..channel.options.clone() });
        // Nobody else feeds it.
        let feeder = made.feed(tracks, began.unwrap_or_else(Instant::now)).ok()?;
        let watching = Watching::new(made.clone(), made.live()?);
        let maker = Arc::new(maker(feeder));
        let Joined { tap, kept, .. } = channel.join(live, maker.clone())?;
        maker.catch_up(&kept);
        self.let_go(channel, |derived| derived.form == form);
        self.0.push(Derived { form, of: live.clone(), channel: made, tap, _want: channel.want() });
        Some(watching)
    }

    /// Lets go of those that nobody wants any more.
    pub(super) fn sweep(&mut self, channel: &Channel) {
        self.let_go(channel, |derived| *derived.channel.wanted().borrow() == 0);
    }

    fn let_go(&mut self, channel: &Channel, which: impl Fn(&Derived) -> bool) {
        for gone in self.0.extract_if(.., |derived| which(derived)) {
            channel.leave(gone.tap);
        }
    }
}
