//! The conformance suite: what an RTSP server must do, and whether ours does it.
//!
//! Nothing in this library imports the server's own crates, so that a mistake can't hide itself: it drives
//! real programs (the server, ffmpeg, GStreamer) and looks at bytes.
//!
//! - [`client`]: a small RTSP client that sees every byte.
//! - [`compare`]: the frame-for-frame comparison of a file with what a viewer receives.
//! - [`dialogue`]: recorded dialogues of real players, said again.
//! - [`films`]: the films of the tests.
//! - [`namespaces`]: machines of their own on one bridge, for groups.
//! - [`players`]: real players other than ffmpeg.
//! - [`publishers`]: programs that bring a channel.
//! - [`server`]: the real program, started and stopped.
//! - [`suite`]: the conformance suite, for any RTSP server: `mobidic-conformance URL`.
//! - [`watching`]: channels fed in every way and watched in every way, picture for picture.

pub mod client;
pub mod compare;
pub mod dialogue;
pub mod films;
pub mod namespaces;
pub mod players;
pub mod publishers;
pub mod server;
pub mod suite;
pub mod watching;
