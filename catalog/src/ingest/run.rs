//! One file from its path to its name in the catalog.

use super::draft::Draft;
use super::part::Part;
use super::pump::{CHUNKS, Opener, Pumped, pump};
use super::source::{Identity, SourceFile};
use super::{IngestError, IngestOptions, Ingested, Outcome, Progress, Stage, name};
use crate::container;
use crate::db::{Catalog, CatalogError, Publish, now};
use crate::index::{INDEX_TAG, Index, MEDIA_TAG};
use crate::presentation::{Source, SourceHash};
use rtp::clock::MediaTime;
use std::path::{Path, PathBuf};
use stripes::layout::Layout;
use stripes::net::{Cluster, ObjectWriter, WriteError};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Names tried for a film whose own is taken, and races for them with other processes.
const MAX_NAMES: u32 = 10_000;

/// Adds the film in the file `path`. `progress` is called now and then with the bytes of the file read so far.
///
/// Cancel-safe: a dropped future leaves nothing that can be seen; its objects are removed in the background.
pub async fn ingest_file(
    catalog: &Catalog,
    cluster: &Cluster,
    path: &Path,
    options: &IngestOptions,
    progress: impl FnMut(Progress),
) -> Result<Ingested, IngestError> {
    let open: Opener = |head, len, program| {
        let kind = container::probe(head, len)?;
        Some(match program {
            Some(program) => container::open_program(kind, len, program),
            None => Ok(container::open(kind, len)),
        })
    };
    ingest_with(catalog, cluster, path, options, progress, open).await
}

pub(super) async fn ingest_with(
    catalog: &Catalog,
    cluster: &Cluster,
    path: &Path,
    options: &IngestOptions,
    mut progress: impl FnMut(Progress),
    open: Opener,
) -> Result<Ingested, IngestError> {
    let ingest = Ingest { catalog, cluster, path, options };
    let file = ingest.blocking(SourceFile::open).await?;
    let identity = file.identity().clone();
    if let Some(name) = ingest.already_in(&identity, &mut progress).await? {
        return Ok(Ingested { outcome: Outcome::AlreadyPresent(name), notes: Vec::new() });
    }
    if let Some(name) = &options.name {
        name::check(name).map_err(|error| IngestError::BadName { path: ingest.path(), error })?;
        if catalog.is_name_taken(name).await.map_err(|error| ingest.catalog(error))? {
            return Err(IngestError::NameTaken { path: ingest.path(), name: name.clone() });
        }
    }
    let mut draft = Draft::new(catalog, cluster);
    match ingest.add(&mut draft, file, open, &mut progress).await {
        Ok(ingested) => {
            match &ingested.outcome {
                Outcome::Added(presentation) => {
                    ingest.remember(&identity, presentation.source.hash).await;
                    draft.named();
                }
                Outcome::AlreadyPresent(_) => draft.abandon_all().await,
            }
            Ok(ingested)
        }
        Err(error) => {
            draft.abandon_all().await;
            Err(error)
        }
    }
}

struct Ingest<'a> {
    catalog: &'a Catalog,
    cluster: &'a Cluster,
    path: &'a Path,
    options: &'a IngestOptions,
}

