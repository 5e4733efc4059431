//! Multicast groups, leased by the fronts that send to them.

use super::{Catalog, CatalogError, now};
use sqlx::{Row, sqlite::SqliteRow};
use std::net::IpAddr;

/// A group with its ports, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLease {
    /// What is sent to it.
    pub channel: String,
    /// Who sends.
    pub front: String,
    /// The group.
    pub address: IpAddr,
    /// RTP of the first track.
    pub port: u16,
    /// Pairs of ports from there on.
    pub pairs: u16,
    /// Seconds since 1970; after that anybody may take it.
    pub until: i64,
}

impl GroupLease {
    fn overlaps(&self, other: &GroupLease) -> bool {
        let end = |lease: &GroupLease| u32::from(lease.port) + 2 * u32::from(lease.pairs);
        self.address == other.address && u32::from(self.port) < end(other) && u32::from(other.port) < end(self)
    }

    fn is_of(&self, other: &GroupLease) -> bool {
        self.channel == other.channel && self.front == other.front
    }
}

impl Catalog {
    /// All leases, also those that have run out.
    pub async fn group_leases(&self) -> Result<Vec<GroupLease>, CatalogError> {
        let rows = sqlx::query(
            "SELECT channel, front, address, port, pairs, until FROM multicast_groups ORDER BY address, port",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.lease(row)).collect()
    }

    /// Leases a group for `seconds` from now on, in the stead of what that channel of that front had (`until` is not
    /// looked at), or renews it. Answers who has it where it is taken: any of its ports, or any port of the group where
    /// it must be `alone` there.
    pub async fn lease_group(
        &self,
        lease: &GroupLease,
        alone: bool,
        seconds: i64,
    ) -> Result<Result<(), GroupLease>, CatalogError> {
        let mut tx = self.write().await?;
        let rows =
            sqlx::query("SELECT channel, front, address, port, pairs, until FROM multicast_groups WHERE address = $1")
                .bind(lease.address.to_string())
                .fetch_all(&mut *tx)
                .await
                .map_err(|error| self.error(error))?;
        let now = now();
        for row in &rows {
            let other = self.lease(row)?;
            if other.is_of(lease) || !(alone || other.overlaps(lease)) {
                continue;
            }
            if other.until > now {
                return Ok(Err(other));
            }
            delete(&mut tx, &other).await.map_err(|error| self.error(error))?;
        }
        delete(&mut tx, lease).await.map_err(|error| self.error(error))?;
        sqlx::query("INSERT INTO multicast_groups (channel, front, address, port, pairs, until) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(&lease.channel)
            .bind(&lease.front)
            .bind(lease.address.to_string())
            .bind(i64::from(lease.port))
            .bind(i64::from(lease.pairs))
            .bind(now.saturating_add(seconds))
            .execute(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(Ok(()))
    }

    /// Gives a channel's group back. It is kept for its next time as long as nobody else wants it.
    pub async fn end_group_lease(&self, channel: &str, front: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE multicast_groups SET until = 0 WHERE channel = $1 AND front = $2")
            .bind(channel)
            .bind(front)
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    fn lease(&self, row: &SqliteRow) -> Result<GroupLease, CatalogError> {
        let get = || -> Result<_, sqlx::Error> {
            let (address, port, pairs): (String, i64, i64) =
                (row.try_get("address")?, row.try_get("port")?, row.try_get("pairs")?);
            Ok((row.try_get("channel")?, row.try_get("front")?, address, port, pairs, row.try_get("until")?))
        };
        let (channel, front, address, port, pairs, until) = get().map_err(|error| self.error(error))?;
        let wrong = || self.content(format_args!("group {address}:{port} of {pairs} pairs is none"));
        let address_read = address.parse().map_err(|_| wrong())?;
        let (port_read, pairs_read) = (u16::try_from(port).ok(), u16::try_from(pairs).ok());
        let (port, pairs) = port_read.zip(pairs_read).ok_or_else(wrong)?;
        Ok(GroupLease { channel, front, address: address_read, port, pairs, until })
    }
}

async fn delete(tx: &mut sqlx::Transaction<'_, sqlx::Sqlite>, lease: &GroupLease) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM multicast_groups WHERE channel = $1 AND front = $2";
    sqlx::query(sql).bind(&lease.channel).bind(&lease.front).execute(&mut **tx).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::CatalogOptions;

    fn lease(channel: &str, front: &str, address: &str, port: u16) -> GroupLease {
        let (channel, front) = (channel.into(), front.into());
        GroupLease { channel, front, address: address.parse().unwrap(), port, pairs: 2, until: 0 }
    }

    #[tokio::test]
    async fn a_group_is_one_channels_until_its_lease_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        // Two fronts: each has its own connections.
        let one = Catalog::open(&path, CatalogOptions::default()).await.unwrap();
        let two = Catalog::open(&path, CatalogOptions::default()).await.unwrap();
        // Who asks, for what, whether alone, for how many seconds, and who has it already.
        let cases = [
            (&one, lease("news", "a", "239.255.1.1", 5000), true, 60, None),
            (&one, lease("news", "a", "239.255.1.1", 5000), true, 60, None),
            (&two, lease("news", "b", "239.255.1.1", 5000), true, 60, Some("a")),
            (&two, lease("news", "b", "239.255.1.1", 6000), true, 60, Some("a")),
            (&two, lease("news", "b", "239.255.1.1", 6000), false, 60, None),
            (&two, lease("film", "b", "239.255.1.1", 5002), false, 60, Some("a")),
            (&two, lease("film", "b", "239.255.1.1", 4996), false, 60, None),
            (&one, lease("film", "a", "ff15::1", 5000), true, 60, None),
            (&one, lease("news", "a", "239.255.1.2", 5000), true, 0, None),
            (&two, lease("more", "b", "239.255.1.1", 5000), false, 60, None),
            (&two, lease("most", "b", "239.255.1.2", 5002), false, 60, None),
        ];
        for (at, (catalog, lease, alone, seconds, has)) in cases.into_iter().enumerate() {
            let got = catalog.lease_group(&lease, alone, seconds).await.unwrap();
            assert_eq!(got.err().map(|lease| lease.front).as_deref(), has, "case {at}");
        }
        let names = |leases: Vec<GroupLease>| leases.into_iter().map(|lease| lease.channel).collect::<Vec<_>>();
        assert_eq!(names(one.group_leases().await.unwrap()), ["film", "more", "news", "most", "film"]);
        two.end_group_lease("more", "b").await.unwrap();
        assert_eq!(one.group_leases().await.unwrap()[1].until, 0);
        assert_eq!(one.lease_group(&lease("x", "a", "239.255.1.1", 5000), false, 9).await.unwrap(), Ok(()));
        assert_eq!(names(one.group_leases().await.unwrap()), ["film", "x", "news", "most", "film"]);
    }
}
