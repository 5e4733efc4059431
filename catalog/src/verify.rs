//! All that nodes keep, read and verified in the background, in no hurry.
//!
//! Each front takes a part of the objects and reads them at such a pace that it is through in a set time; what is bad or
//! missing is written anew from its row. It is no job, since it is to be in nobody's way: it gives way to viewers, and goes
//! row by row, each by the layout that the catalog has just then.

use crate::db::{Catalog, CatalogError, now};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use stripes::id::ObjectId;
use stripes::layout::Layout;
use stripes::net::{Cluster, Limit};
use stripes::rate::Yielding;

/// It is no slower than that, so that a small cluster is verified soon: bytes a second.
const LEAST_RATE: u64 = 1 << 20;
/// Before the first round, between two of them, and before it is tried again where the catalog does not answer.
const PAUSE: Duration = Duration::from_secs(60);

/// Verifies a front's part of all objects, again and again.
#[derive(Clone)]
pub struct Verifier {
    /// What there is, and who else verifies.
    pub catalog: Catalog,
    /// Who has it.
    pub cluster: Cluster,
    /// By which the catalog knows this front.
    pub front: String,
    /// In so long a time everything is read once.
    pub every: Duration,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Objects read.
    pub objects: u64,
    /// Units that were bad or missing.
    pub bad_units: u64,
    /// Of those, written anew.
    pub rewritten_units: u64,
}

