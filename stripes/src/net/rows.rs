//! Reads a unit, or part of it, from its node or from its row: the `RowRead` core over the nodes and what is being read
//! already.

use super::{
    error::{NodeError, NodeFailure},
    source::Inner,
};
use crate::{
    layout::{Layout, UnitAddress},
    row::{RowRead, RowStep},
    scattered::Piece,
};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::time::sleep_until;

/// With nothing else to wait for, it is looked again after this time.
const IDLE: Duration = Duration::from_secs(1);

type Fetched = Result<Bytes, NodeError>;

impl Inner {
    /// Reads some bytes of a data unit. If those are all it is kept, and what else of its row had to be rebuilt.
    pub(super) async fn read(self: Arc<Self>, layout: Arc<Layout>, piece: Piece, deadline: Duration) -> Fetched {
        let now = Instant::now();
        let give_up = now + deadline;
        let (address, whole) = (layout.address(piece.unit), piece.is_whole(&layout));
        let mut core = RowRead::of_part(layout.clone(), address, piece.start..piece.end, now, give_up);
        let mut watch = self.cluster.watched();
        let mut changes = watch.changes();
        let mut under_way: FuturesUnordered<BoxFuture<'static, (UnitAddress, Fetched)>> = FuturesUnordered::new();
        let mut first_error: Option<NodeError> = None;
        loop {
            match core.poll(Instant::now(), &mut watch) {
                RowStep::Done(data, rebuilt) => {
                    for (address, data) in rebuilt {
                        self.rebuilt.fetch_add(1, Relaxed);
                        if let Some(unit) = layout.unit(address).filter(|_| whole) {
                            self.keep((layout.object, unit), data);
                        }
                    }
                    return Ok(data);
                }
                RowStep::Lost => {
                    let late = || self.cluster.late(&layout, address, deadline);
                    return Err(first_error.unwrap_or_else(late));
                }
                RowStep::Late(address) => {
                    self.late.fetch_add(1, Relaxed);
                    watch.late(layout.node(address));
                }
                RowStep::Fetch(address) => {
                    let left = give_up.saturating_duration_since(Instant::now());
                    match self.fetch(&layout, address, core.part(address), left) {
                        Ok(data) => core.handle_unit(address, data),
                        Err(work) => under_way.push(work.map(move |result| (address, result)).boxed()),
                    }
                }
                RowStep::Wait(until) => {
                    let until = until.unwrap_or_else(|| Instant::now() + IDLE).min(give_up);
                    tokio::select! {
                        Some((from, result)) = under_way.next() => match result {
                            Ok(data) => core.handle_unit(from, data),
                            // It was moved away meanwhile: whoever asked reads it by the newer layout.
                            Err(error) if self.newest(&layout).supersedes(&layout) => return Err(error),
                            Err(error) => {
                                let passes = matches!(error.failure, NodeFailure::Unreachable(_) | NodeFailure::Busy(_));
                                core.handle_failure(from, passes, Instant::now());
                                // The unit's own node's word says most.
                                if from == address || first_error.is_none() {
                                    first_error = Some(error);
                                }
                            }
                        },
                        _ = changes.changed() => {}
                        () = sleep_until(until.into()) => {
                            if Instant::now() >= give_up {
                                let late = || self.cluster.late(&layout, address, deadline);
                                return Err(first_error.unwrap_or_else(late));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Part of one unit, data or parity, that is at hand, or on its way from its node for all who ask for it.
    fn fetch(
        self: &Arc<Self>,
        layout: &Arc<Layout>,
        address: UnitAddress,
        part: Range<u32>,
        deadline: Duration,
    ) -> Result<Bytes, impl Future<Output = Fetched> + use<>> {
        let at_hand = || {
            let unit = layout.unit(address)?;
            let data = self.cache.get(&(layout.object, unit))?;
            Some(Piece { unit, start: part.start, end: part.end }.of(&data))
        };
        let begin = || {
            if let Some(data) = at_hand() {
                return Ok(Ok(data));
            }
            let (inner, layout, part) = (self.clone(), layout.clone(), part.clone());
            Err(async move { inner.ask_node(&layout, address, part, deadline).await }.boxed())
        };
        let joined = self.fetches.join((layout.object, address, part.clone()), begin);
        match joined {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(error)) => Err(std::future::ready(Err(error)).left_future()),
            Err(work) => Err(work.right_future()),
        }
    }

    async fn ask_node(
        &self,
        layout: &Arc<Layout>,
        address: UnitAddress,
        part: Range<u32>,
        deadline: Duration,
    ) -> Fetched {
        let begun = Instant::now();
        let whole = part.start == 0 && u64::from(part.end) == layout.unit_length(address);
        let result = match whole {
            true => self.cluster.get_unit(layout, address, deadline).await,
            false => self.cluster.get_part(layout, address, part, deadline).await,
        };
        let watch = self.cluster.watched();
        // How soon a part comes says nothing of whole units.
        if whole || result.is_err() {
            watch.read(layout.node(address), result.as_ref().map_err(|error| &error.failure), begun.elapsed());
        }
        match &result {
            Ok(data) => {
                self.bytes.fetch_add(data.len() as u64, Relaxed);
                watch.earn(data.len() as u64);
                if let Some(unit) = layout.unit(address).filter(|_| whole) {
                    self.keep((layout.object, unit), data.clone());
                }
            }
            Err(NodeError { failure: NodeFailure::Absent(_) | NodeFailure::Damaged(_), .. }) => {
                self.bad.fetch_add(1, Relaxed);
                self.report_bad(layout, address.row);
            }
            Err(_) => {}
        }
        result
    }
}
