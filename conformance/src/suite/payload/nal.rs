//! H.264 (RFC 6184) and H.265 (RFC 7798).

use super::{clock_rate, marked_ends, of, packets};
use crate::suite::{
    capture::Captured,
    case::{Case, Need, Verdict, ensure, fail, skip},
    packets::{Rtp, sequence_step},
};
use base64::Engine;

const H264: &[Need] = &[Need::Encoding("H264"), Need::EachTransport];
const H265: &[Need] = &[Need::Encoding("H265"), Need::EachTransport];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "PAY-H264-01",
        "RFC 6184 5.4-5.8",
        "every payload is a NAL unit, an aggregate or a fragment",
        H264,
        |c| packets(c, "H264", "a NAL unit of type 1-23, STAP-A or FU-A", |packet| h264(&packet.payload)),
    ),
    Case::must("PAY-H264-02", "RFC 6184 5.1", "the marker is on the last packet of each access unit", H264, |c| {
        marked_ends(c, "H264")
    }),
    Case::must("PAY-H264-03", "RFC 6184 5.6", "no start codes travel", H264, |c| {
        packets(c, "H264", "no 00 00 00 01 at the payload's head", |packet| no_start_code(&packet.payload))
    }),
    Case::must(
        "PAY-H264-04",
        "RFC 6184 5.8",
        "fragments of a unit begin with S, end with E and stand in a row",
        H264,
        |c| {
            of(c, "H264", |track| {
                fragments(track, |payload| {
                    let (indicator, header) = (*payload.first()?, *payload.get(1)?);
                    (indicator & 0x1f == 28).then_some((header & 0x80 != 0, header & 0x40 != 0, header & 0x1f))
                })
            })
        },
    ),
    Case::must(
        "PAY-H264-05",
        "RFC 6184 8.1",
        "sprop-parameter-sets are the stream's, and profile-level-id is theirs",
        H264,
        |c| of(c, "H264", parameter_sets),
    ),
    Case::must("PAY-H264-06", "RFC 6184 8.1, 8.2.1", "packetization-mode admits what is sent, at 90 kHz", H264, |c| {
        clock_rate(c, "H264", 90_000)?;
        of(c, "H264", |track| {
            let mode = track.media.fmtp("packetization-mode").unwrap_or("0");
            let other = track.rtp.iter().any(|packet| packet.payload.first().is_some_and(|byte| byte & 0x1f > 23));
            ensure(mode == "1" || (mode == "0" && !other), "packetization-mode=1 where STAP-A or FU-A are sent", mode)
        })
    }),
    Case::must("PAY-H265-01", "RFC 7798 4.4", "every payload is a NAL unit, an aggregate or a fragment", H265, |c| {
        packets(c, "H265", "a NAL unit of type 0-47, an AP or an FU", |packet| h265(&packet.payload))
    }),
    Case::must("PAY-H265-02", "RFC 7798 4.1", "the marker is on the last packet of each access unit", H265, |c| {
        marked_ends(c, "H265")
    }),
    Case::must(
        "PAY-H265-03",
        "RFC 7798 4.4.3",
        "fragments of a unit begin with S, end with E and stand in a row",
        H265,
        |c| {
            of(c, "H265", |track| {
                fragments(track, |payload| {
                    let (first, header) = (*payload.first()?, *payload.get(2)?);
                    (first >> 1 & 0x3f == 49).then_some((header & 0x80 != 0, header & 0x40 != 0, header & 0x3f))
                })
            })
        },
    ),
    Case::must(
        "PAY-H265-04",
        "RFC 7798 7.1",
        "sprop-vps, -sps and -pps hold units of those types, at 90 kHz",
        H265,
        |c| {
            clock_rate(c, "H265", 90_000)?;
            of(c, "H265", |track| {
                for (name, kind) in [("sprop-vps", 32), ("sprop-sps", 33), ("sprop-pps", 34)] {
                    let value = track.media.fmtp(name).unwrap_or("");
                    for unit in decoded(value)? {
                        let found = unit.first().map_or(0, |byte| byte >> 1 & 0x3f);
                        ensure(found == kind, format!("{name} of type {kind}"), found)?;
                    }
                }
                Ok(())
            })
        },
    ),
    Case::must(
        "PAY-H265-05",
        "RFC 7798 7.1; ITU-T H.265 7.4.2.4",
        "VPS, SPS and PPS are in the description, or come before the first picture",
        H265,
        |c| {
            of(c, "H265", |track| {
                let units: Vec<u8> = track.rtp.iter().flat_map(|packet| kinds(&packet.payload)).collect();
                let Some(picture) = units.iter().position(|kind| *kind < 32) else {
                    return Err(skip("no picture within the capture"));
                };
                let before = units.get(..picture).unwrap_or_default();
                for (name, kind) in [("sprop-vps", 32), ("sprop-sps", 33), ("sprop-pps", 34)] {
                    let described = track.media.fmtp(name).is_some_and(|value| !value.is_empty());
                    ensure(
                        described || before.contains(&kind),
                        format!("{name}, or a unit of type {kind} before the first picture"),
                        format!("units of types {before:?}"),
                    )?;
                }
                Ok(())
            })
        },
    ),
];

