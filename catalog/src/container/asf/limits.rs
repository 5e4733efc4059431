//! What an ASF file may make us do at most.

/// Bytes of the header object: the largest hold pictures of a record's cover.
pub(super) const MAX_HEADER: u64 = 16 << 20;
/// Objects in the header: one with millions of empty ones only costs time.
pub(super) const MAX_OBJECTS: usize = 1_000;
/// Bytes of one data packet; writers stay below 64 KiB. The objects of one are in memory together, and two bytes make one.
pub(super) const MAX_PACKET_SIZE: u32 = 256 << 10;
/// Bytes of data packets that are read together.
pub(super) const READ_BYTES: u64 = 512 << 10;
/// Bytes of media objects that wait for every stream's first one.
pub(super) const MAX_HELD: usize = 4 << 20;
/// Objects between header and data, which the specification does not foresee.
pub(super) const MAX_SKIPPED: usize = 16;
/// Bytes of media objects that are begun and not whole, over all streams: each stream of a hostile file could claim
/// [`MAX_ACCESS_UNIT`](crate::container::limits::MAX_ACCESS_UNIT), but memory is taken only as bytes come.
pub(super) const MAX_OPEN: usize = 64 << 20;
