//! One fault for each case on packets: what a server must send wrong for the case to see it.

use super::edits::{TWICE, edit, is_audio, keep_name, now_and_then};
use super::proxy::Fault::{self, After, Answer, Dead, Rtcp, Rtp, Sdp, StrayReports};

/// Faults in what is sent. The film is H.264 with AAC, the other one MPEG-1 with layer II.
pub const SENT: &[(&str, Fault)] = &[
    (
        "R1-PLA-05",
        Rtp(|p, n| {
            *n += 1;
            if *n > 60 {
                edit(p, 4, |v| v.wrapping_add(9_000_000))
            }
        }),
    ),
    (
        "R1-OPT-02",
        Rtp(|p, n| {
            if now_and_then(n, 9) {
                p.clear()
            }
        }),
    ),
    (
        "R1-PAU-02",
        Rtp(|p, n| {
            *n += 1;
            p[2] = p[2].wrapping_add(*n as u8)
        }),
    ),
    ("R1-SCA-02", Rtp(|p, _| edit(p, 4, |v| v.wrapping_mul(2)))),
    ("R1-INT-01", Rtp(|p, _| p[0] = 0x40)),
    (
        "R1-INT-02",
        Rtp(|p, n| {
            if now_and_then(n, 9) {
                p.clear()
            }
        }),
    ),
    ("R1-PLA-02", Rtp(|p, _| p[3] = p[3].wrapping_add(1))),
    ("R1-PLA-02b", Rtp(|p, _| edit(p, 4, |v| v.wrapping_add(9_000_000)))),
    (
        "R1-PLA-21",
        Rtp(|p, n| {
            *n += 1;
            p[11] = *n as u8
        }),
    ),
    (
        "R1-PLA-21b",
        Rtp(|p, n| {
            *n += 1;
            let back = *n * 1000;
            edit(p, 4, |_| 0x7fff_ffff - back)
        }),
    ),
    ("R1-PLA-22", Rtp(|p, _| p[1] &= 0x7f)),
    ("R1-PLA-26", Rtcp(|p, _| p.clear())),
    ("R1-TEA-04", Rtcp(|p, _| p.clear())),
    (
        "RTP-01",
        Rtp(|p, n| {
            if now_and_then(n, 20) {
                p[0] &= 0x3f
            }
        }),
    ),
    (
        "RTP-01b",
        Rtp(|p, n| {
            if now_and_then(n, 20) {
                p[1] = 100
            }
        }),
    ),
    (
        "RTP-01c",
        Rtp(|p, n| {
            if now_and_then(n, 20) {
                p[9] ^= 1
            }
        }),
    ),
    (
        "RTP-02",
        Rtp(|p, n| {
            *n += 1;
            p[2..4].copy_from_slice(&(*n as u16).to_be_bytes())
        }),
    ),
    (
        "RTP-03",
        Rtp(|p, n| {
            if now_and_then(n, 30) {
                p.clear()
            }
        }),
    ),
    ("RTP-03b", Rtp(|p, _| edit(p, 4, |v| v.wrapping_mul(3)))),
    ("RTP-04", Rtp(|p, _| edit(p, 8, |_| 7))),
    // It says nothing, or keeps its name.
    ("RTP-05", Rtcp(|p, _| p.clear())),
    ("RTP-05", Rtp(|p, n| keep_name(p, n))),
    (
        "RTP-07b",
        Rtp(|p, _| {
            p[0] |= 0x10;
            for byte in [0, 0, 0, 0] {
                p.insert(12, byte)
            }
        }),
    ),
    (
        "RTP-08",
        Rtp(|p, _| {
            if is_audio(p) {
                edit(p, 4, |v| v.wrapping_mul(16))
            }
        }),
    ),
    (
        "RTP-09",
        Rtp(|p, n| {
            if now_and_then(n, 30) {
                p.resize(1500, 0)
            }
        }),
    ),
    ("RTP-10", Rtp(|p, _| edit(p, 4, |v| v / 2))),
    (
        "RTCP-01",
        Rtcp(|p, _| {
            if p[1] == 200 {
                p.drain(..28);
            }
        }),
    ),
    ("RTCP-01b", Rtcp(|p, _| p.truncate(28))),
    (
        "RTCP-01c",
        Rtcp(|p, _| {
            if p[1] == 200 {
                p.clear()
            }
        }),
    ),
    (
        "RTCP-02",
        Rtcp(|p, n| {
            if p[1] == 200 {
                *n += 1;
                edit(p, 16, |v| v.wrapping_add(*n * 4000))
            }
        }),
    ),
    (
        "RTCP-02b",
        Rtcp(|p, _| {
            if p[1] == 200 {
                edit(p, 20, |v| v + 5000)
            }
        }),
    ),
    (
        "RTCP-02c",
        Rtcp(|p, _| {
            if p[1] == 200 {
                edit(p, 16, |v| v ^ 0x4000_0000)
            }
        }),
    ),
    (
        "RTCP-02d",
        Rtcp(|p, _| {
            if p[1] == 200 {
                edit(p, 16, |v| v.wrapping_add(9000))
            }
        }),
    ),
    (
        "RTCP-02e",
        Rtcp(|p, n| {
            if p[1] == 200 {
                *n += 1;
                edit(p, 16, |v| v.wrapping_add(*n * 400_000))
            }
        }),
    ),
    (
        "RTCP-03b",
        Rtcp(|p, n| {
            *n += 1;
            if *n < 2 {
                p.clear()
            }
        }),
    ),
    ("RTCP-03", After(|q| q.starts_with("PLAY "), &TWICE)),
    (
        "RTCP-04",
        Rtcp(|p, n| {
            if p[1] == 200 && p.len() > 40 && now_and_then(n, 1) {
                let at = 28 + 10;
                p[at] = b'a' + (*n % 20) as u8
            }
        }),
    ),
    (
        "RTCP-04b",
        Rtcp(|p, _| {
            if p.len() > 44 {
                p[28 + 9] = 2;
                p[28 + 12] = 0;
                let end = 28 + 16;
                p.truncate(end);
                p[30] = 0;
                p[31] = 3;
            }
        }),
    ),
    ("RTCP-05b", After(|q| q.starts_with("PAUSE"), b"$\x01\0\x10\x80\xc9\0\x01\0\0\0\x07\x81\xcb\0\x01\0\0\0\x07")),
    ("RTCP-07", Dead(|b| b.windows(4).any(|four| four == [0x80, 204, 0, 2]))),
    ("RTCP-09", StrayReports),
    ("RTP-06", super::faults::ODD),
    (
        "RTCP-05",
        Rtcp(|p, _| {
            let at = p.len().saturating_sub(8);
            if p.get(at + 1) == Some(&203) {
                p[at + 7] ^= 1
            }
        }),
    ),
    (
        "PAY-H264-01",
        Rtp(|p, n| {
            if now_and_then(n, 20) {
                p[12] |= 0x80
            }
        }),
    ),
    (
        "PAY-H264-02",
        Rtp(|p, n| {
            if now_and_then(n, 7) {
                p[1] ^= 0x80
            }
        }),
    ),
    (
        "PAY-H264-03",
        Rtp(|p, n| {
            if now_and_then(n, 20) {
                for byte in [1, 0, 0, 0] {
                    p.insert(12, byte)
                }
            }
        }),
    ),
    (
        "PAY-H264-04",
        Rtp(|p, _| {
            if p[12] & 0x1f == 28 {
                p[13] |= 0x80
            }
        }),
    ),
    ("PAY-H264-05", Sdp(|s| s.replace("profile-level-id=", "profile-level-id=00"))),
    ("PAY-H264-06", Sdp(|s| s.replace("packetization-mode=1", "packetization-mode=0"))),
    (
        "PAY-AAC-01",
        Rtp(|p, n| {
            if is_audio(p) && now_and_then(n, 20) {
                p[13] = 13
            }
        }),
    ),
    ("PAY-AAC-02", Sdp(|s| s.replace("AAC-hbr", "generic"))),
    ("PAY-AAC-03", Sdp(|s| s.replace("/44100", "/32000"))),
    ("PAY-AAC-04", Rtp(|p, _| p[1] &= 0x7f)),
];

