//! One track of a viewer: its cursor, its packets' numbers and times, its pacing.

use super::{PlaybackOptions, Rate, Selection, TrackSetup, trains::TrainId};
use catalog::{
    index::Track,
    sample::{Sample, SampleTable},
};
use rtp::{
    clock::{ClockRate, MediaTime, NtpTimestamp, RtpTimestamp, Ticks},
    format::{Bundling, Format, Media},
    packet::RtpPacket,
    packetizer::Packetizer,
    sender::Sender,
    train::Train,
};
use std::time::{Duration, Instant};

/// How often a player made of LIVE555's library hears of time where there is no sound: VLC's clock is that of the track that
/// has come least far, so it would show nothing until there is sound again.
pub(crate) const BEAT: Duration = Duration::from_millis(250);

/// One track of a viewer.
#[derive(Debug)]
pub(super) struct TrackPlay {
    /// Its place in the index.
    pub(super) number: usize,
    pub(super) setup: TrackSetup,
    pub(super) clock: ClockRate,
    /// The first track of its source, by the order of the set-up tracks: another one where several tracks are one source.
    pub(super) source: usize,
    /// Not sound, not text: sent at every scale.
    pub(super) pictures: bool,
    /// Sound of which a unit is sent now and then at scales at which there is none.
    beats: bool,
    /// Several units may share a packet.
    pub(super) bundled: bool,
    /// What leaves together is one packet of small units: the operator doesn't want more at once.
    pub(super) one_packet: bool,
    /// Its samples are of several streams.
    pub(super) multiplexed: bool,
    /// Film that leaves together at most.
    pub(super) group: Ticks,
    pub(super) packetizer: Packetizer,
    pub(super) sender: Sender,
    /// The sample that is sent next.
    pub(super) cursor: usize,
    /// The sample up to which bytes were asked for.
    pub(super) ahead: usize,
    /// Samples shown before this are left out.
    pub(super) skip_before: Option<Ticks>,
    /// The range was sent to its end.
    pub(super) done: bool,
    /// When the cursor's sample is due.
    pub(super) due: Instant,
    rate: Rate,
    /// Where the line and presentation time meet: the range's start.
    anchor: Ticks,
    /// Timestamp of time zero on this range's line.
    zero: RtpTimestamp,
    /// `zero` without wrapping, counted from the first range's.
    line: i64,
    /// One past the latest instant sent, on the line.
    reached: Option<i64>,
    /// A sender report is due with the first packet.
    pub(super) fresh: bool,
    pub(super) rest: Option<Rest>,
    /// When packets left last, and how many with those that left shortly before.
    pub(super) last_train: Option<(Instant, usize)>,
}

/// Packets laid down already and due later: a large unit is spread over its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) train: TrainId,
    /// The next packet.
    pub(super) next: usize,
    /// How many there are.
    pub(super) end: usize,
    /// How many leave at once.
    pub(super) size: usize,
    pub(super) due: Instant,
    pub(super) step: Duration,
}

impl TrackPlay {
    /// Where units that were to share one packet have several, as there are holes in their times: how many packets come
    /// before the first hole, and the time from one to the next. All at once, those behind a hole would leave early.
    pub(super) fn holes(&self, train: &Train) -> Option<(usize, Duration)> {
        let from_first = |index| {
            let [first, packet] = [0, index].map(|index| RtpPacket::parse(train.packet(index)));
            Some(packet.ok()?.timestamp.distance(first.ok()?.timestamp))
        };
        let size = (1..train.len()).find(|index| from_first(*index).is_some_and(|distance| distance > 0))?;
        let over = self.clock.time(Ticks(i64::from(from_first(train.len() - 1)?))).since(MediaTime::ZERO);
        let steps = u32::try_from(train.len().div_ceil(size) - 1).unwrap_or(u32::MAX);
        Some((size, self.rate.real(over) / steps))
    }

    #[expect(clippy::too_many_arguments, reason = "one caller, with all of it at hand")]
    pub(super) fn new(
        setup: &TrackSetup,
        source: usize,
        track: &Track,
        options: &PlaybackOptions,
        packetizer: Packetizer,
        sender: Sender,
        first: RtpTimestamp,
        now: Instant,
    ) -> Self {
        let bundled = track.format.bundling() == Bundling::Many;
        let group = if bundled { options.bundle.max(options.quantum) } else { options.quantum };
        Self {
            number: setup.track,
            setup: *setup,
            clock: track.clock(),
            source,
            pictures: track.format.media() == Media::Video,
            beats: options.live555 && track.format.media() == Media::Audio,
            bundled,
            one_packet: bundled && options.quantum <= options.bundle,
            multiplexed: matches!(track.format, Format::Mp2t { .. }),
            group: track.clock().ticks(MediaTime::ZERO.plus(group)),
            packetizer,
            sender,
            cursor: 0,
            ahead: 0,
            skip_before: None,
            done: false,
            due: now,
            rate: Rate::NORMAL,
            anchor: Ticks(0),
            zero: first,
            line: 0,
            reached: None,
            fresh: false,
            rest: None,
            last_train: None,
        }
    }

