//! MPEG-1/2 video, MPEG audio and transport streams (RFC 2250), MPEG-4 visual (RFC 6416).

use super::{clock_rate, marked_ends, of, packets};
use crate::suite::{
    case::{Case, Need, ensure, skip},
    packets::{Rtp, sequence_step, timestamp_step},
};

const MPV: &[Need] = &[Need::Encoding("MPV"), Need::EachTransport];
const MPA: &[Need] = &[Need::Encoding("MPA"), Need::EachTransport];
const MP2T: &[Need] = &[Need::Encoding("MP2T"), Need::EachTransport];
const MP4V: &[Need] = &[Need::Encoding("MP4V-ES"), Need::EachTransport];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "PAY-MPV-01",
        "RFC 2250 3.4",
        "the 4-byte header has MBZ 0, a picture type and the right S bit",
        MPV,
        |c| packets(c, "MPV", "a video-specific header", |packet| mpv(&packet.payload)),
    ),
    Case::must(
        "PAY-MPV-02",
        "RFC 2250 3.1",
        "sequence and group headers stand at a payload's start, picture headers there or after them",
        MPV,
        |c| packets(c, "MPV", "headers at the payload's start", |packet| mpv_headers(&packet.payload)),
    ),
    Case::must("PAY-MPV-03", "RFC 2250 3.3", "the marker is on the last packet of each picture", MPV, |c| {
        marked_ends(c, "MPV")
    }),
    Case::must(
        "PAY-MPV-04",
        "RFC 2250 3.4",
        "all packets of a picture have its temporal reference and type",
        MPV,
        |c| {
            of(c, "MPV", |track| {
                for frame in track.frames() {
                    let field = |payload: &[u8]| Some((payload.get(..2)?.to_vec(), payload.get(2)? & 7));
                    let mut all: Vec<_> =
                        frame.iter().filter(|p| p.payload.len() > 4).filter_map(|p| field(&p.payload)).collect();
                    all.dedup();
                    let fields: Vec<_> = all
                        .iter()
                        .map(|(head, kind)| {
                            (
                                u16::from_be_bytes([
                                    head.first().copied().unwrap_or(0) & 3,
                                    head.get(1).copied().unwrap_or(0),
                                ]),
                                *kind,
                            )
                        })
                        .collect();
                    ensure(fields.len() <= 1, "one TR and P in each picture", format!("{fields:?}"))?;
                }
                Ok(())
            })
        },
    ),
    Case::must("PAY-MPV-06", "RFC 2250 3.4", "B and E tell where slices begin and end", MPV, |c| {
        of(c, "MPV", |track| {
            for pair in track.rtp.windows(2) {
                let [packet, next] = pair else { continue };
                let told = |packet: &Rtp, bit: u8| packet.payload.get(2).is_some_and(|byte| byte & bit != 0);
                let wrong = |what: &str| format!("{what} (seq {})", packet.sequence);
                let begins = begins_slice(&packet.payload);
                ensure(
                    told(packet, 0x10) == begins,
                    "B where a slice begins",
                    wrong(if begins { "no B" } else { "B" }),
                )?;
                // A sequence's end code may stand alone.
                if !has_slice(&packet.payload) || sequence_step(packet.sequence, next.sequence) != 1 {
                    continue;
                }
                let ends = starts(&next.payload).is_some();
                ensure(told(packet, 0x08) == ends, "E where a slice ends", wrong(if ends { "no E" } else { "E" }))?;
            }
            Ok(())
        })
    }),
    Case::must("PAY-MPV-05", "RFC 2250 2, 3.3", "video has a clock of 90 kHz", MPV, |c| clock_rate(c, "MPV", 90_000)),
    Case::must(
        "PAY-MPA-01",
        "RFC 2250 3.5",
        "the 4-byte header has MBZ 0, and a payload begins with a frame or goes on with one",
        MPA,
        |c| packets(c, "MPA", "an audio-specific header and frames", |packet| mpa(&packet.payload)),
    ),
    Case::must("PAY-MPA-02", "RFC 2250 2, 3.5", "audio has a clock of 90 kHz whatever its sampling rate", MPA, |c| {
        clock_rate(c, "MPA", 90_000)
    }),
    Case::must("PAY-MP2T-01", "RFC 2250 2", "a payload is a whole number of transport packets", MP2T, |c| {
        packets(c, "MP2T", "188-byte packets that begin with 47", |packet| {
            let whole = !packet.payload.is_empty() && packet.payload.len().is_multiple_of(188);
            let sync = packet.payload.chunks(188).all(|part| part.first() == Some(&0x47));
            if whole && sync { Ok(()) } else { Err("not so".into()) }
        })
    }),
    Case::must("PAY-MP2T-02", "RFC 2250 2", "transport streams have a clock of 90 kHz", MP2T, |c| {
        clock_rate(c, "MP2T", 90_000)
    }),
    Case::must("PAY-MP2T-03", "RFC 2250 2", "timestamps go with the program clock reference", MP2T, |c| {
        of(c, "MP2T", |track| {
            let mut first: Option<(u16, u64, u32)> = None;
            for packet in &track.rtp {
                for (pid, pcr) in packet.payload.chunks(188).filter_map(clock_reference) {
                    let (mine, began, timestamp) = *first.get_or_insert((pid, pcr, packet.timestamp));
                    if pid != mine {
                        continue;
                    }
                    // A marker says that the timestamp jumps.
                    if packet.marker {
                        first = Some((pid, pcr, packet.timestamp));
                        continue;
                    }
                    let off = timestamp_step(timestamp, packet.timestamp) as f64 - (pcr as f64 - began as f64);
                    let wrong = format!("{:.1} ms off at seq {}", off / 90.0, packet.sequence);
                    // It is that of the payload's first byte, which is some packets from the one with the reference.
                    ensure(off.abs() < 90_000.0 * 0.08, "timestamps as far apart as the references", wrong)?;
                }
            }
            first.map(drop).ok_or_else(|| skip("no program clock reference within the capture"))
        })
    }),
    Case::must("PAY-MP4V-01", "RFC 6416 5.2", "the marker is on the last packet of each VOP", MP4V, |c| {
        marked_ends(c, "MP4V-ES")
    }),
    Case::must(
        "PAY-MP4V-02",
        "RFC 6416 5.2",
        "a VOP's header begins a payload or follows configuration or a GOV header",
        MP4V,
        |c| {
            of(c, "MP4V-ES", |track| {
                for frame in track.frames().iter().skip(1) {
                    let head = frame.first().map(|packet| packet.payload.as_slice()).unwrap_or_default();
                    ensure(
                        head.starts_with(&[0, 0, 1]),
                        "a start code at the head of each frame",
                        format!("{:02x?}", head.get(..8)),
                    )?;
                }
                Ok(())
            })
        },
    ),
    Case::must("PAY-MP4V-03", "RFC 6416 7.1", "config is the stream's configuration in hexadecimal", MP4V, |c| {
        of(c, "MP4V-ES", |track| {
            let config = track.media.fmtp("config").unwrap_or("");
            let hex = config.len().is_multiple_of(2) && config.bytes().all(|byte| byte.is_ascii_hexdigit());
            ensure(hex && config.starts_with("000001"), "config=000001...", config)
        })
    }),
];

