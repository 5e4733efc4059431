//! AAC (RFC 3640), LATM (RFC 6416), AC-3 (RFC 4184), PCM (RFC 3551, 3190), AMR (RFC 4867), Opus (RFC 7587), Vorbis (RFC 5215).

use super::{clock_rate, of, packets};
use crate::suite::{
    capture::Captured,
    case::{Case, Need, Verdict, ensure, fail},
};

const AAC: &[Need] = &[Need::Encoding("MPEG4-GENERIC"), Need::EachTransport];
const LATM: &[Need] = &[Need::Encoding("MP4A-LATM"), Need::EachTransport];
const AC3: &[Need] = &[Need::Encoding("AC3"), Need::EachTransport];
const OPUS: &[Need] = &[Need::Encoding("OPUS"), Need::EachTransport];
const L16: &[Need] = &[Need::Encoding("L16"), Need::EachTransport];
const L24: &[Need] = &[Need::Encoding("L24"), Need::EachTransport];
const PCMU: &[Need] = &[Need::Encoding("PCMU"), Need::EachTransport];
const AMR: &[Need] = &[Need::Encoding("AMR"), Need::EachTransport];
const VORBIS: &[Need] = &[Need::Encoding("VORBIS"), Need::EachTransport];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "PAY-AAC-01",
        "RFC 3640 3.2.1, 3.3.6",
        "AU headers of 16 bits, with sizes that fill the payload",
        AAC,
        |c| {
            packets(c, "MPEG4-GENERIC", "AU-headers-length, AU headers and access units", |packet| {
                aac(&packet.payload, packet.marker)
            })
        },
    ),
    Case::must("PAY-AAC-02", "RFC 3640 3.3.6, 4.1", "fmtp says AAC-hbr with sizes of 13, 3 and 3 bits", AAC, |c| {
        of(c, "MPEG4-GENERIC", |track| {
            let wanted = [
                ("mode", "AAC-hbr"),
                ("sizelength", "13"),
                ("indexlength", "3"),
                ("indexdeltalength", "3"),
                ("streamtype", "5"),
            ];
            for (name, value) in wanted {
                let came = track.media.fmtp(name).unwrap_or("none");
                ensure(came.eq_ignore_ascii_case(value), format!("{name}={value}"), came)?;
            }
            Ok(())
        })
    }),
    Case::must(
        "PAY-AAC-03",
        "RFC 3640 3.2.3.1, 4.1",
        "config is an AudioSpecificConfig, and the clock its sampling rate",
        AAC,
        |c| of(c, "MPEG4-GENERIC", config),
    ),
    Case::must("PAY-AAC-04", "RFC 3640 3.1", "the marker is on packets that end an access unit", AAC, |c| {
        of(c, "MPEG4-GENERIC", |track| {
            // In AAC-hbr of films a packet holds whole units or the last fragment but for very large ones.
            let marked = track.rtp.iter().filter(|packet| packet.marker).count();
            ensure(marked * 2 > track.rtp.len(), "markers", format!("{marked} of {}", track.rtp.len()))
        })
    }),
    Case::must("PAY-LATM-01", "RFC 6416 6.1, 7.3", "LATM has its configuration in fmtp, with cpresent=0", LATM, |c| {
        of(c, "MP4A-LATM", |track| {
            let config = track.media.fmtp("config").unwrap_or("");
            let hex = !config.is_empty() && config.bytes().all(|byte| byte.is_ascii_hexdigit());
            ensure(
                hex && track.media.fmtp("cpresent") == Some("0"),
                "cpresent=0;config=HEX",
                track.media.attribute("fmtp").unwrap_or(""),
            )
        })
    }),
    Case::must("PAY-AC3-01", "RFC 4184 4.1", "the header has MBZ 0 and a frame count that fits its type", AC3, |c| {
        packets(c, "AC3", "a 2-byte header", |packet| match packet.payload.as_slice() {
            &[first, count, a, b, ..] => match (first & 0xfc, first & 3) {
                (0, 0) if count == 0 => Err("complete frames, 0 of them".into()),
                (0, 0..=2) if (a, b) != (0x0b, 0x77) => Err(format!("no syncword: {a:02x}{b:02x}")),
                (0, _) => Ok(()),
                (reserved, _) => Err(format!("MBZ {:#08b}", reserved >> 2)),
            },
            _ => Err("less than 4 bytes".into()),
        })
    }),
    Case::must(
        "PAY-OPUS-01",
        "RFC 7587 4.2, 7",
        "Opus is described as opus/48000/2, a packet in each payload",
        OPUS,
        |c| {
            clock_rate(c, "OPUS", 48_000)?;
            of(c, "OPUS", |track| {
                let map = track.media.attribute("rtpmap").unwrap_or("");
                ensure(map.to_lowercase().ends_with("opus/48000/2"), "opus/48000/2", map)?;
                let empty = track.rtp.iter().filter(|packet| packet.payload.is_empty()).count();
                ensure(empty == 0, "payloads that aren't empty", format!("{empty} empty"))
            })
        },
    ),
    Case::must("PAY-L16-01", "RFC 3551 4.5.11", "a payload holds whole samples of all channels", L16, |c| {
        of(c, "L16", |track| samples(track, 2))
    }),
    Case::must("PAY-L24-01", "RFC 3190 4", "a payload holds whole samples of all channels", L24, |c| {
        of(c, "L24", |track| samples(track, 3))
    }),
    Case::must("PAY-PCMU-01", "RFC 3551 4.5.14", "timestamps go up by the samples of each payload", PCMU, |c| {
        of(c, "PCMU", |track| {
            for pair in track.rtp.windows(2) {
                let [a, b] = pair else { continue };
                let step = crate::suite::packets::timestamp_step(a.timestamp, b.timestamp);
                ensure(
                    step == a.payload.len() as i64 || b.sequence != a.sequence.wrapping_add(1),
                    format!("a step of {}", a.payload.len()),
                    step,
                )?;
            }
            Ok(())
        })
    }),
    Case::must(
        "PAY-AMR-01",
        "RFC 4867 4.4, 8.1",
        "AMR travels octet-aligned at 8 kHz with a CMR and a table of contents",
        AMR,
        |c| {
            clock_rate(c, "AMR", 8000)?;
            of(c, "AMR", |track| {
                ensure(
                    track.media.fmtp("octet-align") == Some("1"),
                    "octet-align=1",
                    track.media.attribute("fmtp").unwrap_or(""),
                )
            })?;
            packets(c, "AMR", "CMR and table of contents", |packet| match packet.payload.as_slice() {
                &[cmr, contents, ..] if cmr & 0x0f == 0 && contents & 3 == 0 => Ok(()),
                head => Err(format!("{:02x?}", head.get(..2))),
            })
        },
    ),
    Case::must(
        "PAY-VORBIS-01",
        "RFC 5215 2.2",
        "the header has an ident, and the frames' lengths fill the payload",
        VORBIS,
        |c| {
            packets(c, "VORBIS", "a 4-byte header and lengths", |packet| {
                let &[_, _, _, flags, ref rest @ ..] = packet.payload.as_slice() else {
                    return Err("less than 4 bytes".into());
                };
                let (fragment, count) = (flags >> 6, flags & 0x0f);
                if fragment != 0 && count != 0 {
                    return Err(format!("a fragment with {count} frames"));
                }
                let mut left = rest;
                for _ in 0..count.max(1) {
                    let Some((&[high, low], after)) = left.split_first_chunk() else {
                        return Err("a length cut off".into());
                    };
                    left =
                        after.get(usize::from(u16::from_be_bytes([high, low]))..).ok_or("a length past the payload")?;
                }
                if left.is_empty() { Ok(()) } else { Err(format!("{} bytes left over", left.len())) }
            })
        },
    ),
];

