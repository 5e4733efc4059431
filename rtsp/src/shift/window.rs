//! What is kept of a channel.

use super::tables;
use catalog::{
    db::Segment,
    index::{Index, Track},
    sample::SampleTable,
};
use rtp::clock::MediaTime;
use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
};
use tokio::sync::{Notify, watch};

/// Bytes on a window's line: as far as tables reach. By it a window's layout is told from that of any object that lies
/// on nodes.
pub(super) const LINE_BYTES: u64 = catalog::sample::MAX_OFFSET;

/// Somebody who came close to the end within this makes segments short.
const CLOSE: Duration = Duration::from_secs(15);

/// Somebody who looked for a newer snapshot within this has each one made.
const ASKED: Duration = Duration::from_secs(5);

/// What is kept of a channel, in order.
pub struct Window {
    length: Duration,
    state: Mutex<State>,
    /// Up to where it reaches.
    end: watch::Sender<MediaTime>,
    /// Somebody wants what is not sealed yet.
    pub(super) wanted: Notify,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Piece>,
    line: Option<Line>,
    /// Made when it is asked for, good until a segment comes or goes.
    snapshot: Option<Arc<Snapshot>>,
    /// Counts the changes.
    version: u64,
    /// When somebody was close to the end.
    close: Option<Instant>,
    /// When somebody looked for a newer snapshot.
    asked: Option<Instant>,
}

/// What all pieces have in common.
#[derive(Clone)]
struct Line {
    /// See [`Segment::line_ns`].
    line_ns: i64,
    /// The tracks, without samples.
    like: Index,
    layout: Arc<Layout>,
    /// The next segment's first unit on the line of bytes.
    next_unit: u64,
    /// Of each track, how many samples have gone from the front.
    gone: Vec<usize>,
    /// Nothing feeds it any more.
    over: bool,
}

/// A segment on the line.
struct Piece {
    layout: Arc<Layout>,
    units: Range<u64>,
    span: Range<MediaTime>,
    begun_ns: i64,
    end_ns: i64,
    tables: Arc<Vec<SampleTable>>,
}

/// A window at one moment, as a presentation. Its times are those of the channel's timeline.
#[derive(Debug)]
pub struct Snapshot {
    /// The tracks with their tables; the media object is the window's line.
    pub index: Arc<Index>,
    /// Where viewers may begin.
    pub first: MediaTime,
    /// Of each track, how many samples went before the first one here.
    pub gone: Vec<usize>,
}

/// Whoever waits for what is not sealed yet asks so often.
const ASK_AGAIN: Duration = Duration::from_millis(500);

impl Window {
    /// Of nothing yet. What comes is kept for `length`.
    pub fn new(length: Duration) -> Self {
        let end = watch::Sender::new(MediaTime(i64::MIN));
        Self { length, state: Mutex::default(), end, wanted: Notify::new() }
    }

    /// For how long what comes is kept.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Where it begins on the channel's timeline.
    pub fn start(&self) -> Option<MediaTime> {
        Some(self.lock().pieces.front()?.span.start)
    }

    /// Takes a segment in. One that doesn't go on where the others end (another timeline, other tracks, times that fall)
    /// takes their place.
    pub fn push(&self, segment: &Segment, index: Index) {
        let mut state = self.lock();
        state.changed();
        if !state.goes_on(segment, &index) {
            state.pieces.clear();
            state.line = Some(Line::new(segment, &index));
        }
        let Some(line) = &mut state.line else { return };
        line.over = false;
        // Only the samples: behind them come the tables.
        let count = segment.layout.units_of(0..segment.index_at.max(1)).end;
        let units = line.next_unit..line.next_unit.saturating_add(count);
        line.next_unit = units.end;
        let piece = Piece {
            layout: Arc::new(segment.layout.clone()),
            units,
            span: segment.span.clone(),
            begun_ns: segment.begun_ns,
            end_ns: segment.end_ns(),
            tables: Arc::new(index.tracks.into_iter().map(|track| track.samples).collect()),
        };
        state.pieces.push_back(piece);
        let end = state.end();
        drop(state);
        self.end.send_replace(end);
    }

