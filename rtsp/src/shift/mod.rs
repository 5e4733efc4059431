//! Time shift: a channel keeps its latest hours on the stripes, and viewers go back in them.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Shift`] | what a front needs to keep channels: catalog, nodes, how objects are cut |
//! | [`Recording`] | keeps one channel for as long as it lives |
//! | [`Keeping`] | keeps those of a front's channels that have a window |
//! | [`Window`] | what is kept of a channel, laid on one line of bytes and one of times |
//! | [`Snapshot`] | the same at one moment, as a presentation that can be played |
//! | [`ShiftMedia`] | the units of windows beside those of films |
//!
//! Of the fronts that have a channel one records it, by a lease in the catalog; the others look what it has sealed.
//!
//! A recorder is one more tap of its channel. It writes what comes into segments ([`catalog::segment`]), each a sealed
//! object that the catalog names, and lets the oldest go. A viewer who is behind plays a [`Snapshot`] as if it were a
//! film, and takes a newer one before it comes to the end: rows of the tables and places in the line of bytes stay what
//! they are. What is not sealed yet nobody sees: a segment lasts ten seconds, two where somebody is close behind, and is
//! sealed at once for one who wants to go on from a place in it.
//!
//! The live path never waits for the recorder: if the nodes take too little (they are slow, full or gone), what
//! can't be kept is left out, is said in the log, and the next sync sample begins anew.

mod keep;
mod media;
mod recorder;
mod tables;
#[cfg(test)]
mod tests;
mod window;

pub use keep::Keeping;
pub use media::ShiftMedia;
pub(crate) use recorder::unix_ns;
pub use recorder::{Recording, Shift};
pub use window::{Snapshot, Window};
