//! What any file may make us do at most.

/// Bytes from a file's start that [`probe`](super::probe()) should see: enough to pass the junk before a stream.
pub const PROBE_LEN: usize = 64 << 10;
/// The same where those tell nothing: recordings that were cut may begin with more that belongs to nothing, or long before
/// the headers by which video is known.
pub const LONG_PROBE_LEN: usize = 1 << 20;
/// Bytes that a demuxer may ask for at once: a file that claims a huge element is read in pieces.
pub const MAX_READ: usize = 4 << 20;
/// Bytes of one access unit: more is a lie or nothing that a network would carry.
pub const MAX_ACCESS_UNIT: usize = 32 << 20;
/// Tracks of one file: a header with thousands of them only costs memory.
pub const MAX_TRACKS: usize = 64;
/// Notes on one file: damage in every packet of a film would fill the log.
pub const MAX_NOTES: usize = 50;
