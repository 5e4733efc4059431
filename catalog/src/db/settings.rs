//! The small tables: settings, files seen.

use super::{Catalog, CatalogError, to_sql};
use crate::presentation::SourceHash;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Catalog {
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
