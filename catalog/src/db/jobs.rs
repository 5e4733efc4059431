//! Work on the cluster, one at a time over all processes.

use super::{Catalog, CatalogError, Owner, now, to_sql};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stripes::id::NodeId;

/// Jobs that are kept for `cluster status`; older ones are forgotten when another begins.
const KEPT_JOBS: i64 = 100;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Spreads all films evenly over the active nodes.
    Rebalance,
    /// Moves everything off a node.
    Drain,
    /// The same, and then the node is not asked any more.
    Remove,
    /// Writes anew what is missing.
    Rebuild,
    /// Reads everything and writes anew what is bad.
    Scrub,
}

impl JobKind {
    const ALL: [(JobKind, &str); 5] = [
        (JobKind::Rebalance, "rebalance"),
        (JobKind::Drain, "drain"),
        (JobKind::Remove, "remove"),
        (JobKind::Rebuild, "rebuild"),
        (JobKind::Scrub, "scrub"),
    ];

    /// As the command is called.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("rebalance", |(_, word)| word)
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Its process works on it.
    Running,
    /// Its process ended before it did: the same command goes on with it.
    BrokenOff,
    /// All of it is done.
    Done,
    /// It ended with an error, which its note says.
    Failed,
}

impl JobState {
    /// For people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            JobState::Running => "running",
            JobState::BrokenOff => "broken off",
            JobState::Done => "done",
            JobState::Failed => "failed",
        }
    }
}

/// A job on the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// What it does.
    pub kind: JobKind,
    /// To which node, where to one.
    pub node: Option<NodeId>,
    /// How it stands.
    pub state: JobState,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, as far as known.
    pub total: u64,
    /// Units found bad or missing.
    pub bad: u64,
    /// Of those, written anew.
    pub repaired: u64,
    /// What there is to say of it.
    pub note: String,
    /// When it was begun, seconds since 1970.
    pub begun: i64,
    /// When its process last said that it lives, seconds since 1970.
    pub heartbeat: i64,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobProgress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, as far as known.
    pub total: u64,
    /// Units found bad or missing.
    pub bad: u64,
    /// Of those, written anew.
    pub repaired: u64,
}

/// What came of beginning a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is ours; this is its number.
    Job(i64),
    /// Another one runs.
    Busy(Box<Job>),
}

impl Catalog {
    /// Begins a job, unless one of a living process runs: two that move the same units would undo each other. One
    /// of a dead process with the same kind and node is gone on with.
    pub async fn begin_job(&self, kind: JobKind, node: Option<NodeId>) -> Result<Begun, CatalogError> {
        let mut tx = self.write().await?;
        let rows = sqlx::query("SELECT * FROM jobs WHERE state = 'running' ORDER BY id")
            .fetch_all(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        let mut resumed = None;
        for row in &rows {
            let job = self.job(row)?;
            match job.state {
                JobState::Running => return Ok(Begun::Busy(Box::new(job))),
                _ if job.kind == kind && job.node == node => resumed = Some(job.id),
                _ => {}
            }
        }
        let owner = Owner::this_process();
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO jobs (id, kind, node, state, begun, owner_host, owner_pid, owner_start, heartbeat)
             VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $4)
             ON CONFLICT (id) DO UPDATE SET owner_host = excluded.owner_host, owner_pid = excluded.owner_pid,
               owner_start = excluded.owner_start, heartbeat = excluded.heartbeat RETURNING id",
        )
        .bind(resumed)
        .bind(kind.word())
        .bind(node.map(|node| node.to_string()))
        .bind(now())
        .bind(&owner.host)
        .bind(owner.pid)
        .bind(owner.start)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        sqlx::query("DELETE FROM jobs WHERE id <= $1 AND state <> 'running'")
            .bind(id.saturating_sub(KEPT_JOBS))
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(Begun::Job(id))
    }

    /// Says how far a job is, and so that its process lives.
    pub async fn job_progress(&self, id: i64, progress: &JobProgress) -> Result<(), CatalogError> {
        sqlx::query("UPDATE jobs SET done = $2, total = $3, heartbeat = $4, bad = $5, repaired = $6 WHERE id = $1")
            .bind(id)
            .bind(to_sql(progress.done))
            .bind(to_sql(progress.total))
            .bind(now())
            .bind(to_sql(progress.bad))
            .bind(to_sql(progress.repaired))
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Ends a job, well or not.
    pub async fn end_job(&self, id: i64, good: bool, note: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE jobs SET state = $2, note = $3, heartbeat = $4 WHERE id = $1")
            .bind(id)
            .bind(if good { "done" } else { "failed" })
            .bind(note)
            .bind(now())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// The jobs on the books, the latest first.
    pub async fn jobs(&self) -> Result<Vec<Job>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM jobs ORDER BY id DESC")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.job(row)).collect()
    }

    /// As if `owner` ran all jobs.
    #[cfg(test)]
    pub(crate) async fn give_jobs_to(&self, owner: &Owner) {
        let query = sqlx::query("UPDATE jobs SET owner_host = $1, owner_pid = $2, owner_start = $3");
        query.bind(&owner.host).bind(owner.pid).bind(owner.start).execute(&self.pool).await.unwrap();
    }

    fn job(&self, row: &SqliteRow) -> Result<Job, CatalogError> {
        let get = || -> Result<_, sqlx::Error> {
            let owner = Owner {
                host: row.try_get("owner_host")?,
                pid: row.try_get("owner_pid")?,
                start: row.try_get("owner_start")?,
            };
            let heartbeat: i64 = row.try_get("heartbeat")?;
            let state = match row.try_get::<String, _>("state")?.as_str() {
                "done" => JobState::Done,
                "failed" => JobState::Failed,
                _ if owner.is_alive(heartbeat, now()) => JobState::Running,
                _ => JobState::BrokenOff,
            };
            let job = Job {
                id: row.try_get("id")?,
                kind: JobKind::Rebalance,
                node: None,
                state,
                done: count(row.try_get("done")?),
                total: count(row.try_get("total")?),
                bad: count(row.try_get("bad")?),
                repaired: count(row.try_get("repaired")?),
                note: row.try_get("note")?,
                begun: row.try_get("begun")?,
                heartbeat,
            };
            Ok((job, row.try_get::<String, _>("kind")?, row.try_get::<Option<String>, _>("node")?))
        };
        let (job, kind, node) = get().map_err(|error| self.error(error))?;
        let known = JobKind::ALL.iter().find(|(_, word)| *word == kind);
        let kind = known.ok_or_else(|| self.content(format_args!("job {}: kind {kind:?}", job.id)))?.0;
        let node = node.map(|id| id.parse().map_err(|error| self.content(format_args!("node {id:?}: {error}"))));
        Ok(Job { kind, node: node.transpose()?, ..job })
    }
}

pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