fn aac(payload: &[u8], marker: bool) -> Result<(), String> {
    let Some((&[high, low], rest)) = payload.split_first_chunk() else { return Err("less than 2 bytes".into()) };
    let bits = usize::from(u16::from_be_bytes([high, low]));
    if bits == 0 || !bits.is_multiple_of(16) {
        return Err(format!("AU-headers-length of {bits} bits"));
    }
    let Some((headers, units)) = rest.split_at_checked(bits / 8) else { return Err("AU headers cut off".into()) };
    let mut sum = 0;
    for header in headers.chunks(2) {
        let &[high, low] = header else { return Err("half an AU header".into()) };
        let header = u16::from_be_bytes([high, low]);
        if header & 7 != 0 {
            return Err(format!("AU-Index {} in a stream that isn't interleaved", header & 7));
        }
        sum += usize::from(header >> 3);
    }
    // A fragment's header has the size of the whole unit (3.2.1), so only there the sum may be larger.
    let fragment = headers.len() == 2 && sum > units.len();
    if sum != units.len() && !(fragment || (headers.len() == 2 && marker)) {
        return Err(format!("AU sizes of {sum} bytes in all, {} bytes follow", units.len()));
    }
    Ok(())
}

/// Sampling rates by index (ISO 14496-3 1.6.2.1).
const RATES: [u32; 13] = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

fn config(track: &Captured) -> Verdict {
    let text = track.media.fmtp("config").unwrap_or("");
    let bytes: Option<Vec<u8>> =
        (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    let bytes = bytes.filter(|bytes| bytes.len() >= 2).ok_or_else(|| fail("config=HEX of at least 2 bytes", text))?;
    let (a, b) = (bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0));
    let index = usize::from((a & 7) << 1 | b >> 7);
    let Some(&rate) = RATES.get(index) else { return Ok(()) };
    // With HE-AAC either rate is found in practice.
    let fits = track.encoding.1 == rate || track.encoding.1 == 2 * rate;
    ensure(fits, format!("a clock of {rate} Hz, as in config"), track.encoding.1)
}

fn samples(track: &Captured, bytes: usize) -> Verdict {
    let map = track.media.attribute("rtpmap").unwrap_or("");
    let channels: usize = map.rsplit('/').next().and_then(|last| last.parse().ok()).filter(|n| *n < 64).unwrap_or(1);
    let odd = track.rtp.iter().find(|packet| !packet.payload.len().is_multiple_of(bytes * channels));
    odd.map_or(Ok(()), |packet| {
        Err(fail(format!("whole samples of {channels} channels"), format!("{} bytes", packet.payload.len())))
    })
}

#[cfg(test)]
mod tests {
    use super::aac;

    #[test]
    fn access_unit_headers_are_judged() {
        let cases: &[(&[u8], bool, bool)] = &[
            (&[0, 16, 0, 16, 1, 2], true, true),
            (&[0, 16, 0, 24, 1, 2], false, true),
            (&[0, 16, 0, 17, 1, 2], true, false),
            (&[0, 32, 0, 8, 0, 8, 1, 2], true, true),
            (&[0, 32, 0, 8, 0, 16, 1, 2], true, false),
            (&[0, 13, 0, 16, 1, 2], true, false),
            (&[0, 0], true, false),
        ];
        for (payload, marker, good) in cases {
            assert_eq!(aac(payload, *marker).is_ok(), *good, "{payload:?}");
        }
    }
}