fn no_start_code(payload: &[u8]) -> Result<(), String> {
    let starts = payload.starts_with(&[0, 0, 0, 1]) || payload.starts_with(&[0, 0, 1]);
    if starts { Err("a start code".into()) } else { Ok(()) }
}

fn h264(payload: &[u8]) -> Result<(), String> {
    let first = *payload.first().ok_or("an empty payload")?;
    if first & 0x80 != 0 {
        return Err("the forbidden bit is set".into());
    }
    match first & 0x1f {
        1..=23 => Ok(()),
        24 => aggregate(payload.get(1..).unwrap_or_default(), 1),
        28 => {
            let header = *payload.get(1).ok_or("an FU-A of one byte")?;
            match header {
                _ if header & 0xc0 == 0xc0 => Err("S and E in one fragment".into()),
                _ if header & 0x20 != 0 => Err("R is set".into()),
                _ if !(1..=23).contains(&(header & 0x1f)) => Err(format!("a fragment of type {}", header & 0x1f)),
                _ if payload.len() < 3 => Err("a fragment of nothing".into()),
                _ => Ok(()),
            }
        }
        kind => Err(format!("type {kind}, not allowed in packetization-mode 1")),
    }
}

fn h265(payload: &[u8]) -> Result<(), String> {
    let &[first, second, ..] = payload else { return Err("a payload of less than two bytes".into()) };
    if first & 0x80 != 0 {
        return Err("the forbidden bit is set".into());
    }
    if second & 7 == 0 {
        return Err("TID 0".into());
    }
    match first >> 1 & 0x3f {
        0..=47 => Ok(()),
        48 => aggregate(payload.get(2..).unwrap_or_default(), 2),
        49 => match *payload.get(2).ok_or("an FU of two bytes")? {
            header if header & 0xc0 == 0xc0 => Err("S and E in one fragment".into()),
            _ if payload.len() < 4 => Err("a fragment of nothing".into()),
            _ => Ok(()),
        },
        kind => Err(format!("type {kind}")),
    }
}

/// The types of the units of H.265 that begin in a payload (RFC 7798 4.4).
fn kinds(payload: &[u8]) -> Vec<u8> {
    let kind = |unit: &[u8]| unit.first().map(|byte| byte >> 1 & 0x3f);
    match kind(payload) {
        Some(48) => {
            let mut rest = payload.get(2..).unwrap_or_default();
            let mut all = Vec::new();
            while let Some((&[high, low], after)) = rest.split_first_chunk() {
                let size = usize::from(u16::from_be_bytes([high, low])).min(after.len());
                let (unit, next) = after.split_at(size);
                all.extend(kind(unit));
                rest = next;
            }
            all
        }
        Some(49) => {
            payload.get(2).filter(|header| *header & 0x80 != 0).map(|header| header & 0x3f).into_iter().collect()
        }
        kind => kind.into_iter().collect(),
    }
}

/// Units with their 16-bit sizes, which must fill the payload.
fn aggregate(mut rest: &[u8], least: usize) -> Result<(), String> {
    let mut units = 0;
    while !rest.is_empty() {
        let Some((&[high, low], after)) = rest.split_first_chunk() else { return Err("a size cut off".into()) };
        let size = usize::from(u16::from_be_bytes([high, low]));
        if size < least || size > after.len() {
            return Err(format!("a unit of {size} bytes where {} are left", after.len()));
        }
        rest = after.get(size..).unwrap_or_default();
        units += 1;
    }
    if units == 0 { Err("an aggregate of nothing".into()) } else { Ok(()) }
}

