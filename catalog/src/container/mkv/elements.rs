//! Identifiers of elements (RFC 9559 section 5.1), with their length markers.

pub const EBML: u32 = 0x1A45_DFA3;
pub const SEGMENT: u32 = 0x1853_8067;
pub const INFO: u32 = 0x1549_A966;
pub const TRACKS: u32 = 0x1654_AE6B;
pub const CLUSTER: u32 = 0x1F43_B675;
pub const TIME: u32 = 0xE7;
pub const SIMPLE_BLOCK: u32 = 0xA3;
pub const BLOCK_GROUP: u32 = 0xA0;
pub const BLOCK: u32 = 0xA1;
pub const BLOCK_DURATION: u32 = 0x9B;
pub const REFERENCE: u32 = 0xFB;

/// Whether an element may lie in a segment or a cluster (RFC 9559 section 5.1), or anywhere.
pub fn is_known(id: u32) -> bool {
    const OTHERS: [u32; 12] = [
        EBML,
        0x114D_9B74, // SeekHead
        0x1C53_BB6B, // Cues
        0x1941_A469, // Attachments
        0x1043_A770, // Chapters
        0x1254_C367, // Tags
        0xA7,        // Position
        0xAB,        // PrevSize
        0x5854,      // SilentTracks
        0xAF,        // EncryptedBlock
        0xEC,        // Void
        0xBF,        // CRC-32
    ];
    matches!(id, INFO | TRACKS | TIME | SIMPLE_BLOCK | BLOCK_GROUP) || OTHERS.contains(&id)
}
