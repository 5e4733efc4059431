//! Part of a unit, for those who need no more of it.

use super::{
    cluster::{CRC, Cluster, unit_path},
    error::{NodeError, NodeFailure},
    source::UnitSource,
};
use crate::{
    layout::{Layout, UnitAddress},
    row::Nodes,
    scattered::Piece,
    sum::crc32c,
    wire::{CRC_HEADER, parse_crc},
};
use bytes::Bytes;
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
    /// A piece of an object, within `deadline`: from its node alone, as long as that is well and quick, else as
    /// [`UnitSource::unit`] finds it. It is not kept.
    pub async fn piece(&self, layout: &Arc<Layout>, piece: Piece, deadline: Duration) -> Result<Bytes, NodeError> {
        let (inner, begun) = (&self.0, Instant::now());
        if let Some(unit) = self.cached(layout.object, piece.unit) {
            return Ok(piece.of(&unit));
        }
        inner.cluster.watch();
        let newest = self.newest(layout);
        let address = newest.address(piece.unit);
        let (node, watch) = (newest.node(address), inner.cluster.watched());
        if !piece.is_whole(&newest) && !watch.is_avoided(node) {
            inner.misses.fetch_add(1, Relaxed);
            let part = (piece.start, piece.end);
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
}