impl Ingest<'_> {
    /// The name under which the file's content is in. Reads the file only if its size leaves it possible.
    async fn already_in(
        &self,
        identity: &Identity,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<String>, IngestError> {
        let Identity { path, size, modified_ns } = identity;
        if !self.catalog.knows_source_size(*size).await.map_err(|error| self.catalog(error))? {
            return Ok(None);
        }
        let remembered = self.catalog.remembered_source(path, *size, *modified_ns).await;
        let hash = match remembered.map_err(|error| self.catalog(error))? {
            Some(hash) => hash,
            None => {
                let hash = self.hash(*size, progress).await?;
                self.remember(identity, hash).await;
                hash
            }
        };
        self.catalog.known_source(hash).await.map_err(|error| self.catalog(error))
    }

    async fn hash(&self, total: u64, progress: &mut impl FnMut(Progress)) -> Result<SourceHash, IngestError> {
        let (steps, mut step) = mpsc::channel(1);
        let work = self.blocking(move |path| {
            // Nobody listening means that nobody wants the hash.
            SourceFile::open(path)?.finish_hash(|bytes| !matches!(steps.try_send(bytes), Err(TrySendError::Closed(_))))
        });
        let watch = async {
            while let Some(bytes) = step.recv().await {
                progress(Progress { stage: Stage::Hashing, bytes, total });
            }
        };
        let (hash, ()) = futures_util::future::join(work, watch).await;
        hash?.ok_or_else(|| self.file("hashing was given up"))
    }

    async fn add(
        &self,
        draft: &mut Draft,
        file: SourceFile,
        open: Opener,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Ingested, IngestError> {
        let total = file.size();
        let (chunks, mut queue) = mpsc::channel(CHUNKS);
        let path = self.path();
        let reader = tokio::task::spawn_blocking(move || pump(file, &path, open, &chunks));
        // A file that is no film costs no object.
        let mut writer = None;
        let mut read = 0;
        while let Some(chunk) = queue.recv().await {
            if writer.is_none() {
                writer = Some(self.create(draft).await?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&chunk.bytes).await.map_err(|error| self.write(read, error))?;
            }
            read = chunk.read;
            progress(Progress { stage: Stage::Adding, bytes: read, total });
        }
        let pumped =
            reader.await.map_err(|error| self.file(&format!("at byte {read}: its reader failed: {error}")))??;
        let pumped = pumped.ok_or_else(|| self.file("reading was given up"))?;
        let writer = match writer {
            Some(writer) => writer,
            None => self.create(draft).await?,
        };
        progress(Progress { stage: Stage::Sealing, bytes: total, total });
        let media = writer.finish(MEDIA_TAG).await.map_err(|error| self.write(total, error))?;
        self.name(draft, pumped, media, total).await
    }

    /// Writes the index and has the catalog name it; again with another name as long as others are quicker.
    async fn name(
        &self,
        draft: &mut Draft,
        pumped: Pumped,
        media: Layout,
        total: u64,
    ) -> Result<Ingested, IngestError> {
        let Pumped { tracks, hash, mut notes } = pumped;
        let title = Part::of(self.path).title();
        let wish = self.options.name.clone().unwrap_or_else(|| name::from_stem(&title));
        let duration = tracks.iter().map(|track| track.clock().time(track.samples.end())).max().unwrap_or_default();
        let mut index = Index {
            name: wish.clone(),
            title,
            source: Source { hash, bytes: total },
            created: now(),
            duration: duration.max(MediaTime::ZERO),
            media,
            tracks,
        };
        for number in 2..MAX_NAMES {
            let taken = self.catalog.is_name_taken(&index.name).await.map_err(|error| self.catalog(error))?;
            if !taken {
                let layout = self.write_index(draft, &index, total).await?;
                let object = layout.object;
                let mut presentation = index.presentation(layout);
                match self.catalog.publish(&presentation).await.map_err(|error| self.catalog(error))? {
                    Publish::Named(id) => {
                        presentation.id = id;
                        if presentation.name != wish {
                            notes.push(format!(
                                "another film or a channel is named {wish:?}; this one is {:?}",
                                presentation.name
                            ));
                        }
                        return Ok(Ingested { outcome: Outcome::Added(Box::new(presentation)), notes });
                    }
                    Publish::AlreadyIn(name) => return Ok(Ingested { outcome: Outcome::AlreadyPresent(name), notes }),
                    Publish::Swept => return Err(IngestError::Swept { path: self.path() }),
                    Publish::NameTaken => draft.abandon(object).await,
                }
            }
            if self.options.name.is_some() {
                break;
            }
            index.name = name::numbered(&wish, number);
        }
        Err(IngestError::NameTaken { path: self.path(), name: wish })
    }

    async fn write_index(&self, draft: &mut Draft, index: &Index, total: u64) -> Result<Layout, IngestError> {
        let wrong = |error| IngestError::Index { path: self.path(), error };
        index.check().map_err(wrong)?;
        let bytes = index.encode().map_err(wrong)?;
        let mut writer = self.create(draft).await?;
        writer.write(&bytes).await.map_err(|error| self.write(total, error))?;
        writer.finish(INDEX_TAG).await.map_err(|error| self.write(total, error))
    }

    async fn create(&self, draft: &mut Draft) -> Result<ObjectWriter, IngestError> {
        let writer = ObjectWriter::create(self.cluster, self.options.policy, self.options.nodes.clone())
            .map_err(|error| self.write(0, error))?;
        draft.begin(writer.object()).await.map_err(|error| self.catalog(error))?;
        Ok(writer)
    }

    /// Only saves work later, so it may fail.
    async fn remember(&self, identity: &Identity, hash: SourceHash) {
        let Identity { path, size, modified_ns } = identity;
        if let Err(error) = self.catalog.remember_source(path, *size, *modified_ns, hash).await {
            tracing::warn!("{}: not remembered: {error}", self.path.display());
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, IngestError> {
        let path = self.path();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        match done {
            Ok(result) => result.map_err(|error| self.file(&error.to_string())),
            Err(error) => Err(self.file(&error.to_string())),
        }
    }

    fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    fn file(&self, reason: &str) -> IngestError {
        IngestError::File { path: self.path(), reason: reason.to_owned() }
    }

    fn catalog(&self, error: CatalogError) -> IngestError {
        IngestError::Catalog { path: self.path(), error }
    }

    fn write(&self, offset: u64, error: WriteError) -> IngestError {
        IngestError::Write { path: self.path(), offset, error }
    }
}
