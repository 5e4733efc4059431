//! Which objects may have bytes on the nodes, and who writes those that are not sealed.

use super::{Catalog, CatalogError, Owner, now};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::HashSet;
use stripes::id::ObjectId;
use stripes::layout::Layout;

/// How far an object has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectState {
    /// Its owner writes it; nobody names it.
    Writing,
    /// A presentation names it.
    Sealed,
    /// Nobody names it and its bytes are to be deleted.
    Doomed,
}

/// An object that is not sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// Its id.
    pub id: ObjectId,
    /// Writing or doomed.
    pub state: ObjectState,
    /// Who writes it, or did.
    pub owner: Owner,
    /// When the owner last said that it lives; of a doomed object, when its writing was broken off, 0 where it had been
    /// sealed, or until when it may still be read where another took its place. Seconds since 1970.
    pub heartbeat: i64,
}

impl Catalog {
    /// Notes that this process is about to write `object`; comes before its first byte.
    pub async fn begin_object(&self, object: ObjectId) -> Result<(), CatalogError> {
        let owner = Owner::this_process();
        sqlx::query(
            "INSERT INTO objects (id, state, owner_host, owner_pid, owner_start, heartbeat)
             VALUES ($1, 'writing', $2, $3, $4, $5)",
        )
        .bind(object.to_string())
        .bind(&owner.host)
        .bind(owner.pid)
        .bind(owner.start)
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Names an object's layout that this process has written and sealed on the nodes. False where a sweep took it for a
    /// dead process's.
    pub(super) async fn seal_object(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        layout: &Layout,
    ) -> Result<bool, CatalogError> {
        let owner = Owner::this_process();
        let done = sqlx::query(
            "UPDATE objects SET state = 'sealed', layout = $2 WHERE id = $1 AND state = 'writing'
             AND owner_host = $3 AND owner_pid = $4 AND owner_start = $5",
        )
        .bind(layout.object.to_string())
        .bind(self.layout_text(layout)?)
        .bind(&owner.host)
        .bind(owner.pid)
        .bind(owner.start)
        .execute(&mut **tx)
        .await
        .map_err(|error| self.error(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Says that the writer of `object` lives. False where it is not written any more: a sweep took it.
    pub async fn heartbeat(&self, object: ObjectId) -> Result<bool, CatalogError> {
        let done = sqlx::query("UPDATE objects SET heartbeat = $2 WHERE id = $1 AND state = 'writing'")
            .bind(object.to_string())
            .bind(now())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Marks an object that is not sealed as to be deleted. `seen` is the heartbeat by which its owner was
    /// found dead; a later one saves it. `None` is the owner's own word. False where nothing was marked.
    pub async fn doom_object(&self, object: ObjectId, seen: Option<i64>) -> Result<bool, CatalogError> {
        let done = sqlx::query(
            "UPDATE objects SET state = 'doomed', heartbeat = $3
             WHERE id = $1 AND state = 'writing' AND heartbeat = COALESCE($2, heartbeat)",
        )
        .bind(object.to_string())
        .bind(seen)
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a doomed object off the books: its bytes are gone from every node.
    pub async fn forget_object(&self, object: ObjectId) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM objects WHERE id = $1 AND state = 'doomed'")
            .bind(object.to_string())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// All objects that are not sealed.
    pub async fn unsealed_objects(&self) -> Result<Vec<ObjectRow>, CatalogError> {
        let rows = sqlx::query(
            "SELECT id, state, owner_host, owner_pid, owner_start, heartbeat FROM objects
             WHERE state <> 'sealed' ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.object_row(row)).collect()
    }

    /// The ids of all objects, whatever their state.
    pub async fn known_objects(&self) -> Result<HashSet<ObjectId>, CatalogError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM objects")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        ids.iter().map(|id| self.object_id(id)).collect()
    }

    /// As if `owner` wrote all that is being written.
    #[cfg(test)]
    pub(crate) async fn give_all_to(&self, owner: &Owner) {
        let give = "UPDATE objects SET owner_host = $1, owner_pid = $2, owner_start = $3 WHERE state = 'writing'";
        let query = sqlx::query(give).bind(&owner.host).bind(owner.pid).bind(owner.start);
        query.execute(&self.pool).await.unwrap();
    }

    fn object_row(&self, row: &SqliteRow) -> Result<ObjectRow, CatalogError> {
        let get = || -> Result<_, sqlx::Error> {
            let owner = Owner {
                host: row.try_get("owner_host")?,
                pid: row.try_get("owner_pid")?,
                start: row.try_get("owner_start")?,
            };
            Ok((row.try_get::<String, _>("id")?, row.try_get::<String, _>("state")?, owner, row.try_get("heartbeat")?))
        };
        let (id, state, owner, heartbeat) = get().map_err(|error| self.error(error))?;
        let state = if state == "doomed" { ObjectState::Doomed } else { ObjectState::Writing };
        Ok(ObjectRow { id: self.object_id(&id)?, state, owner, heartbeat })
    }

    pub(super) fn object_id(&self, text: &str) -> Result<ObjectId, CatalogError> {
        text.parse().map_err(|error| self.content(format_args!("object {text:?}: {error}")))
    }
}
