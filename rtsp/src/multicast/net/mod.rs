//! The shell of the groups: their sockets, the thread that sends, and the tasks that lease, start and announce them.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Caster`] | all groups of a front, for as long as it lives |
//! | [`Group`] | one channel's, as requests see it |
//! | [`Hold`] | that a viewer has set a group up: it is sent meanwhile |
//! | [`GroupSocket`], [`WayOut`] | sockets, and the interface that packets leave by |
//! | [`GroupStatistics`] | what a group has done so far |

mod announce;
mod caster;
mod run;
mod socket;
#[cfg(test)]
mod tests;
mod thread;

pub use caster::{Caster, CasterOptions, Group, Hold};
pub use socket::{GroupSocket, Sent, WayOut};
pub use thread::GroupStatistics;
