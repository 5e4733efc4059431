//! What a playback is asked and what it answers.

use rtp::clock::{MediaTime, RtpTimestamp};

/// Where playing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time, or as near to it as the style has it.
    At(MediaTime),
    /// Where it was paused or its range ended; a new viewer, or one whose film was over, starts at zero.
    Resume,
}

/// One entry of `RTP-Info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackInfo {
    /// The place in [`catalog::index::Index::tracks`].
    pub track: usize,
    /// Of the first packet that will be sent.
    pub sequence: u16,
    /// Of the range's start, never zero (ffmpeg takes zero for unknown).
    pub timestamp: RtpTimestamp,
}

/// Why nothing can be played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlayError {
    /// The range starts at or after the presentation's end, or after its own end (457).
    #[error("range from {start:?} s: the presentation lasts {duration:?} s")]
    Range {
        /// As asked, seconds.
        start: f64,
        /// Seconds.
        duration: f64,
    },
    /// The index has no such track, or none was named.
    #[error("no such track")]
    Track,
    /// A track's stored form can't be sent.
    #[error("track {track}: {reason}")]
    Format {
        /// The place in [`catalog::index::Index::tracks`].
        track: usize,
        /// Why.
        reason: String,
    },
    /// As many ranges wait as may.
    #[error("{0} ranges wait already")]
    Queue(usize),
    /// The worker has as many viewers as it may have (453).
    #[error("{0} viewers play already")]
    Full(usize),
    /// The channel has ended, or is described otherwise now (503).
    #[error("the channel has ended")]
    Over,
    /// The worker has stopped.
    #[error("the server is stopping")]
    Stopped,
}