fn mpv(payload: &[u8]) -> Result<(), String> {
    let &[a, _, c, d, ref rest @ ..] = payload else { return Err("less than 4 bytes".into()) };
    if a & 0xf8 != 0 {
        return Err(format!("MBZ {:#07b}", a >> 3));
    }
    let kind = c & 7;
    if !(1..=4).contains(&kind) {
        return Err(format!("picture type {kind}"));
    }
    if kind == 1 && d != 0 || kind == 2 && d & 0xf0 != 0 {
        return Err(format!("motion fields {d:#04x} in a picture of type {kind}"));
    }
    let extension = if a & 4 != 0 { 4 } else { 0 };
    let body = rest.get(extension..).unwrap_or_default();
    let sequence = body.starts_with(&[0, 0, 1, 0xb3]);
    if sequence != (c & 0x20 != 0) {
        return Err(format!("S is {} and the payload begins with {:02x?}", c >> 5 & 1, body.get(..4)));
    }
    Ok(())
}

/// What stands behind the video-specific header.
fn mpv_body(payload: &[u8]) -> &[u8] {
    let skip = if payload.first().is_some_and(|byte| byte & 4 != 0) { 8 } else { 4 };
    payload.get(skip..).unwrap_or_default()
}

/// The start code at a payload's start.
fn starts(payload: &[u8]) -> Option<u8> {
    mpv_body(payload).strip_prefix(&[0, 0, 1]).and_then(|rest| rest.first().copied())
}

