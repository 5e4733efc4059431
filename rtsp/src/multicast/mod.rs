//! Channels sent to multicast groups, which costs the same for any number of receivers.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Ranges`], [`GroupRange`] | what groups and ports are taken from, so that no two channels have the same |
//! | [`GroupAddress`], [`TrackAddress`] | where a channel's group and its tracks' ports are; gives the SDP of it |
//! | [`GroupSender`], [`Output`] | a description's packets and reports on their way to a group |
//! | [`Receivers`] | who receives it, as far as they say so |
//! | [`Announcer`], [`sap`] | announcements by SAP (RFC 2974): when and under which hash; their packets |
//! | [`net`] | the shell: sockets, thread, tasks |
//!
//! A group is sent always, or while an RTSP viewer has it set up. Which one a channel has is leased from the catalog for
//! all fronts, before anything is sent to it, and for as long as the front lives.

mod address;
mod announcer;
#[cfg(test)]
mod fake;
pub mod net;
mod ranges;
mod receivers;
pub mod sap;
mod sender;

pub use address::{GroupAddress, TrackAddress};
pub use announcer::{Announcer, AnnouncerOptions, Outgoing};
pub use ranges::{BadRange, GroupRange, PAIRS, Ranges, is_source_specific, is_usable};
pub use receivers::Receivers;
pub use sender::{GroupSender, Output, SendOptions};
