//! Part of a unit, for those who need no more of it.

use super::{
    cluster::{CRC, Cluster, unit_path},
    error::{NodeError, NodeFailure},
    source::UnitSource,
};
use crate::{
    id::NodeId,
    layout::{Layout, UnitAddress},
    membership::NodeState,
    parity,
    row::Nodes,
    scattered::Piece,
    sum::crc32c,
    wire::{CRC_HEADER, parse_crc},
};
use bytes::Bytes;
use futures_util::future::join_all;
use hyper::{Method, header::RANGE};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A part that has not come after this share of the time for it is read with its whole unit, which has other ways to come.
const PATIENCE: u32 = 8;

impl Cluster {
    /// The bytes `start..end` of a unit, with the right checksum, or why not within `deadline`.
    pub async fn get_part(
        &self,
        layout: &Layout,
        address: UnitAddress,
        (start, end): (u32, u32),
        deadline: Duration,
    ) -> Result<Bytes, NodeError> {
        let place = self.place(layout.node(address), Some(layout.object), Some(address));
        let (path, expected) = (unit_path(layout.object, address), end.saturating_sub(start) as usize);
        let range = [(RANGE, format!("bytes={start}-{}", end.saturating_sub(1)))];
        let answer = self.ask(place.clone(), Method::GET, &path, &range, Bytes::new(), expected, deadline).await?;
        let fail = |failure| NodeError { place: Box::new(place.clone()), failure };
        if answer.body.len() != expected {
            let reason = format!("{} bytes where {expected} were asked for", answer.body.len());
            return Err(fail(NodeFailure::Answer(reason)));
        }
        let named = answer.headers.get(CRC).and_then(|value| parse_crc(value.to_str().ok()?));
        let named = named.ok_or_else(|| fail(NodeFailure::Answer(format!("no {CRC_HEADER}"))))?;
        let got = crc32c(&answer.body);
        if got == named { Ok(answer.body) } else { Err(fail(NodeFailure::Checksum { named, got })) }
    }
}

impl UnitSource {
    /// A piece of an object, within `deadline`: from its node alone, as long as that is well and quick; where it does
    /// not answer, from the same bytes of the others of its row; else as [`UnitSource::unit`] finds it. It is not kept.
    pub async fn piece(&self, layout: &Arc<Layout>, piece: Piece, deadline: Duration) -> Result<Bytes, NodeError> {
        let (inner, begun) = (&self.0, Instant::now());
        if let Some(unit) = self.cached(layout.object, piece.unit) {
            return Ok(piece.of(&unit));
        }
        inner.cluster.watch();
        let newest = self.newest(layout);
        let address = newest.address(piece.unit);
        let (node, watch) = (newest.node(address), inner.cluster.watched());
        let part = (piece.start, piece.end);
        if piece.is_whole(&newest) {
            // As good as any unit.
        } else if self.is_gone(node) {
            if let Some(data) = self.part_of_row(&newest, address, part, deadline / PATIENCE).await {
                return Ok(data);
            }
        } else if !watch.is_avoided(node) {
            inner.misses.fetch_add(1, Relaxed);
            match inner.cluster.get_part(&newest, address, part, deadline / PATIENCE).await {
                Ok(data) => {
                    inner.bytes.fetch_add(data.len() as u64, Relaxed);
                    return Ok(data);
                }
                // How long good ones take says nothing of whole units.
                Err(error) => watch.read::<()>(node, Err(&error.failure), begun.elapsed()),
            }
        }
        let unit = self.unit(layout, piece.unit, deadline.saturating_sub(begun.elapsed())).await?;
        Ok(piece.of(&unit))
    }

    /// Whether a node does not answer at all. One that is merely slow is tried again by reads of whole units.
    fn is_gone(&self, node: NodeId) -> bool {
        matches!(self.0.cluster.node_state(node), NodeState::Suspect | NodeState::Down)
    }

    /// Part of a unit from the same bytes of `k` others of its row; `None` if not all of them come at once.
    async fn part_of_row(
        &self,
        layout: &Layout,
        address: UnitAddress,
        (start, end): (u32, u32),
        deadline: Duration,
    ) -> Option<Bytes> {
        let inner = &self.0;
        let positions = 0..layout.row_width() as u8;
        let parts: Vec<(u32, u32)> = positions
            .map(|position| u32::try_from(layout.unit_length(UnitAddress { position, ..address })).unwrap_or(u32::MAX))
            .map(|length| (start.min(length), end.min(length)))
            .collect();
        let lengths: Vec<usize> = parts.iter().map(|(start, end)| end.saturating_sub(*start) as usize).collect();
        // A shorter unit has nothing there, and that is known.
        let mut units: Vec<Option<Bytes>> = lengths.iter().map(|length| (*length == 0).then(Bytes::new)).collect();
        let needed = usize::from(layout.policy.data).saturating_sub(units.iter().flatten().count());
        let others = parts.into_iter().zip(0u8..).filter(|((start, end), position)| {
            let other = UnitAddress { position: *position, ..address };
            start < end && other != address && !self.is_gone(layout.node(other))
        });
        let asks = others.take(needed).map(async |(part, position)| {
            let other = UnitAddress { position, ..address };
            if let Some(unit) = layout.unit(other).and_then(|unit| inner.cache.get(&(layout.object, unit))) {
                return (
                    position,
                    (part.1 as usize <= unit.len()).then(|| unit.slice(part.0 as usize..part.1 as usize)),
                );
            }
            inner.misses.fetch_add(1, Relaxed);
            let (watch, begun) = (inner.cluster.watched(), Instant::now());
            match inner.cluster.get_part(layout, other, part, deadline).await {
                Ok(data) => {
                    inner.bytes.fetch_add(data.len() as u64, Relaxed);
                    (position, Some(data))
                }
                Err(error) => {
                    watch.read::<()>(layout.node(other), Err(&error.failure), begun.elapsed());
                    (position, None)
                }
            }
        });
        for (position, data) in join_all(asks).await {
            *units.get_mut(usize::from(position))? = data;
        }
        let mut all = parity::rebuild(layout.policy, &units, &lengths).ok()?;
        Some(std::mem::take(all.get_mut(usize::from(address.position))?))
    }
}
