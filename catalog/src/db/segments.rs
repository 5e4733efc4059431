//! What channels keep of themselves, stretch by stretch.

use super::presentations::layout;
use super::{Catalog, CatalogError, to_sql};
use rtp::clock::MediaTime;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::ops::Range;
use stripes::id::ObjectId;
use stripes::layout::Layout;

/// A stretch of a channel's time, kept in one sealed object: first the samples, then their tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Whose.
    pub channel: String,
    /// Names its timeline: when that began, nanoseconds since 1970. Segments with the same are on one line.
    pub line_ns: i64,
    /// On that line, from the first decoding to the end of the last showing.
    pub span: Range<MediaTime>,
    /// When it begins by the wall clock, nanoseconds since 1970: a feed's clock, which the line follows, is its own.
    pub begun_ns: i64,
    /// Its byte where the samples end and the tables begin.
    pub index_at: u64,
    /// The object.
    pub layout: Layout,
}

impl Segment {
    /// When it ends by the wall clock, nanoseconds since 1970.
    pub fn end_ns(&self) -> i64 {
        self.begun_ns.saturating_add(self.span.end.0.saturating_sub(self.span.start.0))
    }
}

impl Catalog {
    /// Names a segment whose object this process has written and sealed. False where a sweep took it for a dead process's.
    pub async fn publish_segment(&self, segment: &Segment) -> Result<bool, CatalogError> {
        let mut tx = self.write().await?;
        if !self.seal_object(&mut tx, &segment.layout).await? {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO segments (object, channel, line_ns, start_ns, end_ns, begun_ns, index_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(segment.layout.object.to_string())
        .bind(&segment.channel)
        .bind(segment.line_ns)
        .bind(segment.span.start.0)
        .bind(segment.span.end.0)
        .bind(segment.begun_ns)
        .bind(to_sql(segment.index_at))
        .execute(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(true)
    }

    /// What is kept of a channel, the oldest first.
    pub async fn segments(&self, channel: &str) -> Result<Vec<Segment>, CatalogError> {
        self.segments_after(channel, i64::MIN).await
    }

    /// The same of what begins later than an instant of the wall clock, nanoseconds since 1970.
    pub async fn segments_after(&self, channel: &str, after_ns: i64) -> Result<Vec<Segment>, CatalogError> {
        let rows = sqlx::query(
            "SELECT s.channel, s.line_ns, s.start_ns, s.end_ns, s.begun_ns, s.index_at, o.layout
             FROM segments s JOIN objects o ON o.id = s.object
             WHERE s.channel = $1 AND s.begun_ns > $2 ORDER BY s.begun_ns",
        )
        .bind(channel)
        .bind(after_ns)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(|row| segment(row).map_err(|error| self.error(error))).collect()
    }

    /// The channels of which something is kept.
    pub async fn kept_channels(&self) -> Result<Vec<String>, CatalogError> {
        sqlx::query_scalar("SELECT DISTINCT channel FROM segments ORDER BY channel")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Takes what ended before an instant of the wall clock (nanoseconds since 1970; `None`: all) off a channel and
    /// dooms its objects; their bytes are then for the caller or a sweep to delete.
    pub async fn retire_segments(&self, channel: &str, before_ns: Option<i64>) -> Result<Vec<ObjectId>, CatalogError> {
        let mut tx = self.write().await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "DELETE FROM segments WHERE channel = $1
               AND begun_ns + end_ns - start_ns <= COALESCE($2, begun_ns + end_ns - start_ns) RETURNING object",
        )
        .bind(channel)
        .bind(before_ns)
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        for id in &ids {
            sqlx::query("UPDATE objects SET state = 'doomed', heartbeat = 0 WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(|error| self.error(error))?;
        }
        tx.commit().await.map_err(|error| self.error(error))?;
        ids.iter().map(|id| self.object_id(id)).collect()
    }
}

fn segment(row: &SqliteRow) -> Result<Segment, sqlx::Error> {
    let index_at: i64 = row.try_get("index_at")?;
    Ok(Segment {
        channel: row.try_get("channel")?,
        line_ns: row.try_get("line_ns")?,
        begun_ns: row.try_get("begun_ns")?,
        span: MediaTime(row.try_get("start_ns")?)..MediaTime(row.try_get("end_ns")?),
        index_at: u64::try_from(index_at).unwrap_or(0),
        layout: layout(row, "layout")?,
    })
}
