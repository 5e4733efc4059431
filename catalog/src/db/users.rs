//! Who may watch, and who may publish.

use super::{Catalog, CatalogError, now};
use sqlx::{Row, sqlite::SqliteRow};

/// Somebody who may watch. There is no password, only what Digest authentication needs of it (RFC 7616 3.4.2).
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Unique.
    pub name: String,
    /// For which the hashes were made.
    pub realm: String,
    /// MD5 of `name:realm:password`.
    pub md5: [u8; 16],
    /// SHA-256 of the same.
    pub sha256: [u8; 32],
    /// May bring channels, too.
    pub publishes: bool,
}

impl std::fmt::Debug for User {
    /// Without the hashes: who has them can log in.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Catalog {
    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, CatalogError> {
        let rows =
            sqlx::query("SELECT name, realm, md5, sha256, publishes FROM users ORDER BY name").fetch_all(&self.pool);
        let rows = rows.await.map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.user(row)).collect()
    }

    /// Adds a user, or changes the one of that name; false where `new` and there is one already.
    pub async fn put_user(&self, user: &User, new: bool) -> Result<bool, CatalogError> {
        let on_conflict = match new {
            true => "DO NOTHING",
            false => {
                "(name) DO UPDATE SET realm = excluded.realm, md5 = excluded.md5, sha256 = excluded.sha256,
               publishes = excluded.publishes"
            }
        };
        let sql = format!(
            "INSERT INTO users (name, realm, md5, sha256, publishes, created) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT {on_conflict}"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&user.name)
            .bind(&user.realm)
            .bind(user.md5.as_slice())
            .bind(user.sha256.as_slice())
            .bind(i64::from(user.publishes))
            .bind(now())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes a user; false where there is none of that name.
    pub async fn remove_user(&self, name: &str) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM users WHERE name = $1").bind(name).execute(&self.pool).await;
        Ok(done.map_err(|error| self.error(error))?.rows_affected() > 0)
    }

    fn user(&self, row: &SqliteRow) -> Result<User, CatalogError> {
        let read = || -> Result<_, sqlx::Error> {
            let (md5, sha256): (Vec<u8>, Vec<u8>) = (row.try_get("md5")?, row.try_get("sha256")?);
            let publishes = row.try_get::<i64, _>("publishes")? != 0;
            Ok((row.try_get::<String, _>("name")?, row.try_get("realm")?, md5, sha256, publishes))
        };
        let (name, realm, md5, sha256, publishes) = read().map_err(|error| self.error(error))?;
        let wrong = |_| self.content(format_args!("user {name}: a hash of the wrong length"));
        Ok(User {
            md5: md5.try_into().map_err(wrong)?,
            sha256: sha256.try_into().map_err(wrong)?,
            realm,
            publishes,
            name: name.clone(),
        })
    }
}
