//! The small tables: nodes, settings, files seen.

use super::{Catalog, CatalogError, now, to_sql};
use crate::presentation::SourceHash;
use sqlx::Row;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use stripes::id::NodeId;

/// A node of the cluster, as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The name that its data folder has.
    pub id: NodeId,
    /// Where it is reached.
    pub url: String,
}

impl Catalog {
    /// All nodes, by id.
    pub async fn nodes(&self) -> Result<Vec<Node>, CatalogError> {
        let rows = sqlx::query("SELECT id, url FROM nodes ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let mut nodes = Vec::with_capacity(rows.len());
        for row in rows {
            let id: String = row.try_get("id").map_err(|error| self.error(error))?;
            let url = row.try_get("url").map_err(|error| self.error(error))?;
            let id = id.parse().map_err(|error| self.content(format_args!("node {id:?}: {error}")))?;
            nodes.push(Node { id, url });
        }
        Ok(nodes)
    }

    /// Adds a node, or says that it has a new address.
    pub async fn put_node(&self, node: &Node) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO nodes (id, url, added) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET url = excluded.url",
        )
        .bind(node.id.to_string())
        .bind(&node.url)
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Takes a node off the list. False where it was not on it.
    pub async fn remove_node(&self, id: NodeId) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM nodes WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// What `key` was set to.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, CatalogError> {
        sqlx::query_scalar("SELECT value FROM settings WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Sets `key` to `value`.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// The hash of the file at `path` when it was last read, if it has kept its size and time of change.
    pub async fn remembered_source(
        &self,
        path: &Path,
        size: u64,
        modified_ns: i64,
    ) -> Result<Option<SourceHash>, CatalogError> {
        let hash: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT hash FROM sources WHERE path = $1 AND size = $2 AND modified_ns = $3")
                .bind(path.as_os_str().as_bytes())
                .bind(to_sql(size))
                .bind(modified_ns)
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        Ok(hash.and_then(|hash| hash.try_into().ok()).map(SourceHash))
    }

    /// Remembers the hash of the file at `path` while it keeps its size and time of change.
    pub async fn remember_source(
        &self,
        path: &Path,
        size: u64,
        modified_ns: i64,
        hash: SourceHash,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO sources (path, size, modified_ns, hash) VALUES ($1, $2, $3, $4)
             ON CONFLICT (path) DO UPDATE
             SET size = excluded.size, modified_ns = excluded.modified_ns, hash = excluded.hash",
        )
        .bind(path.as_os_str().as_bytes())
        .bind(to_sql(size))
        .bind(modified_ns)
        .bind(&hash.0[..])
        .execute(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(())
    }
}
