//! Units, and parts of them, as nodes give them.

use super::{
    cluster::{CRC, Cluster, unit_path},
    error::{NodeError, NodeFailure},
};
use crate::{
    layout::{Layout, UnitAddress},
    sum::crc32c,
    wire::{CRC_HEADER, parse_crc},
};
use bytes::Bytes;
use hyper::{Method, header::RANGE};
use std::{ops::Range, time::Duration};
use tracing::warn;

impl Cluster {
    /// One unit, complete and with the right checksum, or why not within `deadline`.
    pub async fn get_unit(
        &self,
        layout: &Layout,
        address: UnitAddress,
        deadline: Duration,
    ) -> Result<Bytes, NodeError> {
        self.get_bytes(layout, address, None, deadline).await
    }

    /// The bytes `part` of a unit, which must have them, with the right checksum, or why not within `deadline`. The node
    /// has checked them against what was written, and sums up just these: it answers for them as for a whole unit.
    pub async fn get_part(
        &self,
        layout: &Layout,
        address: UnitAddress,
        part: Range<u32>,
        deadline: Duration,
    ) -> Result<Bytes, NodeError> {
        self.get_bytes(layout, address, Some(part), deadline).await
    }

    async fn get_bytes(
        &self,
        layout: &Layout,
        address: UnitAddress,
        part: Option<Range<u32>>,
        deadline: Duration,
    ) -> Result<Bytes, NodeError> {
        let place = self.place(layout.node(address), Some(layout.object), Some(address));
        let path = unit_path(layout.object, address);
        let range: Vec<_> =
            part.iter().map(|part| (RANGE, format!("bytes={}-{}", part.start, part.end.saturating_sub(1)))).collect();
        let (what, expected, most) = match &part {
            None => ("the unit", layout.unit_length(address), layout.policy.unit_size as usize),
            Some(part) => ("the part", part.len() as u64, part.len()),
        };
        let answer = self.ask(place.clone(), Method::GET, &path, &range, Bytes::new(), most, deadline).await?;
        let fail = |failure| {
            warn!(node = %layout.node(address), object = %layout.object, unit = %address, "{failure}");
            NodeError { place: Box::new(place.clone()), failure }
        };
        let got = answer.body.len() as u64;
        if got != expected {
            return Err(fail(NodeFailure::Answer(format!("{got} bytes where {what} has {expected}"))));
        }
        let named = answer.headers.get(CRC).and_then(|value| parse_crc(value.to_str().ok()?));
        let named = named.ok_or_else(|| fail(NodeFailure::Answer(format!("no {CRC_HEADER}"))))?;
        let got = crc32c(&answer.body);
        if got == named { Ok(answer.body) } else { Err(fail(NodeFailure::Checksum { named, got })) }
    }
}