    /// Lets go of what ended before an instant of the wall clock, nanoseconds since 1970.
    pub fn drop_before(&self, at_ns: i64) {
        let mut state = self.lock();
        while let Some(piece) = state.pieces.pop_front_if(|piece| piece.end_ns <= at_ns) {
            state.changed();
            if let Some(line) = &mut state.line {
                line.gone.iter_mut().zip(piece.tables.iter()).for_each(|(gone, table)| *gone += table.len());
            }
        }
    }

    /// What it is now; `None` while nothing is kept.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let (stock, version) = {
            let state = self.lock();
            if let Some(snapshot) = &state.snapshot {
                return Some(snapshot.clone());
            }
            (state.stock()?, state.version)
        };
        // Tables of hours take milliseconds: nobody waits for the lock meanwhile.
        let snapshot = stock.take().map(Arc::new);
        let mut state = self.lock();
        if state.version == version {
            state.snapshot = snapshot.clone();
        }
        snapshot
    }

    /// The same, once it reaches beyond `at`: what is not sealed yet is, for that. If it does not within `patience` (the feed
    /// or the nodes have stopped), it is what there is.
    pub async fn reach(&self, at: MediaTime, patience: Duration) -> Option<Arc<Snapshot>> {
        let mut end = self.end.subscribe();
        let give_up = Instant::now() + patience;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() || *end.borrow() > at {
                break;
            }
            // What was sealed for the asking may end before it.
            self.wanted.notify_one();
            let _ = tokio::time::timeout(left.min(ASK_AGAIN), end.wait_for(|end| *end > at)).await;
        }
        self.snapshot()
    }

    /// A newer snapshot than `old`, if there is one already: the caller does not wait for its making.
    pub fn newer(&self, old: &Index, now: Instant) -> Option<Arc<Snapshot>> {
        let mut state = self.lock();
        state.asked = Some(now);
        state.snapshot.as_ref().filter(|snapshot| !std::ptr::eq(&*snapshot.index, old)).cloned()
    }

    /// Nothing will be added to the line of the object `media`, as far as can be told: its feed has gone.
    pub fn is_over(&self, media: ObjectId) -> bool {
        let state = self.lock();
        state.line.as_ref().is_none_or(|line| line.over || line.layout.object != media)
    }

    /// The feed has gone.
    pub(super) fn feed_has_gone(&self) {
        if let Some(line) = &mut self.lock().line {
            line.over = true;
        }
    }

    /// Somebody plays close to the end: segments are short from now on.
    pub fn is_close(&self, now: Instant) {
        self.lock().close = Some(now);
    }

    /// Whether somebody did lately.
    pub(super) fn was_close(&self, now: Instant) -> bool {
        self.lock().close.is_some_and(|then| now.saturating_duration_since(then) < CLOSE)
    }

    /// Whether somebody looks for newer snapshots.
    pub(super) fn was_asked(&self, now: Instant) -> bool {
        self.lock().asked.is_some_and(|then| now.saturating_duration_since(then) < ASKED)
    }

    /// The nodes that have the newest of it: what is read for a viewer is read there.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.lock().pieces.back().map(|piece| piece.layout.nodes.clone()).unwrap_or_default()
    }

    /// When the newest segment begins by the wall clock, nanoseconds since 1970.
    pub(super) fn newest_ns(&self) -> Option<i64> {
        self.lock().pieces.back().map(|piece| piece.begun_ns)
    }

    /// Up to where it reaches on the timeline of that name; `None` where nothing of it is kept.
    pub(super) fn end_on(&self, line_ns: i64) -> Option<MediaTime> {
        let state = self.lock();
        let line = state.line.as_ref().filter(|line| line.line_ns == line_ns);
        line.filter(|_| !state.pieces.is_empty()).map(|_| state.end())
    }

    /// From when to when it reaches, nanoseconds since 1970.
    pub fn clock(&self) -> Option<Range<i64>> {
        let state = self.lock();
        Some(state.pieces.front()?.begun_ns..state.pieces.back()?.end_ns)
    }

    /// The instant of the timeline at an instant of the wall clock; beyond the ends it goes on as at them.
    pub fn at_clock(&self, at_ns: i64) -> Option<MediaTime> {
        let state = self.lock();
        let number = state.pieces.partition_point(|piece| piece.begun_ns <= at_ns);
        let piece = state.pieces.get(number.saturating_sub(1))?;
        Some(MediaTime(at_ns.saturating_sub(piece.begun_ns).saturating_add(piece.span.start.0)))
    }

    /// The other way round, nanoseconds since 1970.
    pub fn clock_at(&self, at: MediaTime) -> Option<i64> {
        let state = self.lock();
        let number = state.pieces.partition_point(|piece| piece.span.start <= at);
        let piece = state.pieces.get(number.saturating_sub(1))?;
        Some(at.0.saturating_sub(piece.span.start.0).saturating_add(piece.begun_ns))
    }

    /// Which object on the nodes has a unit of the line `media`, and as which of its own; its line's units are all of full
    /// size. `None` where it has gone.
    pub(super) fn unit(&self, media: ObjectId, unit: u64) -> Option<(Arc<Layout>, u64)> {
        let state = self.lock();
        state.line.as_ref().filter(|line| line.layout.object == media)?;
        let number = state.pieces.partition_point(|piece| piece.units.end <= unit);
        let piece = state.pieces.get(number).filter(|piece| piece.units.contains(&unit))?;
        Some((piece.layout.clone(), unit - piece.units.start))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("end", &*self.end.borrow()).finish_non_exhaustive()
    }
}

