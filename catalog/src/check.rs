//! Reading a presentation back from the nodes, every byte of it.

use crate::index::{Index, MAX_INDEX_BYTES};
use crate::presentation::Presentation;
use std::sync::Arc;
use stripes::net::{Cluster, UnitSource, VerifyReport};

/// What reading a presentation back came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Every unit of the index object.
    pub index: VerifyReport,
    /// Every unit of the media object.
    pub media: VerifyReport,
    /// Samples that the index names.
    pub samples: u64,
    /// What is wrong beyond bad units: an index that can't be read or says other things than the catalog.
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Whether all of it can be watched.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.index.is_good() && self.media.is_good()
    }
}

/// Reads every unit back from its node, past all caches, and verifies lengths, checksums and the index.
/// `progress` hears the bytes done so far and in all.
pub async fn check(cluster: &Cluster, presentation: &Presentation, mut progress: impl FnMut(u64, u64)) -> CheckReport {
    let (mut done, total) = (0, presentation.bytes());
    let mut step = |bytes| {
        done += bytes;
        progress(done, total);
    };
    let index = cluster.verify(&presentation.index, &mut step).await;
    let mut report = CheckReport { index, media: VerifyReport::default(), samples: 0, problems: Vec::new() };
    if report.index.is_good() {
        match read_index(cluster, presentation).await {
            Ok(index) => examine(&index, presentation, &mut report),
            Err(reason) => report.problems.push(reason),
        }
    }
    report.media = cluster.verify(&presentation.media, &mut step).await;
    report
}

async fn read_index(cluster: &Cluster, presentation: &Presentation) -> Result<Index, String> {
    let limit = usize::try_from(MAX_INDEX_BYTES).unwrap_or(usize::MAX);
    let source = UnitSource::new(cluster.clone(), 0);
    let layout = Arc::new(presentation.index.clone());
    let bytes = source.read_object(&layout, limit).await.map_err(|error| error.to_string())?;
    // Decoding checks that every sample lies within the media object.
    Index::decode(&bytes).map_err(|error| error.to_string())
}

fn examine(index: &Index, presentation: &Presentation, report: &mut CheckReport) {
    report.samples = index.tracks.iter().map(|track| track.samples.len() as u64).sum();
    if !index.is_of(&presentation.media) {
        let (found, expected) = (&index.media, &presentation.media);
        report.problems.push(format!(
            "the index is of media object {} of {} bytes, the catalog says {} of {}",
            found.object, found.length, expected.object, expected.length
        ));
    }
    if index.source != presentation.source {
        report.problems.push("the index is of another source than the catalog says".to_owned());
    }
    let found = index.tracks.iter().map(|track| (track.id, track.samples.len() as u64));
    if !found.eq(presentation.tracks.iter().map(|track| (track.id, track.samples))) {
        report.problems.push("the index has other tracks than the catalog says".to_owned());
    }
    let bytes: u64 = index.tracks.iter().map(|track| track.samples.bytes()).sum();
    if bytes != index.media.length {
        report.problems.push(format!("the samples have {bytes} bytes, the media object {}", index.media.length));
    }
}