/// Faults in the other film.
pub const SENT_OTHER: &[(&str, Fault)] = &[
    (
        "RTP-07",
        Rtp(|p, _| {
            if is_audio(p) {
                p[1] |= 0x80
            }
        }),
    ),
    (
        "RTP-08",
        Rtp(|p, _| {
            if is_audio(p) {
                edit(p, 4, |v| v.wrapping_mul(16))
            }
        }),
    ),
    (
        "PAY-MPV-01",
        Rtp(|p, n| {
            if !is_audio(p) && now_and_then(n, 20) {
                p[14] &= !7
            }
        }),
    ),
    (
        "PAY-MPV-02",
        Rtp(|p, _| {
            if !is_audio(p) && p.len() > 60 {
                p[40..44].copy_from_slice(&[0, 0, 1, 0xb3])
            }
        }),
    ),
    (
        "PAY-MPV-03",
        Rtp(|p, n| {
            if !is_audio(p) && now_and_then(n, 7) {
                p[1] ^= 0x80
            }
        }),
    ),
    (
        "PAY-MPV-06",
        Rtp(|p, n| {
            if !is_audio(p) && now_and_then(n, 7) {
                p[14] ^= 0x10
            }
        }),
    ),
    (
        "PAY-MPV-06",
        Rtp(|p, n| {
            if !is_audio(p) && now_and_then(n, 7) {
                p[14] ^= 0x08
            }
        }),
    ),
    (
        "PAY-MPV-01",
        Rtp(|p, _| {
            if !is_audio(p) && p[14] & 7 == 2 {
                p[15] |= 0x10
            }
        }),
    ),
    (
        "PAY-MPV-04",
        Rtp(|p, n| {
            if !is_audio(p) && now_and_then(n, 7) {
                p[13] ^= 1
            }
        }),
    ),
    ("PAY-MPV-05", Sdp(|s| s.replace("MPV/90000", "MPV/45000"))),
    (
        "PAY-MPA-01",
        Rtp(|p, n| {
            if is_audio(p) && now_and_then(n, 9) {
                p[12] = 1
            }
        }),
    ),
    ("PAY-MPA-02", Sdp(|s| s.replace("MPA/90000", "MPA/44100"))),
    ("R1-DES-06", Answer(|_, a| a.replace("a=control:", "a=kontrol:"))),
];