impl State {
    fn goes_on(&self, segment: &Segment, index: &Index) -> bool {
        let Some(line) = &self.line else { return false };
        let like = line.like.tracks.len() == index.tracks.len()
            && line.like.tracks.iter().zip(&index.tracks).all(|(a, b)| a.format == b.format);
        // Decode times never fall within a track.
        let later = |(number, track): (usize, &Track)| {
            let before = self.pieces.iter().rev().find_map(|piece| {
                let table = piece.tables.get(number)?;
                table.get(table.len().checked_sub(1)?)
            });
            before.zip(track.samples.get(0)).is_none_or(|(before, next)| before.dts <= next.dts)
        };
        line.line_ns == segment.line_ns
            && line.layout.policy.unit_size == segment.layout.policy.unit_size
            && like
            && index.tracks.iter().enumerate().all(later)
    }

    fn end(&self) -> MediaTime {
        self.pieces.iter().map(|piece| piece.span.end).max().unwrap_or(MediaTime(i64::MIN))
    }

    fn changed(&mut self) {
        self.version += 1;
        self.snapshot = None;
    }

    fn stock(&self) -> Option<Stock> {
        let line = self.line.clone()?;
        let begins = self.pieces.front()?.span.start;
        let tables = self.pieces.iter().map(|piece| (piece.units.start, piece.tables.clone())).collect();
        Some(Stock { line, begins, end: self.end(), tables })
    }
}

/// All that a snapshot is made of.
struct Stock {
    line: Line,
    begins: MediaTime,
    end: MediaTime,
    /// Each with its first unit on the line of bytes.
    tables: Vec<(u64, Arc<Vec<SampleTable>>)>,
}

impl Stock {
    fn take(self) -> Option<Snapshot> {
        let Self { line, begins, end, tables } = self;
        let unit_size = u64::from(line.layout.policy.unit_size);
        let mut tracks = Vec::with_capacity(line.like.tracks.len());
        for (number, track) in line.like.tracks.iter().enumerate() {
            let own = tables.iter().filter_map(|(unit, tables)| Some((unit * unit_size, tables.get(number)?)));
            match tables::join(own) {
                Ok(samples) => tracks.push(Track { samples, ..track.clone() }),
                Err(error) => {
                    tracing::error!(channel = line.like.name, track = track.id, %error, "the window can't be watched");
                    return None;
                }
            }
        }
        let index = Index { media: Layout::clone(&line.layout), duration: end, tracks, ..line.like };
        let first = tables::first_place(&index, begins)?;
        Some(Snapshot { index: Arc::new(index), first, gone: line.gone })
    }
}

impl Line {
    fn new(segment: &Segment, index: &Index) -> Self {
        let without = |track: &Track| Track { samples: SampleTable::default(), ..track.clone() };
        let tracks: Vec<Track> = index.tracks.iter().map(without).collect();
        // Where each unit lies the pieces say; to all who read by it, it is one long object.
        let policy = Policy { data: 1, parity: 0, ..segment.layout.policy };
        let layout = Layout::new(ObjectId::random(), LINE_BYTES, policy, segment.layout.nodes.clone(), 0);
        Self {
            line_ns: segment.line_ns,
            gone: vec![0; tracks.len()],
            like: Index { tracks, ..index.clone() },
            layout: Arc::new(layout),
            next_unit: 0,
            over: false,
        }
    }
}
