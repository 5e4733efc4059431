//! Advanced Systems Format (Microsoft, "ASF Specification" 01.20.05), as far as it goes over the wire: the data packets
//! that a track's access units are put into, and the header that tells receivers about the streams.
//!
//! - [`guid`]: the names of the header's objects
//! - [`packet`]: [`packet::write`] makes data packets of a media object, [`packet::Parsed`] reads one of those
//! - [`header`]: [`header::StreamProperties`] of one stream; [`header::Header`] of a presentation
//!
//! Containers other than ASF use it too: whatever has a FourCC or a format tag can travel so.

pub mod guid;
pub mod header;
pub mod packet;

/// Milliseconds that receivers hold back before they play, and that presentation times in packets are later than the
/// presentation's. VLC 3 loses this much of a film's end; no player that was tried needs any.
pub const PREROLL_MS: u32 = 0;

/// Bytes of a data packet at most: four RTP packets of 1400 bytes, which lie within what all receivers have been seen to
/// take.
pub const MAX_PACKET: usize = 4 * 1384;
