//! What feeds the channels.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Feeds`] | those of a front: what catalog and configuration name, each fed by a task of its own |
//! | [`FeedStatus`] | how a channel's feed gets on, for `channel show` |
//! | [`ts`] | transport streams over UDP and RTP |
//! | [`playlist`] | films one after the other |
//! | [`description::Description`] | what a feed says of itself by SDP |
//! | [`rtp::RtpFeed`] | RTP packets to units on one line |
//! | [`intake::Intake`] | those units on their way into a channel |
//! | [`pull::pull`] | fetches a feed from an RTSP server |
//! | [`Relays`] | through which fronts what is fetched comes |
//! | [`sdp::receive`] | takes in RTP as an SDP file says |
//! | [`push::Publications`] | who brings a channel by ANNOUNCE and RECORD |

pub mod description;
pub mod intake;
pub mod playlist;
pub mod pull;
pub mod push;
pub mod receive;
pub mod relay;
pub mod rtp;
pub mod sdp;
mod supervisor;
pub mod ts;

pub use relay::Relays;
pub use supervisor::{Feeds, FeedsOptions};

use crate::channel::Channel;
use catalog::{channel::ChannelSettings, db::Catalog, library::Library};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// What a running feed works with.
#[derive(Clone)]
struct FeedTask {
    channel: Arc<Channel>,
    settings: Arc<ChannelSettings>,
    status: Arc<FeedStatus>,
    catalog: Catalog,
    library: Library,
    pushable: push::Pushable,
    relays: Relays,
}

/// Why a feed came to an end before it was over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct FeedEnded(String);

/// What a feed says that its channel takes no more of.
fn taken_over() -> FeedEnded {
    FeedEnded("another feed has taken its place, or the channel was closed".to_owned())
}

/// How a channel's feed gets on.
#[derive(Debug, Default)]
pub struct FeedStatus {
    packets: AtomicU64,
    lost: AtomicU64,
    idle: AtomicBool,
    note: Mutex<String>,
}

impl FeedStatus {
    /// Says what came since the feed began, and what should have come and did not.
    pub fn count(&self, packets: u64, lost: u64) {
        self.packets.store(packets, Relaxed);
        self.lost.store(lost, Relaxed);
    }

    /// Whether nothing is to come now.
    fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Relaxed);
    }

    /// Says what is wrong; false where that was said already.
    fn complain(&self, what: &str) -> bool {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *note != what;
        what.clone_into(&mut note);
        is_new
    }
}
