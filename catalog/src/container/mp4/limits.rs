//! What a file may make this demuxer do at most.

/// Bytes of `moov`: it is held while the file is read. Ten hours of film take about 20 MiB; a box that claims
/// more would only fill memory.
pub(super) const MAX_MOOV: u64 = 64 << 20;
/// Bytes of a compressed `moov` when inflated: zlib makes a thousand of one, and no player of the time in which
/// headers were compressed had more memory.
pub(super) const MAX_INFLATED: u64 = 16 << 20;
/// Bytes of one `moof`: a few seconds of film take some KiB.
pub(super) const MAX_MOOF: u64 = 8 << 20;
/// Boxes side by side in one: 8-byte boxes could fill `moov` by the million.
pub(super) const MAX_CHILDREN: usize = 4096;
/// Samples of one track: a table without entries (equal sizes) can claim 2^32. This is 90 h of AAC.
pub(super) const MAX_SAMPLES: u64 = 1 << 24;
/// Edits of one track: each may go over all samples again.
pub(super) const MAX_EDITS: usize = 256;
/// Samples looked at for all the edits of one track, for the same reason.
pub(super) const MAX_EDIT_STEPS: u64 = 1 << 26;
/// Bytes of the samples that are read together.
pub(super) const BATCH_BYTES: usize = 2 << 20;
/// Samples that are read together: tiny ones would make long lists.
pub(super) const BATCH_SAMPLES: usize = 4096;
/// Bytes asked for where a box header is looked for: fragments are mostly shorter, so one read does.
pub(super) const SCAN_BYTES: u64 = 4 << 10;
/// Runs of fragments waiting for their turn in one track: a track that never comes must not make us read all
/// of the file for it.
pub(super) const MAX_QUEUED_RUNS: usize = 64;
/// Bytes of such runs in all tracks, for the same reason.
pub(super) const MAX_QUEUED_BYTES: usize = 16 << 20;
/// Bytes of all samples by the file's length: tables may point to the same bytes again and again.
pub(super) const MAX_REPEATED: u64 = 8;
/// Steps (boxes met, reads) taken before the first sample to see the first fragment of each track.
pub(super) const FIRST_STEPS: usize = 256;
/// Samples of a track looked at in them.
pub(super) const FIRST_SAMPLES: usize = 4096;
/// Whole audio frames kept before the one in which an edit begins: what decoders need to come in (AAC 1,
/// HE-AAC 2, the bit reservoir of MP3 some more).
pub(super) const PRIMING_FRAMES: usize = 3;
