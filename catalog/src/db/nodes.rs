//! The nodes of the cluster and what is wanted of each: the intent, the same for all fronts. What a front sees of
//! a node (`stripes::membership`) is another thing and never kept here.

use super::{Catalog, CatalogError, now, to_sql};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stripes::id::NodeId;

/// A node of the cluster, as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The name that its data folder has.
    pub id: NodeId,
    /// Where it is reached.
    pub url: String,
}

/// What is wanted of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It takes new films and keeps what it has.
    Active,
    /// It takes nothing new, and what it has goes elsewhere.
    Draining,
    /// It is not asked any more.
    Removed,
}

impl Intent {
    const ALL: [(Intent, &str); 3] =
        [(Intent::Active, "active"), (Intent::Draining, "draining"), (Intent::Removed, "removed")];

    /// As it is kept and shown.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(intent, _)| *intent == self).map_or("active", |(_, word)| word)
    }
}

/// A node with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name and address.
    pub node: Node,
    /// What is wanted of it.
    pub intent: Intent,
    /// Bytes a second that it reads, measured or told; unknown for most.
    pub read_rate: Option<u64>,
}

impl Catalog {
    /// All nodes that are asked for anything (active or draining), by id.
    pub async fn nodes(&self) -> Result<Vec<Node>, CatalogError> {
        let members = self.members().await?;
        Ok(members.into_iter().filter(|m| m.intent != Intent::Removed).map(|member| member.node).collect())
    }

    /// All nodes that ever were and were not forgotten, by id.
    pub async fn members(&self) -> Result<Vec<Member>, CatalogError> {
        let rows = sqlx::query("SELECT id, url, intent, read_rate FROM nodes ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.member(row)).collect()
    }

    /// Adds a node, or says that it has a new address. Of one that is known already the rest stays as it is.
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

    /// Says what is wanted of a node. False where there is no such node.
    pub async fn set_intent(&self, id: NodeId, intent: Intent) -> Result<bool, CatalogError> {
        let done = sqlx::query("UPDATE nodes SET intent = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(intent.word())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps the bytes a second that a node reads.
    pub async fn set_read_rate(&self, id: NodeId, rate: Option<u64>) -> Result<(), CatalogError> {
        sqlx::query("UPDATE nodes SET read_rate = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(rate.map(to_sql))
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    fn member(&self, row: &SqliteRow) -> Result<Member, CatalogError> {
        let get = || -> Result<_, sqlx::Error> {
            let rate: Option<i64> = row.try_get("read_rate")?;
            Ok((row.try_get::<String, _>("id")?, row.try_get("url")?, row.try_get::<String, _>("intent")?, rate))
        };
        let (id, url, intent, rate) = get().map_err(|error| self.error(error))?;
        let id = id.parse().map_err(|error| self.content(format_args!("node {id:?}: {error}")))?;
        let intent = Intent::ALL.iter().find(|(_, word)| *word == intent).map_or(Intent::Active, |(intent, _)| *intent);
        Ok(Member { node: Node { id, url }, intent, read_rate: rate.map(|rate| u64::try_from(rate).unwrap_or(0)) })
    }
}