fn has_slice(payload: &[u8]) -> bool {
    starts(payload).is_none() || mpv_body(payload).windows(4).any(is_slice)
}

/// Whether a slice begins the payload, or headers and then a slice do.
fn begins_slice(payload: &[u8]) -> bool {
    starts(payload).is_some_and(|code| (1..=0xaf).contains(&code) || mpv_body(payload).windows(4).any(is_slice))
}

fn is_slice(four: &[u8]) -> bool {
    matches!(four, [0, 0, 1, 1..=0xaf])
}

/// PID and program clock reference of a transport packet, at 90 kHz (ISO 13818-1 2.4.3.4).
fn clock_reference(packet: &[u8]) -> Option<(u16, u64)> {
    let &[0x47, high, low, control, length, flags, a, b, c, d, e, ..] = packet else { return None };
    if control & 0x20 == 0 || length < 7 || flags & 0x10 == 0 {
        return None;
    }
    let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
    Some((u16::from_be_bytes([high & 0x1f, low]), base))
}

fn mpv_headers(payload: &[u8]) -> Result<(), String> {
    let body = mpv_body(payload);
    let mut codes = body
        .windows(4)
        .enumerate()
        .filter(|(_, w)| w.starts_with(&[0, 0, 1]))
        .map(|(at, w)| (at, *w.last().unwrap_or(&0)));
    let mut headers_only = true;
    for (at, code) in &mut codes {
        match code {
            0xb3 if at != 0 => return Err(format!("a sequence header at byte {at}")),
            0xb8 if !headers_only => return Err(format!("a group header at byte {at}, after slices")),
            0x00 if !headers_only => return Err(format!("a picture header at byte {at}, after slices")),
            0x01..=0xaf => headers_only = false,
            _ => {}
        }
    }
    Ok(())
}

fn mpa(payload: &[u8]) -> Result<(), String> {
    let &[a, b, c, d, ref rest @ ..] = payload else { return Err("less than 4 bytes".into()) };
    if (a, b) != (0, 0) {
        return Err(format!("MBZ {a:02x}{b:02x}"));
    }
    let frame = matches!(rest, [0xff, second, ..] if second & 0xe0 == 0xe0);
    match u16::from_be_bytes([c, d]) {
        0 if !frame => Err(format!("offset 0 and no frame: {:02x?}", rest.get(..4))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_judged() {
        let cases: &[(&[u8], bool)] = &[
            (&[0, 1, 0x21, 0, 0, 0, 1, 0xb3], true),
            (&[0, 1, 0x01, 0, 0, 0, 1, 0xb3], false),
            (&[8, 1, 0x01, 0, 0, 0, 1, 1], false),
            (&[0, 1, 0x00, 0, 0, 0, 1, 1], false),
            (&[0, 1, 0x01, 0x11, 0, 0, 1, 1], false),
            (&[0, 1], false),
        ];
        for (payload, good) in cases {
            assert_eq!(mpv(payload).is_ok(), *good, "{payload:?}");
        }
        assert!(mpv_headers(&[0, 0, 1, 0, 0, 0, 1, 1, 9, 0, 0, 1, 0xb3]).is_err());
        assert!(mpv_headers(&[0, 0, 1, 0, 0, 0, 1, 0xb3, 9, 0, 0, 1, 0xb8, 0, 0, 1, 0]).is_ok());
        assert!(mpa(&[0, 0, 0, 0, 0xff, 0xfd]).is_ok() && mpa(&[0, 0, 0, 0, 1, 2]).is_err());
        assert!(mpa(&[0, 0, 0, 9, 1, 2]).is_ok() && mpa(&[0, 1, 0, 9, 1, 2]).is_err());
    }
}
