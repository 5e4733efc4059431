//! Channels, and how each front finds them.

use super::presentations::unsigned;
use super::{Catalog, CatalogError, now, to_sql};
use crate::channel::ChannelSettings;
use serde::de::DeserializeOwned;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

/// How [`Catalog::add_channel`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelAdded {
    /// It is there now.
    Yes,
    /// Another channel has the name.
    NameTaken,
    /// A film has the name.
    FilmHasIt,
}

/// Whether a front's feed of a channel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedState {
    /// Media comes.
    Fed,
    /// None comes, though it should: the publisher or the source is away.
    Waiting,
    /// None is wanted now: nobody watches, or it is not yet time.
    Idle,
}

impl FeedState {
    const ALL: [(FeedState, &str); 3] =
        [(FeedState::Fed, "fed"), (FeedState::Waiting, "waiting"), (FeedState::Idle, "idle")];

    /// For people and JSON.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("waiting", |(_, word)| word)
    }
}

/// What one front says of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelReport {
    /// The channel's name.
    pub channel: String,
    /// The front's, as in [`super::FrontReport`].
    pub front: String,
    /// Whether it is fed there.
    pub state: FeedState,
    /// Since when, seconds since 1970.
    pub since: i64,
    /// Packets or units that came since the feed began.
    pub packets: u64,
    /// Those that should have come and did not.
    pub lost: u64,
    /// What is wrong; empty: nothing.
    pub note: String,
    /// When it said so, seconds since 1970; the catalog sets it.
    pub seen: i64,
}

impl Catalog {
    /// All channels, by name.
    pub async fn channels(&self) -> Result<Vec<ChannelSettings>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM channels ORDER BY name").fetch_all(&self.pool).await;
        rows.map_err(|error| self.error(error))?.iter().map(|row| self.channel_of(row)).collect()
    }

    /// The channel of that name.
    pub async fn channel(&self, name: &str) -> Result<Option<ChannelSettings>, CatalogError> {
        let row = sqlx::query("SELECT * FROM channels WHERE name = $1").bind(name).fetch_optional(&self.pool).await;
        row.map_err(|error| self.error(error))?.map(|row| self.channel_of(&row)).transpose()
    }

    /// Adds a channel, unless its name is taken.
    pub async fn add_channel(&self, channel: &ChannelSettings) -> Result<ChannelAdded, CatalogError> {
        let mut tx = self.write().await?;
        let film: Option<i64> = sqlx::query_scalar("SELECT id FROM presentations WHERE name = $1")
            .bind(&channel.name)
            .fetch_optional(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        if film.is_some() {
            return Ok(ChannelAdded::FilmHasIt);
        }
        let wrong = |error: serde_json::Error| self.content(format_args!("channel {}: {error}", channel.name));
        let multicast = channel.multicast.as_ref().map(serde_json::to_string).transpose().map_err(wrong)?;
        let done = sqlx::query(
            "INSERT INTO channels
             (name, title, feed, on_demand, takes_over, grace_s, multicast, window_s, created)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (name) DO NOTHING",
        )
        .bind(&channel.name)
        .bind(&channel.title)
        .bind(serde_json::to_string(&channel.feed).map_err(wrong)?)
        .bind(i64::from(channel.on_demand))
        .bind(i64::from(channel.takes_over))
        .bind(i64::from(channel.grace_s))
        .bind(multicast)
        .bind(i64::from(channel.window_s))
        .bind(channel.created)
        .execute(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        if done.rows_affected() == 0 {
            return Ok(ChannelAdded::NameTaken);
        }
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(ChannelAdded::Yes)
    }

    /// Removes a channel; false where there is none of that name.
    pub async fn remove_channel(&self, name: &str) -> Result<bool, CatalogError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM channels WHERE name = $1").bind(name).execute(&mut *tx).await;
        let removed = done.map_err(|error| self.error(error))?.rows_affected() > 0;
        if removed {
            for sql in ["DELETE FROM channel_reports WHERE channel = $1", "DELETE FROM recorders WHERE channel = $1"] {
                sqlx::query(sql).bind(name).execute(&mut *tx).await.map_err(|error| self.error(error))?;
            }
        }
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(removed)
    }

    /// Keeps what a front says of a channel, be it the catalog's or one of the front's own configuration.
    pub async fn put_channel_report(&self, report: &ChannelReport) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO channel_reports (channel, front, state, since, packets, lost, note, seen)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (channel, front) DO UPDATE SET state = excluded.state, since = excluded.since,
               packets = excluded.packets, lost = excluded.lost, note = excluded.note, seen = excluded.seen",
        )
        .bind(&report.channel)
        .bind(&report.front)
        .bind(report.state.word())
        .bind(report.since)
        .bind(to_sql(report.packets))
        .bind(to_sql(report.lost))
        .bind(&report.note)
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Forgets what a front that ends has said.
    pub async fn remove_channel_reports(&self, front: &str) -> Result<(), CatalogError> {
        let done = sqlx::query("DELETE FROM channel_reports WHERE front = $1").bind(front).execute(&self.pool).await;
        done.map(|_| ()).map_err(|error| self.error(error))
    }

    /// What the fronts said of the channels, by channel and front.
    pub async fn channel_reports(&self) -> Result<Vec<ChannelReport>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM channel_reports ORDER BY channel, front").fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.error(error))?;
        rows.iter().map(|row| report(row).map_err(|error| self.error(error))).collect()
    }

    /// Whether a channel has this name.
    pub(super) async fn is_channel(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        name: &str,
    ) -> Result<bool, CatalogError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM channels WHERE name = $1)")
            .bind(name)
            .fetch_one(&mut **tx)
            .await
            .map_err(|error| self.error(error))
    }

    fn channel_of(&self, row: &SqliteRow) -> Result<ChannelSettings, CatalogError> {
        let settings = || -> Result<ChannelSettings, sqlx::Error> {
            let multicast: Option<String> = row.try_get("multicast")?;
            Ok(ChannelSettings {
                name: row.try_get("name")?,
                title: row.try_get("title")?,
                feed: json("feed", &row.try_get::<String, _>("feed")?)?,
                on_demand: row.try_get::<i64, _>("on_demand")? != 0,
                takes_over: row.try_get::<i64, _>("takes_over")? != 0,
                grace_s: unsigned(row, "grace_s")?,
                multicast: multicast.map(|text| json("multicast", &text)).transpose()?,
                window_s: unsigned(row, "window_s")?,
                created: row.try_get("created")?,
            })
        };
        settings().map_err(|error| self.error(error))
    }
}

