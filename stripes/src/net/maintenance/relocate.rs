//! Brings an object to other nodes, and removes what is left of it where it was.

use super::Limit;
use crate::{
    id::{NodeId, ObjectId},
    layout::Layout,
    maintenance::{Mover, MoverState},
    manifest::Manifest,
    net::{cluster::Cluster, error::NodeError},
    parity::TooFew,
    rebalance::{Move, concerned},
};
use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};

/// Units under way at once.
const UNITS_AT_ONCE: usize = 8;

/// Why an object could not be moved. The old layout reads on; it can be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// A unit's new node, or its old one and too much of its row, failed.
    #[error("moving: {0}")]
    Node(#[from] NodeError),
    /// The unit's node failed, and so did too many others of its row.
    #[error("moving: {error}; of its row {too_few}")]
    Row {
        /// What its own node said.
        error: NodeError,
        /// What is left of the row.
        too_few: TooFew,
    },
    /// No node that answers knows the object as sealed.
    #[error("moving object {0}: no node that answers knows it as sealed")]
    NotSealed(ObjectId),
}

impl Cluster {
    /// Brings every unit whose place differs to its new node, from its old one or rebuilt from its row, and seals `new`
    /// on all nodes of the new set. `progress` hears the bytes of each unit. What is there already is passed over, so
    /// a move that broke off goes on where it was.
    ///
    /// The answer is `new`, with a higher generation if the nodes know of one already (a move that broke off and was
    /// planned anew): that is what the catalog must keep. Afterwards, and only then, call [`Cluster::drop_moved`].
    pub async fn move_object(
        &self,
        old: &Layout,
        new: &Layout,
        limit: &Limit,
        mut progress: impl FnMut(u64),
    ) -> Result<Layout, MoveError> {
        let (new, tag) = self.newest(old, new).await?;
        let mut mover = Mover::new(old, &new, UNITS_AT_ONCE);
        let mut under_way = FuturesUnordered::new();
        let mut error = None;
        loop {
            while let Some(next) = mover.poll_move() {
                let new = &new;
                under_way.push(async move { (next, self.move_unit(old, new, next, limit).await) });
            }
            match under_way.next().await {
                Some((done, Ok(()))) => {
                    mover.handle_moved(done.address);
                    progress(done.bytes);
                }
                Some((done, Err(e))) => {
                    mover.handle_failure(done.address);
                    error.get_or_insert(e);
                }
                None if mover.state() != MoverState::Moving => break,
                None => {}
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
        drop(under_way);
        self.seal(&Manifest::new(new.clone(), tag)).await?;
        Ok(new)
    }

    /// Removes what no longer belongs where it is, once the catalog names `new`: nothing of `old` is read any more but
    /// by viewers, who are told by [`UnitSource::relocate`](crate::net::UnitSource::relocate) first. Every node is tried; answers those
    /// that failed, where it stays until this is called again.
    pub async fn drop_moved(&self, old: &Layout, new: &Layout) -> Vec<NodeError> {
        let drops = concerned(old, new).into_iter().map(|node| self.drop_at(node, new));
        join_all(drops).await.into_iter().filter_map(Result::err).collect()
    }

    async fn drop_at(&self, node: NodeId, new: &Layout) -> Result<(), NodeError> {
        if new.nodes.contains(&node) {
            self.trim_at(node, new).await
        } else {
            self.delete_object_at(node, new.object).await
        }
    }

    /// `new` with a generation that no node contradicts, and the object's tag.
    async fn newest(&self, old: &Layout, new: &Layout) -> Result<(Layout, String), MoveError> {
        let nodes = concerned(old, new);
        let known = join_all(nodes.iter().map(|node| self.manifest(*node, new.object))).await;
        let mut new = new.clone();
        let mut tag = None;
        for manifest in known.into_iter().flatten() {
            if manifest.layout.generation >= new.generation && manifest.layout != new {
                new.generation = manifest.layout.generation.saturating_add(1);
            }
            tag = Some(manifest.tag);
        }
        Ok((new, tag.ok_or(MoveError::NotSealed(old.object))?))
    }

    async fn move_unit(&self, old: &Layout, new: &Layout, one: Move, limit: &Limit) -> Result<(), MoveError> {
        limit.take(one.bytes).await;
        // Read, not only asked for: what a move that was broken off left there may have rotted since.
        match self.get_unit(new, one.address, self.options().ask_timeout).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_silence() => return Err(error.into()),
            Err(_) => {}
        }
        let data = match self.get_unit(old, one.address, self.options().ask_timeout).await {
            Ok(data) => data,
            Err(error) => {
                let row = self.read_row(old, one.address.row).await;
                let all = row.whole(old, one.address.row);
                let all = all.map_err(|too_few| MoveError::Row { error, too_few })?;
                all[usize::from(one.address.position)].clone()
            }
        };
        self.repair_unit(new, one.address, data).await?;
        Ok(())
    }
}
