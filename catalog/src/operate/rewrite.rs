//! Films and segments written anew with narrower rows, where there are fewer nodes than their rows have units.
//!
//! A row of another width is another row, parity and all, so nothing can stay where it is: the bytes are copied into
//! new objects, which the catalog names in the stead of the old ones once they are sealed. A crash before leaves the
//! old ones as they were, and of the new ones what a sweep removes.

use super::{Counters, OperateError, Operator, RewriteError};
use crate::db::{Rewrite, Segment};
use crate::index::{INDEX_TAG, Index, MAX_INDEX_BYTES, MEDIA_TAG};
use crate::ingest::draft::Draft;
use crate::presentation::Presentation;
use crate::segment::SEGMENT_TAG;
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::HashMap;
use std::sync::Arc;
use stripes::id::{NodeId, ObjectId};
use stripes::layout::{Layout, Policy};
use stripes::manifest::Manifest;
use stripes::net::{ObjectWriter, UnitSource, WriteError, Written};

/// Units that are read at once.
const READ_AHEAD_UNITS: usize = 8;

/// An object whose rows are too wide.
pub(super) struct Narrow {
    /// As it lies.
    pub old: Layout,
    /// How it is to be cut.
    pub policy: Policy,
    /// Where it is to lie.
    pub nodes: Vec<NodeId>,
}

/// The policy for as many nodes as there are, with no less parity; `None` where they are too few for that.
pub(super) fn narrower(policy: Policy, nodes: usize) -> Option<Policy> {
    let data = u8::try_from(nodes.checked_sub(policy.parity.into())?).ok()?;
    (data > 0).then_some(Policy { data: data.min(policy.data), ..policy })
}

impl Operator {
    /// Writes these objects anew, a film's two together. Says how many lie elsewhere now: those of films and segments that
    /// were removed meanwhile don't.
    pub(super) async fn rewrite_all(&self, narrow: Vec<Narrow>, counters: &Counters) -> Result<u64, OperateError> {
        let mut narrow: HashMap<ObjectId, Narrow> = narrow.into_iter().map(|one| (one.old.object, one)).collect();
        let mut done = 0;
        if narrow.is_empty() {
            return Ok(done);
        }
        for film in self.catalog.presentations().await? {
            // Both are named anew, as the index names the media.
            let (media, index) = (narrow.remove(&film.media.object), narrow.remove(&film.index.object));
            if let Some(one) = media.or(index) {
                done += 2 * u64::from(self.rewrite_film(&film, one, counters).await?);
            }
        }
        for channel in self.catalog.kept_channels().await? {
            for segment in self.catalog.segments(&channel).await? {
                if let Some(one) = narrow.remove(&segment.layout.object) {
                    done += u64::from(self.rewrite_segment(&segment, one, counters).await?);
                }
            }
        }
        Ok(done)
    }

    async fn rewrite_film(&self, film: &Presentation, to: Narrow, counters: &Counters) -> Result<bool, OperateError> {
        let mut draft = Draft::new(&self.catalog, &self.cluster);
        let written = self.written_anew(film, &to, &mut draft, counters).await;
        let named = match written {
            Ok((media, index)) => {
                self.catalog.rewrite_film(&media, &index, self.grace).await.map_err(OperateError::from)
            }
            Err(error) => Err(error),
        };
        self.end(draft, named, film.media.object).await
    }

    async fn written_anew(
        &self,
        film: &Presentation,
        to: &Narrow,
        draft: &mut Draft,
        counters: &Counters,
    ) -> Result<(Rewrite, Rewrite), OperateError> {
        let failed = |error| OperateError::Rewrite { object: film.index.object, error };
        let new = self.copy(&film.media, to, MEDIA_TAG, draft, counters).await?;
        let source = UnitSource::new(self.cluster.clone(), 0);
        let limit = usize::try_from(MAX_INDEX_BYTES).unwrap_or(usize::MAX);
        self.limit.take(film.index.length).await;
        let bytes = source.read_object(&Arc::new(film.index.clone()), limit).await;
        let bytes = bytes.map_err(|error| failed(error.into()))?;
        let index = Index::decode(&bytes).map_err(|error| failed(error.into()))?;
        let index = Index { media: new.clone(), ..index };
        let bytes = index.encode().map_err(|error| failed(error.into()))?;
        let mut writer = self.writer(to, draft).await?;
        writer.write(&bytes).await.map_err(|error| failed(error.into()))?;
        let index = self.finish(writer, INDEX_TAG).await.map_err(failed)?;
        counters.add(film.index.length);
        let media = Rewrite { old: film.media.clone(), new };
        Ok((media, Rewrite { old: film.index.clone(), new: index }))
    }