    /// Begins a range at sample `cursor`.
    pub(super) fn seek(&mut self, cursor: usize, skip_before: Option<Ticks>) {
        self.cursor = cursor;
        self.ahead = cursor;
        self.skip_before = skip_before;
        self.done = false;
    }

    /// Whether nothing of it is sent at `rate`.
    pub(super) fn is_left_out(&self, rate: Rate) -> bool {
        rate.selection() != Selection::All && !self.pictures && !self.beats
    }

    /// Whether only some of its samples are sent at `rate`.
    pub(super) fn is_sparse(&self, rate: Rate) -> bool {
        match rate.selection() {
            Selection::All => false,
            Selection::Pictures => !self.pictures,
            Selection::SyncPictures => true,
        }
    }

    /// Where only some samples are sent: the one after sample `cursor`, with the ticks to it.
    pub(super) fn next(&self, rate: Rate, samples: &SampleTable, cursor: usize) -> (Option<usize>, Ticks) {
        match self.pictures {
            true => rate.next_sync(samples, cursor),
            false => rate.next_beat(samples, cursor, self.clock.ticks(MediaTime::ZERO.plus(BEAT))),
        }
    }

    /// Lays the line so that presentation time `start` comes at `instant` of the viewer's own count of time played.
    pub(super) fn lay_line(&mut self, start: MediaTime, instant: MediaTime, rate: Rate) {
        (self.rate, self.anchor) = (rate, self.clock.ticks(start));
        let line = self.clock.ticks(instant).0.saturating_sub(self.clock.ticks(start).0);
        self.move_line(line);
        if self.timestamp(self.clock.ticks(start)) == RtpTimestamp(0) {
            // ffmpeg takes an rtptime of zero for unknown; one tick later is as right.
            self.move_line(line + 1);
        }
    }

    /// So long nothing was sent, which the line counts; `here`: what comes next comes later by that.
    pub(super) fn halt(&mut self, halt: Duration, here: bool) {
        let ticks = self.clock.ticks(MediaTime::ZERO.plus(halt)).0;
        self.reached = self.reached.map(|reached| reached.saturating_add(ticks));
        if here {
            self.move_line(self.line.saturating_add(ticks));
        }
    }

    /// Takes a line over on which presentation time zero is `zero` and all up to `reached` was sent.
    pub(super) fn take_line(&mut self, zero: RtpTimestamp, reached: MediaTime) {
        (self.zero, self.line, self.anchor) = (zero, 0, Ticks(0));
        self.reached = Some(self.clock.ticks(reached).0);
    }

    fn move_line(&mut self, line: i64) {
        self.zero = self.zero.plus(Ticks(line.wrapping_sub(self.line)));
        self.line = line;
    }

    /// The time played up to what was sent last, if something was sent.
    pub(super) fn reached(&self) -> Option<MediaTime> {
        self.reached.map(|ticks| self.clock.time(Ticks(ticks)))
    }

    /// The timestamp of presentation time `pts`.
    pub(super) fn timestamp(&self, pts: Ticks) -> RtpTimestamp {
        self.zero.plus(Ticks(self.rate.on_line(self.anchor, pts)))
    }

    /// When presentation time `time` comes in the viewer's own count of time played.
    pub(super) fn instant(&self, time: MediaTime) -> MediaTime {
        self.clock.time(Ticks(self.line.saturating_add(self.clock.ticks(time).0)))
    }

    /// Notes that `sample` was sent.
    pub(super) fn sent(&mut self, sample: &Sample, duration: Ticks) {
        let shown = (duration.0 as f64 / self.rate.scale().abs()) as i64;
        let end = self.line + self.rate.on_line(self.anchor, sample.pts) + shown.max(1);
        self.reached = Some(self.reached.map_or(end, |reached| reached.max(end)));
    }

    /// The earliest presentation time of the samples that a range beginning at the cursor sends, looking at the
    /// first few: what follows them is later.
    pub(super) fn earliest(&self, samples: &SampleTable) -> Option<MediaTime> {
        const FEW: usize = 32;
        let kept = samples.iter_from(self.cursor).take(FEW).filter(|sample| !self.skips(sample));
        kept.map(|sample| self.begins(&sample)).min().map(|first| self.clock.time(first))
    }

    /// The instant of a sample's first packet: a transport stream's says when it leaves (RFC 2250 section 2).
    pub(super) fn begins(&self, sample: &Sample) -> Ticks {
        if self.multiplexed { sample.dts.min(sample.pts) } else { sample.pts }
    }

    /// Whether `sample` is left out at the range's start.
    pub(super) fn skips(&self, sample: &Sample) -> bool {
        self.skip_before.is_some_and(|before| sample.pts < before)
    }

    /// A pair of times that lies exactly on the media line: the last whole tick at or before `position` of the line, whose
    /// zero was (or would have been) at `zero` of the wall clock.
    pub(super) fn report_times(&self, position: MediaTime, zero: NtpTimestamp) -> (NtpTimestamp, RtpTimestamp) {
        let tick = self.clock.ticks(position);
        (zero.plus(tick, self.clock), self.zero.plus(tick))
    }
}
