//! What the catalog names.

use super::{Catalog, CatalogError, now, to_sql};
use crate::presentation::{Presentation, Source, SourceHash, TrackSummary};
use rtp::clock::{ClockRate, MediaTime};
use rtp::format::Media;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::HashMap;
use stripes::layout::Layout;

/// How [`Catalog::publish`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publish {
    /// It is named now, under this number.
    Named(i64),
    /// Another presentation or a channel has the name.
    NameTaken,
    /// The same source is in already, under this name.
    AlreadyIn(String),
    /// One of its objects is not ours to name: a sweep took it for a dead process's.
    Swept,
}

impl Catalog {
    /// All presentations, by name.
    pub async fn presentations(&self) -> Result<Vec<Presentation>, CatalogError> {
        self.select(None).await
    }

    /// The presentation of that name.
    pub async fn presentation(&self, name: &str) -> Result<Option<Presentation>, CatalogError> {
        Ok(self.select(Some(name)).await?.pop())
    }

    /// Whether a presentation or a channel has this name.
    pub async fn is_name_taken(&self, name: &str) -> Result<bool, CatalogError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM presentations WHERE name = $1)
                 OR EXISTS (SELECT 1 FROM channels WHERE name = $1)",
        )
        .bind(name)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The name of the presentation that was made of this source.
    pub async fn known_source(&self, hash: SourceHash) -> Result<Option<String>, CatalogError> {
        sqlx::query_scalar("SELECT name FROM presentations WHERE source_hash = $1")
            .bind(&hash.0[..])
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Whether any presentation was made of a source of so many bytes: if none was, a file of that size
    /// is new, whatever its hash.
    pub async fn knows_source_size(&self, bytes: u64) -> Result<bool, CatalogError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM presentations WHERE source_bytes = $1)")
            .bind(to_sql(bytes))
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Names a presentation whose two objects this process has written and sealed on the nodes. All of
    /// it happens or nothing.
    pub async fn publish(&self, presentation: &Presentation) -> Result<Publish, CatalogError> {
        let mut tx = self.write().await?;
        for layout in [&presentation.media, &presentation.index] {
            if !self.seal_object(&mut tx, layout).await? {
                return Ok(Publish::Swept);
            }
        }
        self.insert(tx, presentation).await
    }

    /// Names a presentation found sealed on the nodes, whose objects need not be known.
    pub async fn adopt(&self, presentation: &Presentation) -> Result<Publish, CatalogError> {
        let mut tx = self.write().await?;
        for layout in [&presentation.media, &presentation.index] {
            sqlx::query(
                "INSERT INTO objects (id, state, layout, owner_host, owner_pid, owner_start, heartbeat)
                 VALUES ($1, 'sealed', $2, '', 0, 0, $3)
                 ON CONFLICT (id) DO UPDATE SET state = 'sealed', layout = excluded.layout",
            )
            .bind(layout.object.to_string())
            .bind(self.layout_text(layout)?)
            .bind(now())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        }
        self.insert(tx, presentation).await
    }

    /// Takes the name away and dooms its objects; their bytes are then for the caller or a sweep to delete.
    pub async fn retire(&self, name: &str) -> Result<Option<Presentation>, CatalogError> {
        let Some(presentation) = self.presentation(name).await? else { return Ok(None) };
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM presentations WHERE id = $1 AND name = $2")
            .bind(presentation.id)
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        if done.rows_affected() != 1 {
            return Ok(None);
        }
        for layout in [&presentation.media, &presentation.index] {
            sqlx::query("UPDATE objects SET state = 'doomed', heartbeat = 0 WHERE id = $1")
                .bind(layout.object.to_string())
                .execute(&mut *tx)
                .await
                .map_err(|error| self.error(error))?;
        }
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(Some(presentation))
    }

    async fn insert(&self, mut tx: Transaction<'static, Sqlite>, new: &Presentation) -> Result<Publish, CatalogError> {
        let known: Option<String> = sqlx::query_scalar("SELECT name FROM presentations WHERE source_hash = $1")
            .bind(&new.source.hash.0[..])
            .fetch_optional(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        if let Some(name) = known {
            return Ok(Publish::AlreadyIn(name));
        }
        if self.is_channel(&mut tx, &new.name).await? {
            return Ok(Publish::NameTaken);
        }
        let id: Option<i64> = sqlx::query_scalar(
            "INSERT INTO presentations
             (name, title, duration_ns, source_hash, source_bytes, created, media_object, index_object)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING id",
        )
        .bind(&new.name)
        .bind(&new.title)
        .bind(new.duration.0)
        .bind(&new.source.hash.0[..])
        .bind(to_sql(new.source.bytes))
        .bind(new.created)
        .bind(new.media.object.to_string())
        .bind(new.index.object.to_string())
        .fetch_optional(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        let Some(id) = id else { return Ok(Publish::NameTaken) };
        for track in &new.tracks {
            sqlx::query(
                "INSERT INTO tracks
                 (presentation, id, media, codec, language, clock_hz, samples, bandwidth_bps, average_bps)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(id)
            .bind(i64::from(track.id))
            .bind(media_text(track.media))
            .bind(&track.codec)
            .bind(&track.language)
            .bind(i64::from(track.clock.hz()))
            .bind(to_sql(track.samples))
            .bind(i64::from(track.bandwidth_bps))
            .bind(i64::from(track.average_bps))
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        }
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(Publish::Named(id))
    }

    async fn select(&self, name: Option<&str>) -> Result<Vec<Presentation>, CatalogError> {
        let mut tx = self.pool.begin().await.map_err(|error| self.error(error))?;
        let rows = sqlx::query(
            "SELECT p.id, p.name, p.title, p.duration_ns, p.source_hash, p.source_bytes, p.created,
                    m.layout AS media, i.layout AS idx
             FROM presentations p
             JOIN objects m ON m.id = p.media_object
             JOIN objects i ON i.id = p.index_object
             WHERE CAST($1 AS TEXT) IS NULL OR p.name = $1 ORDER BY p.name",
        )
        .bind(name)
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        let tracks = sqlx::query(
            "SELECT t.* FROM tracks t JOIN presentations p ON p.id = t.presentation
             WHERE CAST($1 AS TEXT) IS NULL OR p.name = $1 ORDER BY t.presentation, t.id",
        )
        .bind(name)
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        let mut by_presentation: HashMap<i64, Vec<TrackSummary>> = HashMap::new();
        for row in &tracks {
            let (presentation, track) = track(row).map_err(|error| self.error(error))?;
            by_presentation.entry(presentation).or_default().push(track);
        }
        let mut presentations = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut presentation = head(row).map_err(|error| self.error(error))?;
            presentation.tracks = by_presentation.remove(&presentation.id).unwrap_or_default();
            presentations.push(presentation);
        }
        Ok(presentations)
    }

    pub(super) fn layout_text(&self, layout: &Layout) -> Result<String, CatalogError> {
        serde_json::to_string(layout).map_err(|error| self.content(format_args!("layout: {error}")))
    }
}

/// The row without its tracks.
fn head(row: &SqliteRow) -> Result<Presentation, sqlx::Error> {
    let hash: Vec<u8> = row.try_get("source_hash")?;
    let hash = hash.try_into().map_err(|_| sqlx::Error::Decode("a hash of another length than 32 bytes".into()))?;
    Ok(Presentation {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        duration: MediaTime(row.try_get("duration_ns")?),
        source: Source { hash: SourceHash(hash), bytes: unsigned(row, "source_bytes")? },
        created: row.try_get("created")?,
        media: layout(row, "media")?,
        index: layout(row, "idx")?,
        tracks: Vec::new(),
    })
}

pub(super) fn layout(row: &SqliteRow, column: &'static str) -> Result<Layout, sqlx::Error> {
    let text: String = row.try_get(column)?;
    let wrong = |source| sqlx::Error::ColumnDecode { index: column.into(), source };
    let layout: Layout = serde_json::from_str(&text).map_err(|error| wrong(error.into()))?;
    layout.check().map_err(|error| wrong(error.into()))?;
    Ok(layout)
}

fn track(row: &SqliteRow) -> Result<(i64, TrackSummary), sqlx::Error> {
    let media: String = row.try_get("media")?;
    let track = TrackSummary {
        id: unsigned(row, "id")?,
        media: [Media::Audio, Media::Text].into_iter().find(|kind| media == media_text(*kind)).unwrap_or(Media::Video),
        codec: row.try_get("codec")?,
        language: row.try_get("language")?,
        clock: ClockRate::new(unsigned(row, "clock_hz")?).unwrap_or(ClockRate::VIDEO),
        samples: unsigned(row, "samples")?,
        bandwidth_bps: unsigned(row, "bandwidth_bps")?,
        average_bps: unsigned(row, "average_bps")?,
    };
    Ok((row.try_get("presentation")?, track))
}

pub(super) fn unsigned<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| sqlx::Error::ColumnDecode {
        index: column.into(),
        source: format!("{value} is out of range").into(),
    })
}

fn media_text(media: Media) -> &'static str {
    match media {
        Media::Audio => "audio",
        Media::Video => "video",
        Media::Text => "text",
    }
}
