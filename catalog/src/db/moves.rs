//! Objects on their way from one layout to another, each step of it safe to break off.
//!
//! `begin_move` (the old layout holds) -> units copied -> `commit_move` (the new one holds) -> a while for those who
//! still read by the old one -> what only that needs is dropped -> `end_move`.

use super::{Catalog, CatalogError, now};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use stripes::id::ObjectId;
use stripes::layout::Layout;

/// An object that lies by two layouts, at least in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it came from.
    pub old: Layout,
    /// Where it goes.
    pub new: Layout,
    /// Which of them holds.
    pub state: MoveState,
    /// Since when, seconds since 1970.
    pub since: i64,
}

/// Which layout of a moving object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// The old one.
    Copying,
    /// The new one; the old one's own units are to be dropped.
    Committed,
}

impl MoveState {
    fn word(self) -> &'static str {
        match self {
            MoveState::Copying => "copying",
            MoveState::Committed => "committed",
        }
    }
}

impl Catalog {
    /// Puts a move on the books, before its first unit is copied; in the stead of an earlier one of that object. False
    /// where the object is not sealed with just that old layout.
    pub async fn begin_move(&self, old: &Layout, new: &Layout) -> Result<bool, CatalogError> {
        let mut tx = self.write().await?;
        if !self.lies_by(&mut tx, old).await? {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO moves (object, old_layout, new_layout, state, since) VALUES ($1, $2, $3, 'copying', $4)
             ON CONFLICT (object) DO UPDATE SET old_layout = excluded.old_layout, new_layout = excluded.new_layout,
               state = excluded.state, since = excluded.since",
        )
        .bind(old.object.to_string())
        .bind(self.layout_text(old)?)
        .bind(self.layout_text(new)?)
        .bind(now())
        .execute(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(true)
    }

    /// Whether an object is sealed and lies by just that layout.
    pub(super) async fn lies_by(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        layout: &Layout,
    ) -> Result<bool, CatalogError> {
        let holds: Option<String> = sqlx::query_scalar("SELECT layout FROM objects WHERE id = $1 AND state = 'sealed'")
            .bind(layout.object.to_string())
            .fetch_optional(&mut **tx)
            .await
            .map_err(|error| self.error(error))?;
        Ok(holds.map(|text| self.layout_from(&text)).transpose()?.as_ref() == Some(layout))
    }

    /// The number by which those who have seen the ones before find what changes now (see [`Catalog::moved_since`]).
    pub(super) async fn next_moved(&self, tx: &mut Transaction<'static, Sqlite>) -> Result<i64, CatalogError> {
        sqlx::query_scalar("UPDATE last_moved SET number = number + 1 RETURNING number")
            .fetch_one(&mut **tx)
            .await
            .map_err(|error| self.error(error))
    }

    /// From now on `new` holds: all its units are there and sealed. False where the object is not sealed any more (its
    /// presentation was removed) or not on the move.
    pub async fn commit_move(&self, new: &Layout) -> Result<bool, CatalogError> {
        let mut tx = self.write().await?;
        let (object, text) = (new.object.to_string(), self.layout_text(new)?);
        let moved = self.next_moved(&mut tx).await?;
        let done = sqlx::query(
            "UPDATE objects SET layout = $2, moved = $3
             WHERE id = $1 AND state = 'sealed'
               AND EXISTS (SELECT 1 FROM moves WHERE object = $1 AND state = 'copying')",
        )
        .bind(&object)
        .bind(&text)
        .bind(moved)
        .execute(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        if done.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query("UPDATE moves SET new_layout = $2, state = $3, since = $4 WHERE object = $1")
            .bind(&object)
            .bind(&text)
            .bind(MoveState::Committed.word())
            .bind(now())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(true)
    }

    /// Takes a move off the books: no unit is left that only the layout that does not hold needs.
    pub async fn end_move(&self, object: ObjectId) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM moves WHERE object = $1")
            .bind(object.to_string())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// All moves on the books, the oldest first.
    pub async fn moves(&self) -> Result<Vec<Move>, CatalogError> {
        let rows = sqlx::query("SELECT old_layout, new_layout, state, since FROM moves ORDER BY since, object")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.move_of(row)).collect()
    }

    /// The layouts that were committed after number `seen`, and the highest number there is.
    pub async fn moved_since(&self, seen: i64) -> Result<(Vec<Layout>, i64), CatalogError> {
        let rows =
            sqlx::query("SELECT layout, moved FROM objects WHERE moved > $1 AND state = 'sealed' ORDER BY moved")
                .bind(seen)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        let (mut layouts, mut highest) = (Vec::with_capacity(rows.len()), seen);
        for row in &rows {
            let get = || -> Result<(String, i64), sqlx::Error> { Ok((row.try_get("layout")?, row.try_get("moved")?)) };
            let (text, moved) = get().map_err(|error| self.error(error))?;
            layouts.push(self.layout_from(&text)?);
            highest = highest.max(moved);
        }
        Ok((layouts, highest))
    }

    /// The layouts of all sealed objects.
    pub async fn sealed_layouts(&self) -> Result<Vec<Layout>, CatalogError> {
        let texts: Vec<String> = sqlx::query_scalar("SELECT layout FROM objects WHERE state = 'sealed' ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        texts.iter().map(|text| self.layout_from(text)).collect()
    }

    /// Where an object lies that is sealed; `None` where it is not, or not any more.
    pub async fn sealed_layout(&self, object: ObjectId) -> Result<Option<Layout>, CatalogError> {
        let text: Option<String> = sqlx::query_scalar("SELECT layout FROM objects WHERE id = $1 AND state = 'sealed'")
            .bind(object.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        text.map(|text| self.layout_from(&text)).transpose()
    }

    /// Whether an object is still sealed, so that its units are somebody's.
    pub async fn is_sealed(&self, object: ObjectId) -> Result<bool, CatalogError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM objects WHERE id = $1 AND state = 'sealed')")
            .bind(object.to_string())
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    fn move_of(&self, row: &SqliteRow) -> Result<Move, CatalogError> {
        let get = || -> Result<_, sqlx::Error> {
            let (old, new): (String, String) = (row.try_get("old_layout")?, row.try_get("new_layout")?);
            Ok((old, new, row.try_get::<String, _>("state")?, row.try_get("since")?))
        };
        let (old, new, state, since) = get().map_err(|error| self.error(error))?;
        let committed = state == MoveState::Committed.word();
        let state = if committed { MoveState::Committed } else { MoveState::Copying };
        Ok(Move { old: self.layout_from(&old)?, new: self.layout_from(&new)?, state, since })
    }

    pub(super) fn layout_from(&self, text: &str) -> Result<Layout, CatalogError> {
        let layout: Layout =
            serde_json::from_str(text).map_err(|error| self.content(format_args!("layout: {error}")))?;
        layout.check().map_err(|error| self.content(format_args!("layout: {error}")))?;
        Ok(layout)
    }
}