impl Verifier {
    /// Goes on for as long as it is driven.
    pub async fn run(&self) -> Infallible {
        tokio::time::sleep(PAUSE).await;
        loop {
            let begun = Instant::now();
            match self.round(LEAST_RATE).await {
                Ok(Verified { objects, bad_units, rewritten_units }) => {
                    tracing::info!(objects, bad_units, rewritten_units, "all that the nodes keep was verified");
                    tokio::time::sleep(self.every.saturating_sub(begun.elapsed()).max(PAUSE)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "verifying breaks off, and begins again later");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Every object of this front's part once, at `least` bytes a second or more.
    async fn round(&self, least: u64) -> Result<Verified, CatalogError> {
        let layouts = self.catalog.sealed_layouts().await?;
        let bytes: u64 = layouts.iter().map(bytes_with_parity).sum();
        let mut objects: Vec<ObjectId> = layouts.into_iter().map(|layout| layout.object).collect();
        // Whoever is started anew more often than it comes to the end would never see what comes last.
        let begin = now().unsigned_abs() as usize % objects.len().max(1);
        objects.rotate_left(begin);
        let mut verified = Verified::default();
        let mut pace = Pace {
            most: least.max(bytes / self.every.as_secs().max(1)),
            limit: Limit::new(Some(least)),
            yielding: Yielding::default(),
        };
        for object in objects {
            if self.is_ours(object).await? {
                self.verify(object, &mut pace, &mut verified).await?;
                verified.objects += 1;
            }
        }
        Ok(verified)
    }

    /// Whether this front verifies an object: each of those that live an even part. One that the catalog has not heard of
    /// yet verifies all.
    async fn is_ours(&self, object: ObjectId) -> Result<bool, CatalogError> {
        let fronts = self.catalog.fronts().await?;
        let own = fronts.iter().position(|front| front.name == self.front);
        Ok(own.is_none_or(|own| object.0 % fronts.len() as u128 == own as u128))
    }

    async fn verify(&self, object: ObjectId, pace: &mut Pace, verified: &mut Verified) -> Result<(), CatalogError> {
        let Some(mut layout) = self.catalog.sealed_layout(object).await? else { return Ok(()) };
        let (mut row, mut rewritten) = (0, 0);
        while row < layout.rows() {
            let late = self.catalog.fronts().await?.iter().map(|front| front.late_percent).max().unwrap_or(0);
            pace.limit.set(Some(pace.yielding.rate(pace.most, late)));
            pace.limit.take(layout.row_units(row).map(|address| layout.unit_length(address)).sum()).await;
            // Meanwhile it may have moved, or be gone.
            let Some(newest) = self.catalog.sealed_layout(object).await? else { return Ok(()) };
            layout = newest;
            let report = self.cluster.repair_row(&layout, row, true).await;
            verified.bad_units += report.bad_units;
            rewritten += report.rewritten_units;
            row += 1;
        }
        verified.rewritten_units += rewritten;
        if rewritten > 0 {
            self.cluster.seal_where_lacking(&layout).await;
            // Removed meanwhile: what was written after its bytes were deleted goes too.
            if !self.catalog.is_sealed(object).await?
                && let Err(error) = self.cluster.delete_object(object).await
            {
                tracing::warn!(%object, %error, "removed, and some of it is left until the next sweep");
            }
        }
        Ok(())
    }
}

/// How fast it goes.
struct Pace {
    /// Bytes a second, where viewers need nothing of it.
    most: u64,
    limit: Limit,
    yielding: Yielding,
}

fn bytes_with_parity(layout: &Layout) -> u64 {
    let units = (0..layout.rows()).flat_map(|row| layout.row_units(row));
    units.map(|address| layout.unit_length(address)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::FrontReport;
    use crate::ingest::fake::FakeFilm;
    use crate::ingest::{IngestOptions, ingest_fake};
    use crate::testing::World;
    use std::collections::BTreeMap;
    use stripes::layout::{MIN_UNIT_SIZE, Policy};

    const FILMS: u8 = 4;

    async fn world() -> (World, Verifier) {
        let world = World::new(4, None).await;
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 3, parity: 1 };
        for seed in 0..FILMS {
            let path = world.file(&format!("film{seed}.fake"), &FakeFilm::filled(2, 60, 3_000, 2 * seed + 1).0);
            let options = IngestOptions { name: None, policy, nodes: world.node_ids() };
            ingest_fake(&world.catalog, &world.cluster, &path, &options, |_| {}).await.unwrap();
        }
        let (catalog, cluster) = (world.catalog.clone(), world.cluster.clone());
        let verifier = Verifier { catalog, cluster, front: "a".into(), every: Duration::from_secs(60) };
        (world, verifier)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_node_has_lost_is_there_again_after_a_round() {
        let (world, verifier) = world().await;
        let objects = 2 * u64::from(FILMS);
        let good = Verified { objects, ..Verified::default() };
        assert_eq!(verifier.round(1 << 30).await.unwrap(), good);
        let lost = world.catalog.presentation("film1").await.unwrap().unwrap().media;
        let node = world.node_ids()[2];
        let before = world.cluster.object_summary(node, lost.object).await.unwrap();
        world.cluster.delete_object_at(node, lost.object).await.unwrap();
        let done = verifier.round(1 << 30).await.unwrap();
        assert_eq!(done, Verified { bad_units: before.units, rewritten_units: before.units, ..good });
        let after = world.cluster.object_summary(node, lost.object).await.unwrap();
        assert_eq!((after.units, after.manifest), (before.units, before.manifest));
        assert_eq!(verifier.round(1 << 30).await.unwrap(), good);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn fronts_share_what_there_is_to_verify() {
        let (world, verifier) = world().await;
        let mut objects = 0;
        for name in ["a", "b", "c"] {
            world
                .catalog
                .claim(&FrontReport { name: name.into(), ..FrontReport::default() }, &BTreeMap::new())
                .await
                .unwrap();
        }
        for name in ["a", "b", "c"] {
            let verifier = Verifier { front: name.into(), ..verifier.clone() };
            objects += verifier.round(1 << 30).await.unwrap().objects;
        }
        assert_eq!(objects, 2 * u64::from(FILMS));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_goes_at_its_pace_and_gives_way_to_viewers() {
        let (world, verifier) = world().await;
        let bytes: u64 = world.catalog.sealed_layouts().await.unwrap().iter().map(bytes_with_parity).sum();
        let took = async |times: u64, late_percent| {
            let front = FrontReport { name: "a".into(), late_percent, ..FrontReport::default() };
            world.catalog.claim(&front, &BTreeMap::new()).await.unwrap();
            let begun = Instant::now();
            verifier.round(times * bytes).await.unwrap();
            begun.elapsed()
        };
        // A quarter of a second, but for what may go at once; a twentieth, and with every row half as fast, up to 32 times.
        assert!(took(4, 0).await >= Duration::from_millis(100));
        assert!(took(20, 50).await >= Duration::from_millis(700));
    }
}
