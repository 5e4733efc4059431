//! JPEG (RFC 2435), H.263 (RFC 4629), VP8 (RFC 7741), VP9 (RFC 9628), text (RFC 4103), ASF ([MS-RTSP]).

use super::{clock_rate, marked_ends, of, packets};
use crate::suite::case::{Case, Need, ensure};

const JPEG: &[Need] = &[Need::Encoding("JPEG"), Need::EachTransport];
const H263: &[Need] = &[Need::Encoding("H263-1998"), Need::EachTransport];
const VP8: &[Need] = &[Need::Encoding("VP8"), Need::EachTransport];
const VP9: &[Need] = &[Need::Encoding("VP9"), Need::EachTransport];
const T140: &[Need] = &[Need::Encoding("T140"), Need::EachTransport];
const ASF: &[Need] = &[Need::Encoding("X-ASF-PF"), Need::EachTransport];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "PAY-JPEG-01",
        "RFC 2435 3.1",
        "the main header has a known type, a size and a quality other than 0",
        JPEG,
        |c| {
            packets(c, "JPEG", "a main JPEG header", |packet| {
                let &[_, _, _, _, kind, q, width, height, ..] = packet.payload.as_slice() else {
                    return Err("less than 8 bytes".into());
                };
                if !matches!(kind, 0 | 1 | 64 | 65) {
                    return Err(format!("type {kind}"));
                }
                if q == 0 || (100..128).contains(&q) || width == 0 || height == 0 {
                    return Err(format!("Q {q}, {width} by {height} blocks"));
                }
                Ok(())
            })
        },
    ),
    Case::must(
        "PAY-JPEG-02",
        "RFC 2435 3.1.1",
        "fragment offsets go from 0 through the frame without a gap",
        JPEG,
        |c| {
            of(c, "JPEG", |track| {
                let frames = track.frames();
                for frame in frames.iter().take(frames.len().saturating_sub(1)) {
                    let mut wanted = 0;
                    for packet in *frame {
                        let &[_, a, b, d, kind, q, _, _, ref rest @ ..] = packet.payload.as_slice() else { continue };
                        let offset = u32::from_be_bytes([0, a, b, d]) as usize;
                        ensure(offset == wanted, format!("a fragment at {wanted}"), offset)?;
                        let restart = if kind >= 64 { 4 } else { 0 };
                        let tables = match rest.get(restart..restart + 4) {
                            Some(&[_, _, high, low]) if q >= 128 && offset == 0 => {
                                4 + usize::from(u16::from_be_bytes([high, low]))
                            }
                            _ => 0,
                        };
                        wanted += rest.len().saturating_sub(restart + tables);
                    }
                }
                Ok(())
            })
        },
    ),
    Case::must("PAY-JPEG-03", "RFC 2435 3", "the marker is on the last packet of each frame", JPEG, |c| {
        marked_ends(c, "JPEG")
    }),
    Case::must("PAY-H263-01", "RFC 4629 5.1", "the header has RR 0; P stands where a start code was cut", H263, |c| {
        packets(c, "H263-1998", "a 2-byte header", |packet| match packet.payload.as_slice() {
            &[a, _, third, ..] => match (a & 0xf8, a & 4 != 0) {
                (0, true) if third & 0x80 == 0 => Err(format!("P is set and {third:#04x} follows, no start code")),
                (0, _) => Ok(()),
                (reserved, _) => Err(format!("RR {:#07b}", reserved >> 3)),
            },
            _ => Err("less than 3 bytes".into()),
        })
    }),
    Case::must("PAY-H263-02", "RFC 4629 5", "the marker is on the last packet of each picture, at 90 kHz", H263, |c| {
        clock_rate(c, "H263-1998", 90_000)?;
        marked_ends(c, "H263-1998")
    }),
    Case::must(
        "PAY-VP8-01",
        "RFC 7741 4.2",
        "the descriptor's reserved bits are 0, and a frame begins with S and partition 0",
        VP8,
        |c| {
            of(c, "VP8", |track| {
                for frame in track.frames().iter().skip(1) {
                    for (place, packet) in frame.iter().enumerate() {
                        let first = packet.payload.first().copied().unwrap_or(0xff);
                        ensure(first & 0x48 == 0, "reserved bits of 0", format!("{first:#010b}"))?;
                        ensure(
                            place > 0 || first & 0x17 == 0x10,
                            "S=1, PID=0 at a frame's head",
                            format!("{first:#010b}"),
                        )?;
                    }
                }
                Ok(())
            })
        },
    ),
    Case::must("PAY-VP8-02", "RFC 7741 4.1", "the marker is on the last packet of each frame, at 90 kHz", VP8, |c| {
        clock_rate(c, "VP8", 90_000)?;
        marked_ends(c, "VP8")
    }),
    Case::must("PAY-VP9-01", "RFC 9628 4.2", "a frame begins with B and ends with E", VP9, |c| {
        of(c, "VP9", |track| {
            let frames = track.frames();
            for frame in frames.iter().take(frames.len().saturating_sub(1)) {
                let flag = |packet: Option<&crate::suite::packets::Rtp>, bit: u8| {
                    packet.and_then(|packet| packet.payload.first()).is_some_and(|byte| byte & bit != 0)
                };
                ensure(
                    flag(frame.first(), 0x08) && flag(frame.last(), 0x04),
                    "B on the first packet, E on the last",
                    "not so",
                )?;
            }
            Ok(())
        })
    }),
    Case::must("PAY-VP9-02", "RFC 9628 4.1", "the marker is on the last packet of each picture, at 90 kHz", VP9, |c| {
        clock_rate(c, "VP9", 90_000)?;
        marked_ends(c, "VP9")
    }),
    Case::must("PAY-T140-01", "RFC 4103 4", "text is UTF-8, at 1 kHz", T140, |c| {
        clock_rate(c, "T140", 1000)?;
        packets(c, "T140", "UTF-8", |packet| {
            std::str::from_utf8(&packet.payload).map(drop).map_err(|error| error.to_string())
        })
    }),
    Case::must(
        "PAY-ASF-01",
        "[MS-RTSP] 2.2.1.3",
        "the header's length field is the payload's, or an offset into the packet",
        ASF,
        |c| {
            packets(c, "X-ASF-PF", "an RTP payload format header", |packet| {
                let &[flags, a, b, d, ..] = packet.payload.as_slice() else { return Err("less than 4 bytes".into()) };
                let length = u32::from_be_bytes([0, a, b, d]) as usize;
                if flags & 0x40 != 0 && length > packet.payload.len() {
                    return Err(format!("L is set with length {length}"));
                }
                Ok(())
            })
        },
    ),
];
