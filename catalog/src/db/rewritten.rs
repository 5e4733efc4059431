//! Objects written anew as other ones, as their rows are to be of another width: what named the old ones names the new
//! ones from one moment to the next.

use super::{Catalog, CatalogError, now};
use sqlx::{Row, Sqlite, Transaction};
use std::time::Duration;
use stripes::id::ObjectId;
use stripes::layout::Layout;

/// An object, and the one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// As the catalog names it.
    pub old: Layout,
    /// Written by this process and sealed on the nodes.
    pub new: Layout,
}

impl Catalog {
    /// Names a film's new media and index objects in the stead of the old ones. These are doomed, but a sweep leaves them
    /// their bytes for so long: fronts may read them until they have heard of it. False, and nothing is changed, where
    /// the film does not lie by the old layouts any more, or a sweep took the new objects for a dead process's.
    ///
    /// # Errors
    /// The catalog can't be written.
    pub async fn rewrite_film(&self, media: &Rewrite, index: &Rewrite, grace: Duration) -> Result<bool, CatalogError> {
        let mut tx = self.write().await?;
        for one in [media, index] {
            if !self.take_place(&mut tx, one, grace).await? {
                return Ok(false);
            }
        }
        let named = sqlx::query(
            "UPDATE presentations SET media_object = $3, index_object = $4 WHERE media_object = $1 AND index_object = $2",
        )
        .bind(media.old.object.to_string())
        .bind(index.old.object.to_string())
        .bind(media.new.object.to_string())
        .bind(index.new.object.to_string())
        .execute(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        if named.rows_affected() != 1 {
            return Ok(false);
        }
        // Not the index: its bytes differ, as it names the media. Who has begun to read it ends with the old one.
        self.lead(&mut tx, media).await?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(true)
    }

    /// The same of a segment of a channel.
    ///
    /// # Errors
    /// The catalog can't be written.
    pub async fn rewrite_segment(&self, segment: &Rewrite, grace: Duration) -> Result<bool, CatalogError> {
        let mut tx = self.write().await?;
        if !self.take_place(&mut tx, segment, grace).await? {
            return Ok(false);
        }
        let named = sqlx::query("UPDATE segments SET object = $2 WHERE object = $1")
            .bind(segment.old.object.to_string())
            .bind(segment.new.object.to_string())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        if named.rows_affected() != 1 {
            return Ok(false);
        }
        self.lead(&mut tx, segment).await?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(true)
    }

    /// The objects that took the place of others, each with the old one's id: those that were written or have moved
    /// after number `seen` (see [`Catalog::moved_since`]).
    ///
    /// # Errors
    /// The catalog can't be read.
    pub async fn rewritten_since(&self, seen: i64) -> Result<Vec<(ObjectId, Layout)>, CatalogError> {
        let rows = sqlx::query(
            "SELECT r.old, o.layout FROM rewritten r JOIN objects o ON o.id = r.object
             WHERE o.moved > $1 AND o.state = 'sealed' ORDER BY o.moved, r.old",
        )
        .bind(seen)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        let pair = |row: &sqlx::sqlite::SqliteRow| {
            let get = || -> Result<(String, String), sqlx::Error> { Ok((row.try_get("old")?, row.try_get("layout")?)) };
            let (old, text) = get().map_err(|error| self.error(error))?;
            Ok((self.object_id(&old)?, self.layout_from(&text)?))
        };
        rows.iter().map(pair).collect()
    }

    /// Seals the new object and dooms the old one. False where either is not what it should be.
    async fn take_place(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        one: &Rewrite,
        grace: Duration,
    ) -> Result<bool, CatalogError> {
        let until = now().saturating_add(i64::try_from(grace.as_secs()).unwrap_or(i64::MAX));
        if !self.lies_by(tx, &one.old).await? || !self.seal_object(tx, &one.new).await? {
            return Ok(false);
        }
        sqlx::query("UPDATE objects SET state = 'doomed', heartbeat = $2 WHERE id = $1")
            .bind(one.old.object.to_string())
            .bind(until)
            .execute(&mut **tx)
            .await
            .map_err(|error| self.error(error))?;
        // A move of the old one that broke off needs no end: all its bytes go.
        sqlx::query("DELETE FROM moves WHERE object = $1")
            .bind(one.old.object.to_string())
            .execute(&mut **tx)
            .await
            .map_err(|error| self.error(error))?;
        Ok(true)
    }

    /// Leads whoever reads the old object, or one of which it had taken the place, to the new one.
    async fn lead(&self, tx: &mut Transaction<'static, Sqlite>, one: &Rewrite) -> Result<(), CatalogError> {
        let (old, new) = (one.old.object.to_string(), one.new.object.to_string());
        for statement in [
            "UPDATE rewritten SET object = $2 WHERE object = $1",
            "INSERT INTO rewritten (old, object) VALUES ($1, $2)",
        ] {
            let query = sqlx::query(statement).bind(&old).bind(&new);
            query.execute(&mut **tx).await.map_err(|error| self.error(error))?;
        }
        let moved = self.next_moved(tx).await?;
        sqlx::query("UPDATE objects SET moved = $2 WHERE id = $1")
            .bind(&new)
            .bind(moved)
            .execute(&mut **tx)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }
}
