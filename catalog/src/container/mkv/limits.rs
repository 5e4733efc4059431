//! What a file may make this demuxer do at most.

/// Bytes of the file that are read together.
pub(super) const READ: u64 = 512 << 10;
/// Bytes of `Tracks`: configurations and names take some KiB; a box that claims more would only fill memory.
pub(super) const MAX_TRACKS_LEN: u64 = 16 << 20;
/// Entries in it, of whatever kind: two bytes make one.
pub(super) const MAX_ENTRIES: u32 = 1024;
/// Content encodings of one track: each frame goes through all of them.
pub(super) const MAX_PACKINGS: usize = 4;
/// Bytes that were left out at each frame's start: marks, of a few bytes. A frame of none would have as many.
pub(super) const MAX_STRIPPED: usize = 256;
/// Bytes of `Info`, for the same reason.
pub(super) const MAX_INFO_LEN: u64 = 1 << 20;
/// Blocks and their bytes looked at for tracks that must show what they are and may never come.
pub(super) const FIRST_BLOCKS: usize = 2048;
pub(super) const FIRST_BYTES: usize = 16 << 20;
/// Bytes of a frame when inflated, by those that it has in the file: zlib makes a thousand of one.
pub(super) const MAX_INFLATED: u64 = 4 << 20;
/// Pictures that may come before one that is shown earlier: no level of any codec has more.
pub(super) const MAX_DEPTH: usize = 16;
