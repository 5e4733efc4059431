//! One fault for each case on the payload formats of further films.

use super::proxy::Fault::{self, Rtp, Sdp, Status};

/// Every seventh packet.
fn some(count: &mut u32) -> bool {
    *count += 1;
    count.is_multiple_of(7)
}

/// H.265 and AC-3.
pub const HEVC: &[(&str, Fault)] = &[
    (
        "PAY-H265-01",
        Rtp(|p, n| {
            if some(n) {
                p[12] |= 0x80
            }
        }),
    ),
    (
        "PAY-H265-02",
        Rtp(|p, n| {
            if some(n) {
                p[1] ^= 0x80
            }
        }),
    ),
    (
        "PAY-H265-03",
        Rtp(|p, _| {
            if p[12] >> 1 & 0x3f == 49 {
                p[14] |= 0x80
            }
        }),
    ),
    ("PAY-H265-04", Sdp(|s| s.replace("sprop-vps=QAE", "sprop-vps=QgE"))),
    ("PAY-AC3-01", Rtp(|p, _| p[12] |= 0x80)),
];

/// MPEG-4 visual and L16.
pub const PART2: &[(&str, Fault)] = &[
    (
        "PAY-MP4V-01",
        Rtp(|p, n| {
            if some(n) {
                p[1] ^= 0x80
            }
        }),
    ),
    ("PAY-MP4V-02", Rtp(|p, _| p[12] = 9)),
    ("PAY-MP4V-03", Sdp(|s| s.replace("config=000001", "config=X00001"))),
    ("PAY-L16-01", Rtp(|p, _| p.truncate(p.len() - 1))),
];

/// VP8 and Opus.
pub const WEB: &[(&str, Fault)] = &[
    ("PAY-VP8-01", Rtp(|p, _| p[12] |= 0x40)),
    (
        "PAY-VP8-02",
        Rtp(|p, n| {
            if some(n) {
                p[1] ^= 0x80
            }
        }),
    ),
    (
        "PAY-OPUS-01",
        Rtp(|p, n| {
            if some(n) {
                p.truncate(12)
            }
        }),
    ),
];

/// VP9 and Vorbis.
pub const NINE: &[(&str, Fault)] = &[
    ("PAY-VP9-01", Rtp(|p, _| p[12] &= !0x0c)),
    (
        "PAY-VP9-02",
        Rtp(|p, n| {
            if some(n) {
                p[1] ^= 0x80
            }
        }),
    ),
    ("PAY-VORBIS-01", Rtp(|p, _| p[15] = 0x45)),
];

/// One transport stream.
pub const TS: &[(&str, Fault)] = &[
    ("R1-PLA-19b", Status(|q| q.starts_with("PLAY "), 460)),
    (
        "PAY-MP2T-01",
        Rtp(|p, n| {
            if some(n) {
                p[12] = 0
            }
        }),
    ),
    (
        "PAY-MP2T-03",
        Rtp(|p, _| {
            let time = u32::from_be_bytes(p[4..8].try_into().unwrap());
            p[4..8].copy_from_slice(&(time / 2).to_be_bytes());
        }),
    ),
    ("PAY-MP2T-02", Sdp(|s| s.replace("MP2T/90000", "MP2T/45000"))),
];