    async fn rewrite_segment(&self, segment: &Segment, to: Narrow, counters: &Counters) -> Result<bool, OperateError> {
        let mut draft = Draft::new(&self.catalog, &self.cluster);
        let named = match self.copy(&segment.layout, &to, SEGMENT_TAG, &mut draft, counters).await {
            Ok(new) => {
                let rewrite = Rewrite { old: segment.layout.clone(), new };
                self.catalog.rewrite_segment(&rewrite, self.grace).await.map_err(OperateError::from)
            }
            Err(error) => Err(error),
        };
        self.end(draft, named, segment.layout.object).await
    }

    /// What was written stays where the catalog names it now, and goes where it does not; where the old object is not
    /// there any more, it was removed meanwhile and that is no failure.
    async fn end(&self, draft: Draft, named: Result<bool, OperateError>, old: ObjectId) -> Result<bool, OperateError> {
        match named {
            Ok(true) => {
                draft.named();
                Ok(true)
            }
            Ok(false) => {
                draft.abandon_all().await;
                Ok(false)
            }
            Err(error) => {
                draft.abandon_all().await;
                if self.catalog.is_sealed(old).await? { Err(error) } else { Ok(false) }
            }
        }
    }

    /// A new object with the same bytes, sealed.
    async fn copy(
        &self,
        old: &Layout,
        to: &Narrow,
        tag: &str,
        draft: &mut Draft,
        counters: &Counters,
    ) -> Result<Layout, OperateError> {
        let failed = |error| OperateError::Rewrite { object: old.object, error };
        let mut writer = self.writer(to, draft).await?;
        // Room for the rows of lost units.
        let cache = 2 * READ_AHEAD_UNITS.max(old.row_width()) * old.policy.unit_size as usize;
        let (source, layout) = (UnitSource::new(self.cluster.clone(), cache), Arc::new(old.clone()));
        let deadline = self.cluster.options().ask_timeout;
        let (source, layout) = (&source, &layout);
        let reads = stream::iter(0..layout.units()).map(async |unit| {
            let bytes = layout.unit_bytes(unit);
            self.limit.take(bytes.end - bytes.start).await;
            source.unit(layout, unit, deadline).await
        });
        let mut reads = std::pin::pin!(reads.buffered(READ_AHEAD_UNITS));
        while let Some(read) = reads.next().await {
            let data = read.map_err(|error| failed(RewriteError::Read(error.into())))?;
            writer.write(&data).await.map_err(|error| failed(error.into()))?;
            counters.add(data.len() as u64);
        }
        self.finish(writer, tag).await.map_err(failed)
    }

    /// Ends a new object. The old one may be whole, so this one must be: what a node failed to take is written again.
    async fn finish(&self, writer: ObjectWriter, tag: &str) -> Result<Layout, RewriteError> {
        let Written { layout, lacking } = writer.finish_and_tell(tag).await?;
        if !lacking.is_empty() {
            self.cluster.repair(&layout, &self.limit, |_| {}).await;
            // Each node looks whether it has all its units.
            self.cluster.seal(&Manifest::new(layout.clone(), tag)).await.map_err(WriteError::from)?;
        }
        Ok(layout)
    }

    /// A new object, on the books before its first byte.
    async fn writer(&self, to: &Narrow, draft: &mut Draft) -> Result<ObjectWriter, OperateError> {
        let writer = ObjectWriter::create(&self.cluster, to.policy, to.nodes.clone());
        let writer = writer.map_err(|error| OperateError::Rewrite { object: to.old.object, error: error.into() })?;
        draft.begin(writer.object()).await?;
        Ok(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stripes::layout::MIN_UNIT_SIZE;

    #[test]
    fn rows_grow_narrower_and_lose_no_parity() {
        for (data, parity, nodes, narrow) in [
            (3, 1, 3, Some(2)),
            (3, 1, 2, Some(1)),
            (3, 1, 1, None),
            (4, 2, 5, Some(3)),
            (4, 2, 3, Some(1)),
            (4, 2, 2, None),
            (4, 2, 1, None),
            (4, 0, 1, Some(1)),
            (4, 0, 0, None),
            (3, 1, 9, Some(3)),
        ] {
            let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity };
            let expected = narrow.map(|data| Policy { data, ..policy });
            assert_eq!(narrower(policy, nodes), expected, "{data}+{parity} on {nodes}");
        }
    }
}