fn json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, sqlx::Error> {
    let wrong = |error: serde_json::Error| sqlx::Error::ColumnDecode { index: column.into(), source: error.into() };
    serde_json::from_str(text).map_err(wrong)
}

fn report(row: &SqliteRow) -> Result<ChannelReport, sqlx::Error> {
    let word: String = row.try_get("state")?;
    Ok(ChannelReport {
        channel: row.try_get("channel")?,
        front: row.try_get("front")?,
        state: FeedState::ALL.iter().find(|(_, known)| *known == word).map_or(FeedState::Waiting, |(state, _)| *state),
        since: row.try_get("since")?,
        packets: unsigned(row, "packets")?,
        lost: unsigned(row, "lost")?,
        note: row.try_get("note")?,
        seen: row.try_get("seen")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Feed, MulticastSettings};
    use crate::db::{CatalogOptions, Publish};

    fn channel(name: &str, feed: Feed) -> ChannelSettings {
        ChannelSettings {
            name: name.into(),
            title: format!("The {name}"),
            feed,
            on_demand: true,
            takes_over: false,
            grace_s: 7,
            multicast: Some(MulticastSettings { group: Some([239, 1, 2, 3].into()), ..MulticastSettings::default() }),
            window_s: 7_200,
            created: 1_700_000_000,
        }
    }

    async fn open(folder: &std::path::Path) -> Catalog {
        Catalog::open(&folder.join("catalog.db"), CatalogOptions::default()).await.unwrap()
    }

    #[tokio::test]
    async fn channels_come_back_as_they_went_in_and_share_names_with_films() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path()).await;
        let films = vec!["a".to_owned()];
        let b = channel("b", Feed::Playlist { films, looped: true, at: vec!["20:15".parse().unwrap()] });
        let a = ChannelSettings { multicast: None, on_demand: false, ..channel("a", Feed::Push) };
        for (channel, expected) in
            [(&b, ChannelAdded::Yes), (&a, ChannelAdded::Yes), (&channel("a", Feed::Push), ChannelAdded::NameTaken)]
        {
            assert_eq!(catalog.add_channel(channel).await.unwrap(), expected, "{}", channel.name);
        }
        catalog.close().await;
        let catalog = open(folder.path()).await;
        assert_eq!(catalog.channels().await.unwrap(), [a.clone(), b.clone()]);
        assert_eq!(catalog.channel("b").await.unwrap(), Some(b));
        assert_eq!(catalog.channel("c").await.unwrap(), None);
        let film = crate::db::tests::film("a", 1);
        assert!(catalog.is_name_taken("a").await.unwrap() && !catalog.is_name_taken("c").await.unwrap());
        assert_eq!(catalog.adopt(&film).await.unwrap(), Publish::NameTaken);
        assert!(catalog.remove_channel("a").await.unwrap() && !catalog.remove_channel("a").await.unwrap());
        assert!(matches!(catalog.adopt(&film).await.unwrap(), Publish::Named(_)));
        assert_eq!(catalog.add_channel(&a).await.unwrap(), ChannelAdded::FilmHasIt);
    }

    #[tokio::test]
    async fn fronts_say_how_they_find_a_channel() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path()).await;
        catalog.add_channel(&channel("a", Feed::Push)).await.unwrap();
        let report = |channel: &str, front: &str, state, packets| ChannelReport {
            channel: channel.into(),
            front: front.into(),
            state,
            since: 5,
            packets,
            lost: 1,
            note: "none".into(),
            seen: 0,
        };
        catalog.put_channel_report(&report("a", "y", FeedState::Waiting, 0)).await.unwrap();
        catalog.put_channel_report(&report("a", "x", FeedState::Idle, 0)).await.unwrap();
        catalog.put_channel_report(&report("a", "y", FeedState::Fed, 9)).await.unwrap();
        catalog.put_channel_report(&report("other", "y", FeedState::Fed, 9)).await.unwrap();
        let seen = || async {
            let reports = catalog.channel_reports().await.unwrap();
            assert!(reports.iter().all(|report| report.seen > 0));
            reports.into_iter().map(|report| ChannelReport { seen: 0, ..report }).collect::<Vec<_>>()
        };
        // Of a front's own configuration.
        let other = report("other", "y", FeedState::Fed, 9);
        let a = [report("a", "x", FeedState::Idle, 0), report("a", "y", FeedState::Fed, 9)];
        assert_eq!(seen().await, [&a[..], std::slice::from_ref(&other)].concat());
        catalog.remove_channel_reports("x").await.unwrap();
        assert_eq!(seen().await.len(), 2);
        catalog.remove_channel("a").await.unwrap();
        assert_eq!(seen().await, [other]);
    }
}
