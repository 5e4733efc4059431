//! RTP and RTCP (RFC 3550, RFC 3551): what the packets of a playing presentation must be like.

mod collision;
mod mapping;
mod media;
mod profiles;
mod reports;

use crate::suite::case::Case;

/// All of them.
pub fn cases() -> Vec<Case> {
    [media::CASES, profiles::CASES, reports::CASES, collision::CASES].concat()
}
