//! What a file may make this demuxer do at most.

/// Bytes of the list of headers: it is held while it is read. An hour of super index takes some KiB.
pub(super) const MAX_HEADERS: u64 = 4 << 20;
/// Chunks side by side in one list in memory: 8-byte chunks could fill it by the hundred thousand.
pub(super) const MAX_CHILDREN: usize = 1024;
/// Chunks at the file's top before its media: for the same reason.
pub(super) const MAX_TOP_LEVEL: usize = 1024;
/// Index entries, and chunks of media, of one file, 16 bytes each in memory: 12 h of film and sound.
pub(super) const MAX_ENTRIES: usize = 3 << 20;
/// Pieces of the index of one stream (OpenDML): a writer of ours or another's makes one a gigabyte or less.
pub(super) const MAX_INDEX_PIECES: usize = 4096;
/// Bytes of an index read at once.
pub(super) const INDEX_READ: u64 = 1 << 20;
/// Entries of an index that are held against the file to see whether it can be believed.
pub(super) const PROBES: usize = 8;
/// Bytes read at once where chunks are looked for without an index.
pub(super) const SCAN_READ: u64 = 256 << 10;
/// Chunks of a picture track that are looked at before it is announced: to find its headers, and how far its
/// pictures are shown out of their order.
pub(super) const FIRST_CHUNKS: usize = 120;
/// Bytes of such chunks of one track.
pub(super) const FIRST_BYTES: usize = 4 << 20;
/// Bytes of the chunks that are read together.
pub(super) const BATCH_BYTES: usize = 2 << 20;
/// Chunks that are read together: tiny ones would make long lists.
pub(super) const BATCH_CHUNKS: usize = 4096;
/// Bytes of all chunks by the file's length: an index may point to the same bytes again and again.
pub(super) const MAX_REPEATED: u64 = 8;
/// Pictures waiting to be shown at most (H.264 A.3.1), so that pictures out of all order don't fill memory.
pub(super) const MAX_DELAY: usize = 16;
/// Pictures decoded and not given out yet at most, for the same reason.
pub(super) const MAX_WAITING: usize = 64;
