//! The relational catalog: presentations, tracks, channels and their groups, objects and their moves, nodes, jobs, fronts,
//! settings.
//!
//! [`Catalog`] is the one narrow interface; nothing outside this folder sees a database type. Within is
//! SQLite, which several processes may use at once (write-ahead log, a bounded wait for locks). The SQL
//! keeps to what PostgreSQL understands too, `$1` and `ON CONFLICT` included, so that it can become the
//! second back end behind the same methods; only the migrations are written per database.

mod channels;
mod fronts;
mod groups;
mod jobs;
mod moves;
mod nodes;
mod objects;
mod owner;
mod presentations;
mod recorders;
mod rewritten;
mod segments;
mod settings;
mod users;

pub use channels::{ChannelAdded, ChannelReport, FeedState};
pub use fronts::{FrontReport, FrontShare};
pub use groups::GroupLease;
pub use jobs::{Begun, Job, JobKind, JobProgress, JobState};
pub use moves::{Move, MoveState};
pub use nodes::{Intent, Member, Node};
pub use objects::{ObjectRow, ObjectState};
pub use owner::{HEARTBEAT, Owner, STALE};
pub use presentations::Publish;
pub use recorders::Recorder;
pub use rewritten::Rewrite;
pub use segments::Segment;
pub use users::User;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections to the database at most; each has a thread of its own.
const MAX_CONNECTIONS: u32 = 4;
/// Between tries while another process holds what SQLite itself does not wait for.
const RETRY: Duration = Duration::from_millis(20);

/// An open catalog; clones share it.
#[derive(Clone)]
pub struct Catalog {
    pool: SqlitePool,
    place: Arc<Place>,
}

struct Place {
    path: PathBuf,
    busy: Duration,
}

/// How a catalog is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogOptions {
    /// How long to wait for another process's lock before [`CatalogError::Locked`].
    pub busy: Duration,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self { busy: Duration::from_secs(5) }
    }
}

/// What can go wrong with a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Another process held its lock all the time that we were ready to wait.
    #[error("catalog {}: locked by another process for more than {} s", path.display(), busy.as_secs_f32())]
    Locked {
        /// The database file.
        path: PathBuf,
        /// How long we waited.
        busy: Duration,
    },
    /// Its tables are not those of this program.
    #[error("catalog {}: its tables are not this version's: {source}", path.display())]
    Migration {
        /// The database file.
        path: PathBuf,
        /// What differs.
        source: MigrateError,
    },
    /// The database says no.
    #[error("catalog {}: {source}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// As it says.
        source: sqlx::Error,
    },
    /// A row that this program would not have written.
    #[error("catalog {}: {what}", path.display())]
    Content {
        /// The database file.
        path: PathBuf,
        /// Which row, and what is wrong.
        what: String,
    },
}

impl Catalog {
    /// Opens the catalog in the file `path`, creates it where there is none, and brings its tables up to date.
    pub async fn open(path: &Path, options: CatalogOptions) -> Result<Self, CatalogError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An object's row must be there after a power cut, or its bytes on the nodes are never swept.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(options.busy);
        let place = Arc::new(Place { path: path.to_path_buf(), busy: options.busy });
        let start = Instant::now();
        let pool = loop {
            let pool = SqlitePoolOptions::new()
                .max_connections(MAX_CONNECTIONS)
                .acquire_timeout(options.busy + Duration::from_secs(1));
            match pool.connect_with(connect.clone()).await.map_err(|error| place.error(error)) {
                Ok(pool) => break pool,
                // SQLite does not wait for another's lock while a new file is turned to the write-ahead log.
                Err(CatalogError::Locked { .. }) if start.elapsed() < options.busy => tokio::time::sleep(RETRY).await,
                Err(error) => return Err(error),
            }
        };
        let catalog = Self { pool, place };
        catalog.migrate().await?;
        Ok(catalog)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Closes all connections; what was answered before is on disk.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// Two processes may open a new catalog at once: the loser of a step finds it done on the next try.
    async fn migrate(&self) -> Result<(), CatalogError> {
        let start = Instant::now();
        loop {
            let error = match MIGRATIONS.run(&self.pool).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let hopeless = matches!(error, MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_));
            if hopeless || start.elapsed() >= self.place.busy {
                return Err(match error {
                    MigrateError::Execute(error) => self.place.error(error),
                    MigrateError::ExecuteMigration(error, _) => self.place.error(error),
                    source => CatalogError::Migration { path: self.place.path.clone(), source },
                });
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// A transaction that has the right to write from its start: one that asks later can fail halfway.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.error(error))
    }

    fn error(&self, error: sqlx::Error) -> CatalogError {
        self.place.error(error)
    }

    fn content(&self, what: impl std::fmt::Display) -> CatalogError {
        CatalogError::Content { path: self.place.path.clone(), what: what.to_string() }
    }
}

impl Place {
    fn error(&self, error: sqlx::Error) -> CatalogError {
        // SQLITE_BUSY (5) and SQLITE_LOCKED (6) with their extended forms, which keep the low byte.
        let code = match &error {
            sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<u32>().ok()),
            _ => None,
        };
        let locked = code.is_some_and(|code| matches!(code & 0xff, 5 | 6));
        if locked || matches!(error, sqlx::Error::PoolTimedOut) {
            return CatalogError::Locked { path: self.path.clone(), busy: self.busy };
        }
        CatalogError::Database { path: self.path.clone(), source: error }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// SQL's integers are signed; what does not fit is no size of anything that exists.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod tests;
