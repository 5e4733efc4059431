//! What a worker has done.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the lateness histogram's bins, microseconds; one more bin holds what is later.
pub const LATENESS_BOUNDS: [u64; 9] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000];

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A worker's counters; written by its thread once a slot, readable by anyone.
        #[derive(Debug, Default)]
        pub struct WorkerStatistics {
            $(pub(super) $name: AtomicU64,)*
            pub(super) lateness: [AtomicU64; LATENESS_BOUNDS.len() + 1],
        }

        /// The counters at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
            /// How many slots were served how late, by [`LATENESS_BOUNDS`].
            pub lateness: [u64; LATENESS_BOUNDS.len() + 1],
        }

        impl WorkerStatistics {
            /// The counters now.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot {
                    $($name: self.$name.load(Relaxed),)*
                    lateness: std::array::from_fn(|bin| self.lateness[bin].load(Relaxed)),
                }
            }
        }
    };
}

counters! {
    /// Viewers known, paused ones too.
    viewers,
    /// Viewers that play.
    playing,
    /// RTP packets sent, or taken by an outbox.
    packets,
    /// Their bytes, RTP headers included.
    octets,
    /// UDP messages given to the kernel.
    sends,
    /// Those of them that carried more than one packet.
    segmented_sends,
    /// Messages that were to carry more than one packet and were sent one by one instead.
    fallback_sends,
    /// System calls that carried the messages.
    send_calls,
    /// UDP packets that the kernel refused (no room, no route).
    send_errors,
    /// Writes to TCP connections.
    writes,
    /// Access units that were not sent because a connection's outbox was full.
    dropped_units,
    /// RTCP packets sent.
    reports,
    /// RTCP packets received from viewers.
    received_reports,
    /// Packets that came on the RTP port, which open ways through firewalls and mean nothing else.
    punches,
    /// Stripe units asked of the source.
    units_requested,
    /// Those of them that were in its cache.
    units_cached,
    /// Times that a viewer had to wait for a unit.
    stalls,
    /// Viewers that were given up.
    failures,
    /// Wake-ups of the thread.
    wake_ups,
}

impl WorkerStatistics {
    /// Viewers known now.
    pub fn viewers(&self) -> u64 {
        self.viewers.load(Relaxed)
    }

    pub(super) fn count(counter: &AtomicU64, by: u64) {
        // Only the worker's thread writes, so this needs no read-modify-write.
        counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
    }

    pub(super) fn served(&self, late: Duration) {
        let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let bin = LATENESS_BOUNDS.partition_point(|bound| *bound < late);
        Self::count(&self.lateness[bin], 1);
    }
}
