//! PLAY of a channel (RFC 2326 D.2.1, RFC 7826 13.4.6): it begins at the newest sync sample and has no end.

use super::play::{invalid_range, say_rate};
use super::{Outcome, Refusal, Server, Step, multicast, v2};
use crate::admission::Demand;
use crate::channel::Watching;
use crate::headers::{Npt, NptRange, Range, SeekStyle};
use crate::message::{Request, StatusCode, reply};
use crate::playback::{Rate, Start};
use crate::session::{Session, SessionId};
use rtp::clock::MediaTime;
use rtsp_types::headers::RANGE;
use std::time::{Duration, Instant};

/// All that can be had of a channel that keeps nothing.
const RANGE_OF_ALL: &str = "npt=now-";

/// A start this close to now is now: players come back to where they were told that they are.
const NEAR: Duration = Duration::from_secs(10);

impl Server {
    pub(super) fn play_live(
        &self,
        request: &Request,
        session: &mut Session,
        id: SessionId,
        range: NptRange,
        now: Instant,
    ) -> Outcome {
        let Some(watching) = &session.watching else { return Err(Refusal::no_session()) };
        if !is_now(range.start, watching.live.position(now)) {
            let refusal = invalid_range("a channel can only be watched as it is now");
            return Err(v2::refused_range(request, refusal, session, now));
        }
        if let Some((position, _)) = session.position(now) {
            // It is watched already: nothing changes.
            let mut reply = reply(StatusCode::Ok);
            reply.insert_header(RANGE, said_range(request, position).to_string());
            say_rate(request, Rate::NORMAL, &mut reply);
            if v2::speaks(request) {
                v2::say_play(&mut reply, session, SeekStyle::default());
            }
            return Ok(Step::done(reply));
        }
        if multicast::is_group(session) {
            return multicast::play(request, session, now);
        }
        // Its units come from no node.
        let tracks = session.tracks().iter().map(|track| track.track);
        let demand = Demand { read_bps: 0, ..Demand::of(&session.index, tracks, Rate::NORMAL, false) };
        session
            .promise(&self.admission, &[], demand)
            .map_err(|error| Refusal::new(StatusCode::NotEnoughBandwidth, error.to_string()))?;
        Ok(Step::Play(session.worker, Box::new(session.request(Start::Resume)), id))
    }
}

/// A channel's `Media-Properties` (RFC 7826 18.29): one with a window can be sought in, and each of its samples stays for
/// as long as the window is.
pub(super) fn properties(watching: &Watching) -> String {
    match &watching.window {
        Some(window) => {
            format!("Random-Access, Time-Progressing, Time-Duration={:.1}", window.length().as_secs_f64())
        }
        None => "No-Seeking, Time-Progressing, Time-Duration=0.0".to_owned(),
    }
}

/// All that can be had of one at this moment (18.30).
pub(super) fn range_of_all(watching: &Watching, now: Instant) -> String {
    let start = watching.window.as_ref().and_then(|window| window.start());
    start.map_or(RANGE_OF_ALL.to_owned(), |start| {
        Range::npt(start, Some(watching.live.position(now).max(start))).to_string()
    })
}

/// Whether a range that begins there is the channel as it is: ffmpeg and VLC ask for zero, GStreamer for now.
fn is_now(start: Option<Npt>, position: MediaTime) -> bool {
    match start {
        None | Some(Npt::Now | Npt::At(MediaTime::ZERO)) => true,
        Some(Npt::At(at)) => at.since(position).max(position.since(at)) <= NEAR,
    }
}

/// Players of 1.0 that are told a time show it, or wait for it: all take `now`. In 2.0 it must be a time (RFC 7826 13.4.6).
pub(super) fn said_range(request: &Request, position: MediaTime) -> Range {
    match v2::speaks(request) {
        true => Range::npt(position, None),
        false => Range::Npt(NptRange { start: Some(Npt::Now), end: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{server::fake, shift::Window};
    use std::sync::Arc;

    #[test]
    fn a_channel_with_a_window_can_be_sought_in() {
        let mut watching = fake::news();
        let now = Instant::now();
        assert_eq!(properties(&watching), "No-Seeking, Time-Progressing, Time-Duration=0.0");
        watching.window = Some(Arc::new(Window::new(Duration::from_secs(7_200))));
        assert_eq!(properties(&watching), "Random-Access, Time-Progressing, Time-Duration=7200.0");
        assert_eq!(range_of_all(&watching, now), "npt=now-", "nothing is kept yet");
    }
}
