//! Payload formats: what each packet of a format must be like, told by strict parsers of the suite's own.

mod audio;
mod mpeg;
mod nal;
mod video;

use crate::suite::{
    capture::Captured,
    case::{Case, Verdict, ensure, fail, skip},
    context::Context,
    packets::Rtp,
};

/// All of them.
pub fn cases() -> Vec<Case> {
    [nal::CASES, mpeg::CASES, video::CASES, audio::CASES].concat()
}

/// A check of each captured track of this encoding.
fn of(c: &mut Context, encoding: &str, check: impl Fn(&Captured) -> Verdict) -> Verdict {
    let capture = c.capture()?;
    let mut tracks = capture.tracks.iter().filter(|track| track.encoding.0 == encoding).peekable();
    if tracks.peek().is_none() {
        return Err(skip(format!("no {encoding} track")));
    }
    tracks.try_for_each(check)
}

/// A check of each packet of each track of this encoding; its error says what is wrong.
fn packets(c: &mut Context, encoding: &str, rule: &str, check: impl Fn(&Rtp) -> Result<(), String>) -> Verdict {
    of(c, encoding, |track| {
        ensure(!track.rtp.is_empty(), format!("{encoding} packets"), "none")?;
        for (place, packet) in track.rtp.iter().enumerate() {
            check(packet).map_err(|wrong| {
                fail(rule, format!("packet {place} (seq {}, {} bytes): {wrong}", packet.sequence, packet.payload.len()))
            })?;
        }
        Ok(())
    })
}

/// The marker is on the last packet of each instant and on no other. The last instant may have been cut off.
fn marked_ends(c: &mut Context, encoding: &str) -> Verdict {
    of(c, encoding, |track| {
        let frames = track.frames();
        let whole = frames.get(..frames.len().saturating_sub(1)).unwrap_or_default();
        ensure(!whole.is_empty(), format!("frames of {encoding}"), "none")?;
        for (place, frame) in whole.iter().enumerate() {
            let marks: Vec<usize> = frame.iter().enumerate().filter(|(_, p)| p.marker).map(|(at, _)| at).collect();
            let (last, time) = (frame.len() - 1, frame.first().map_or(0, |packet| packet.timestamp));
            let expected = format!("the marker on the last of the packets of frame {place} (timestamp {time})");
            ensure(marks == [last], expected, format!("on {marks:?} of {}", frame.len()))?;
        }
        Ok(())
    })
}

/// The description's clock rate for this encoding.
fn clock_rate(c: &mut Context, encoding: &str, rate: u32) -> Verdict {
    let wrong = c.offer.description.media.iter().filter_map(|media| media.encoding());
    let wrong = wrong.filter(|(name, _)| name == encoding).map(|(_, clock)| clock).find(|clock| *clock != rate);
    wrong.map_or(Ok(()), |clock| Err(fail(format!("{encoding}/{rate}"), clock)))
}
