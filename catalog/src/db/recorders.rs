//! Who keeps a channel's past, and on which timeline.

use super::{Catalog, CatalogError, now};
use sqlx::{Row, sqlite::SqliteRow};

/// Who keeps a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorder {
    /// The front that does, or did last; empty: none has yet.
    pub front: String,
    /// When the channel's timeline began, nanoseconds since 1970; it names the line (see [`super::Segment::line_ns`]).
    pub line_ns: i64,
    /// When its lease runs out, seconds since 1970.
    pub until: i64,
    /// When a viewer of another front was last close to the end, seconds since 1970.
    pub close: i64,
}

impl Catalog {
    /// The timeline of a channel that is kept: the one that there is, else one that begins at `begins_ns`, nanoseconds
    /// since 1970.
    pub async fn channel_line(&self, channel: &str, begins_ns: i64) -> Result<i64, CatalogError> {
        let sql = "INSERT INTO recorders (channel, line_ns, front, until, close) VALUES ($1, $2, '', 0, 0)
                   ON CONFLICT (channel) DO NOTHING";
        let done = sqlx::query(sql).bind(channel).bind(begins_ns).execute(&self.pool).await;
        done.map_err(|error| self.error(error))?;
        let line = sqlx::query_scalar("SELECT line_ns FROM recorders WHERE channel = $1").bind(channel);
        // Removed in between: the channel goes, too.
        let line: Option<i64> = line.fetch_optional(&self.pool).await.map_err(|error| self.error(error))?;
        Ok(line.unwrap_or(begins_ns))
    }

    /// Takes or renews the lease on a channel's past, for so many seconds; answers who has it then: `front`, or another
    /// whose lease has not run out. `None` where the channel has no timeline.
    pub async fn lease_recorder(
        &self,
        channel: &str,
        front: &str,
        seconds: i64,
    ) -> Result<Option<Recorder>, CatalogError> {
        let now = now();
        sqlx::query("UPDATE recorders SET front = $2, until = $3 WHERE channel = $1 AND (front = $2 OR until <= $4)")
            .bind(channel)
            .bind(front)
            .bind(now.saturating_add(seconds))
            .bind(now)
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        self.recorder(channel).await
    }

    /// Who keeps a channel; `None`: it has no timeline.
    pub async fn recorder(&self, channel: &str) -> Result<Option<Recorder>, CatalogError> {
        let row = sqlx::query("SELECT front, line_ns, until, close FROM recorders WHERE channel = $1").bind(channel);
        let row = row.fetch_optional(&self.pool).await.map_err(|error| self.error(error))?;
        let read = |row: SqliteRow| -> Result<_, sqlx::Error> {
            let (front, line_ns) = (row.try_get("front")?, row.try_get("line_ns")?);
            Ok(Recorder { front, line_ns, until: row.try_get("until")?, close: row.try_get("close")? })
        };
        row.map(read).transpose().map_err(|error| self.error(error))
    }

    /// Gives the lease back: another front may record at once.
    pub async fn end_recorder_lease(&self, channel: &str, front: &str) -> Result<(), CatalogError> {
        let sql = "UPDATE recorders SET until = 0 WHERE channel = $1 AND front = $2";
        let done = sqlx::query(sql).bind(channel).bind(front).execute(&self.pool).await;
        done.map(drop).map_err(|error| self.error(error))
    }

    /// A viewer of a front that does not record is close to the end: who records makes short segments.
    pub async fn want_short_segments(&self, channel: &str) -> Result<(), CatalogError> {
        let sql = "UPDATE recorders SET close = $2 WHERE channel = $1";
        let done = sqlx::query(sql).bind(channel).bind(now()).execute(&self.pool).await;
        done.map(drop).map_err(|error| self.error(error))
    }
}

#[cfg(test)]
mod tests {
    use crate::channel::{ChannelSettings, Feed};
    use crate::db::{Catalog, CatalogOptions, ChannelAdded};

    #[tokio::test]
    async fn one_front_records_at_a_time_and_all_share_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let one = Catalog::open(&path, CatalogOptions::default()).await.unwrap();
        let two = Catalog::open(&path, CatalogOptions::default()).await.unwrap();
        assert_eq!(one.lease_recorder("news", "a", 60).await.unwrap(), None);
        assert_eq!(one.channel_line("news", 7).await.unwrap(), 7);
        assert_eq!(two.channel_line("news", 9).await.unwrap(), 7);
        // Who asks, for how many seconds, and who has it then.
        let cases = [
            (&one, "a", 60, "a"),
            (&two, "b", 60, "a"),
            (&one, "a", 0, "a"),
            (&two, "b", 60, "b"),
            (&one, "a", 60, "b"),
        ];
        for (at, (catalog, front, seconds, has)) in cases.into_iter().enumerate() {
            let recorder = catalog.lease_recorder("news", front, seconds).await.unwrap().unwrap();
            assert_eq!((&recorder.front[..], recorder.line_ns, recorder.close), (has, 7, 0), "case {at}");
        }
        // Only who has it can give it back.
        one.end_recorder_lease("news", "a").await.unwrap();
        assert_eq!(one.lease_recorder("news", "a", 60).await.unwrap().unwrap().front, "b");
        two.end_recorder_lease("news", "b").await.unwrap();
        one.want_short_segments("news").await.unwrap();
        let recorder = one.lease_recorder("news", "a", 60).await.unwrap().unwrap();
        assert!(recorder.front == "a" && recorder.close > 0);
        // It goes with its channel.
        let news = ChannelSettings {
            name: "news".into(),
            title: "news".into(),
            feed: Feed::Push,
            on_demand: false,
            takes_over: false,
            grace_s: 1,
            multicast: None,
            window_s: 1,
            created: 0,
        };
        assert_eq!(one.add_channel(&news).await.unwrap(), ChannelAdded::Yes);
        assert!(one.remove_channel("news").await.unwrap());
        assert_eq!(two.channel_line("news", 9).await.unwrap(), 9);
    }
}
