//! A presentation played from its start for some seconds, every packet kept: what all cases on RTP, RTCP and payloads
//! look at.

use crate::suite::{
    case::{Verdict, fail},
    context::Context,
    description::Media,
    message::Response,
    packets::{Block, Rtp, compound, sequence_step},
    record::Line,
    session::{Lower, Packet},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// What came.
pub struct Capture {
    /// The answer to PLAY.
    pub play: Response,
    /// When PLAY was answered.
    pub answered: Instant,
    /// In the description's order.
    pub tracks: Vec<Captured>,
    /// The dialogue.
    pub lines: Vec<Line>,
    /// When TEARDOWN was sent.
    pub torn_down: Instant,
}

/// One track of it.
pub struct Captured {
    /// What the description says.
    pub media: Media,
    /// As in SETUP.
    pub url: String,
    /// The answer to SETUP.
    pub setup: Response,
    /// Encoding name in capitals, clock rate.
    pub encoding: (String, u32),
    /// In the order in which they came.
    pub rtp: Vec<Rtp>,
    /// What could not be read as RTP.
    pub rtp_faults: Vec<String>,
    /// Compound packets; `Err` says what is wrong with one.
    pub rtcp: Vec<(Instant, Result<Vec<Block>, String>)>,
    /// Where the packets came from, over UDP: RTP, RTCP.
    pub from: (Option<SocketAddr>, Option<SocketAddr>),
    /// Where SETUP's answer says that they come from.
    pub server: Option<(SocketAddr, SocketAddr)>,
}

/// Captures already made: one a transport.
#[derive(Default)]
pub struct Captures(Mutex<HashMap<Lower, Cell>>);

type Cell = Arc<OnceLock<Verdict<Arc<Capture>>>>;

impl Captures {
    /// The capture over the context's transport; the first who asks makes it, the others wait.
    pub fn get(&self, context: &mut Context) -> Verdict<Arc<Capture>> {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(context.lower).or_default().clone();
        let capture = cell.get_or_init(|| Capture::make(context).map(Arc::new)).clone()?;
        if context.record.lines().is_empty() {
            context.record.remark(0, "this case looks at the capture that all cases on packets share");
            context.record.extend(&capture.lines);
        }
        Ok(capture)
    }
}

/// How long after TEARDOWN packets are still taken: BYE comes with or after its answer.
const AFTER: Duration = Duration::from_millis(300);

impl Capture {
    fn make(context: &mut Context) -> Verdict<Self> {
        let mut session = context.session()?;
        let length = context.offer.length.unwrap_or(f64::MAX);
        // A short presentation is left before its end: its BYE is another case's matter.
        let wait = context.options.capture.as_secs_f64().min((length - 1.0).max(1.0));
        let range = if context.offer.live { "npt=now-" } else { "npt=0.000-" };
        let play = session.play(Some(range))?;
        let answered = Instant::now();
        session.collect(Duration::from_secs_f64(wait))?;
        let torn_down = Instant::now();
        session.tear_down();
        session.collect(AFTER)?;
        let mut tracks = Vec::new();
        for (place, track) in session.tracks.iter().enumerate() {
            let media = context.offer.description.media.get(track.index).cloned().unwrap_or_default();
            let mine = || session.packets.iter().filter(move |packet| packet.track == place);
            let (mut rtp, mut rtp_faults) = (Vec::new(), Vec::new());
            for packet in mine().filter(|packet| !packet.rtcp) {
                match Rtp::read(&packet.bytes, packet.at) {
                    Ok(packet) => rtp.push(packet),
                    Err(fault) => rtp_faults.push(fault),
                }
            }
            let from = |rtcp: bool| mine().find(|packet: &&Packet| packet.rtcp == rtcp).and_then(|packet| packet.from);
            tracks.push(Captured {
                encoding: media.encoding().unwrap_or((String::new(), 90_000)),
                media,
                url: track.url.clone(),
                setup: track.answer.clone(),
                rtp,
                rtp_faults,
                rtcp: mine().filter(|packet| packet.rtcp).map(|p| (p.at, compound(&p.bytes))).collect(),
                from: (from(false), from(true)),
                server: track.server,
            });
        }
        if tracks.iter().all(|track| track.rtp.is_empty()) {
            return Err(fail("RTP packets after PLAY", format!("none in {wait} s")));
        }
        Ok(Self { play, answered, tracks, lines: context.record.lines(), torn_down })
    }
}

impl Captured {
    /// Sender reports, with when they came.
    pub fn reports(&self) -> Vec<(Instant, crate::suite::packets::Report)> {
        let readable = self.rtcp.iter().filter_map(|(at, read)| Some((*at, read.as_ref().ok()?)));
        readable
            .flat_map(|(at, blocks)| {
                blocks.iter().filter_map(move |block| match block {
                    Block::Sender(report) => Some((at, *report)),
                    _ => None,
                })
            })
            .collect()
    }

    /// How many packets are missing between those that came: a report may be missing with them.
    pub fn lost(&self) -> i32 {
        let steps = self.rtp.iter().zip(self.rtp.iter().skip(1));
        steps.map(|(a, b)| sequence_step(a.sequence, b.sequence) - 1).sum()
    }

    /// Whether it only repeats what was lost (RFC 4588, [MS-RTSP] 2.2.3), so that nothing of it may come.
    pub fn repeats(&self) -> bool {
        ["RTX", "X-WMS-RTX"].contains(&self.encoding.0.as_str())
    }

    /// `video H264`.
    pub fn name(&self) -> String {
        format!("{} {}", self.media.kind, self.encoding.0)
    }

    /// Packets of one timestamp in a row: the frames, each with its packets.
    pub fn frames(&self) -> Vec<&[Rtp]> {
        self.rtp.chunk_by(|a, b| a.timestamp == b.timestamp).collect()
    }
}