/// S, E and type of a fragment, `None` for any other payload.
type Fragment = fn(&[u8]) -> Option<(bool, bool, u8)>;

fn fragments(track: &Captured, read: Fragment) -> Verdict {
    let mut open: Option<(u8, &Rtp)> = None;
    for packet in &track.rtp {
        // After a lost packet nothing can be said of the unit that it belonged to.
        let follows = open.is_none_or(|(_, last)| sequence_step(last.sequence, packet.sequence) == 1);
        let wrong =
            |what: &str| Err(fail("fragments in a row from S to E", format!("{what} (seq {})", packet.sequence)));
        open = match (read(&packet.payload), open.filter(|_| follows)) {
            (Some((true, _, _)), Some(_)) => return wrong("a new fragment before the last one's end"),
            (Some((true, _, kind)), None) => Some((kind, packet)),
            (Some((false, _, kind)), Some((opened, _))) if kind != opened => {
                return wrong("a fragment of another type");
            }
            (Some((false, false, kind)), Some(_)) => Some((kind, packet)),
            (Some((false, true, _)), _) => None,
            (Some((false, false, _)), None)
                if follows && packet.sequence != track.rtp.first().map_or(0, |p| p.sequence) =>
            {
                return wrong("a fragment without a start");
            }
            (Some((false, false, _)), None) => None,
            (None, Some(_)) => return wrong("something else inside a unit"),
            (None, None) => None,
        };
    }
    Ok(())
}

fn decoded(value: &str) -> Verdict<Vec<Vec<u8>>> {
    let units = value.split(',').filter(|unit| !unit.is_empty());
    units
        .map(|unit| {
            base64::engine::general_purpose::STANDARD
                .decode(unit)
                .map_err(|error| fail("base64", format!("{unit}: {error}")))
        })
        .collect()
}

fn parameter_sets(track: &Captured) -> Verdict {
    let units = decoded(track.media.fmtp("sprop-parameter-sets").unwrap_or(""))?;
    let of = |kind: u8| units.iter().find(|unit| unit.first().is_some_and(|byte| byte & 0x1f == kind));
    let sps =
        of(7).ok_or_else(|| fail("an SPS in sprop-parameter-sets", track.media.attribute("fmtp").unwrap_or("")))?;
    of(8).ok_or_else(|| fail("a PPS in sprop-parameter-sets", track.media.attribute("fmtp").unwrap_or("")))?;
    let level: String = sps.get(1..4).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
    let stated = track.media.fmtp("profile-level-id").unwrap_or("").to_lowercase();
    ensure(stated.is_empty() || stated == level, format!("profile-level-id={level}, as the SPS"), stated)?;
    let in_band = track.rtp.iter().find(|packet| packet.payload.first().is_some_and(|byte| byte & 0x1f == 7));
    let same = in_band.is_none_or(|packet| packet.payload.get(1..4) == sps.get(1..4));
    ensure(same, "an SPS in band with the profile and level of the description's", "another")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_judged() {
        let cases: &[(&[u8], bool)] = &[
            (&[0x65, 1], true),
            (&[0xe5, 1], false),
            (&[0x18, 0, 1, 0x67], true),
            (&[0x18, 0, 9, 0x67], false),
            (&[0x18], false),
            (&[0x7c, 0x85, 1], true),
            (&[0x7c, 0xc5, 1], false),
            (&[0x7c, 0x45], false),
            (&[0x1d, 0, 0], false),
            (&[], false),
        ];
        for (payload, good) in cases {
            assert_eq!(h264(payload).is_ok(), *good, "{payload:?}");
        }
        let cases: &[(&[u8], bool)] = &[
            (&[0x26, 1, 9], true),
            (&[0x26, 0, 9], false),
            (&[0x62, 1, 0xc0, 1], false),
            (&[0x62, 1, 0x80, 1], true),
            (&[0x60, 1, 0, 2, 0x40, 1], true),
            (&[0x60, 1, 0, 1, 0x40], false),
        ];
        for (payload, good) in cases {
            assert_eq!(h265(payload).is_ok(), *good, "{payload:?}");
        }
    }
}
