//! The bucket: what lies in it under which name, and the requests that reach it.
//!
//! ```text
//! PREFIX/node                          "mobidic node 1", the node's id
//! PREFIX/objects/ab.../form            the head of an object's file (see `record`), which tells the unit size
//! PREFIX/objects/ab.../units/ROW.POS   one unit, as in a slot: its header and its data
//! PREFIX/objects/ab.../manifest        its manifest as JSON, and a line with the crc32c of that
//! ```

use super::http::Connector;
use crate::{id::ObjectId, layout::UnitAddress, store::StoreError};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    BackoffConfig, Error, GetOptions, GetRange, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};
use std::{io, path::PathBuf, time::Duration};

/// A request that fails is tried again so often, all within `RETRYING`: a front reads elsewhere sooner.
const RETRIES: usize = 3;
const RETRYING: Duration = Duration::from_secs(20);
/// Units removed at once.
const REMOVING: usize = 16;
/// Names in a page of a listing; S3's own bound.
const PAGE: usize = 1000;

#[derive(Debug)]
pub(super) struct Bucket {
    s3: AmazonS3,
    /// With the slash at its end, or empty.
    prefix: String,
    /// `s3://BUCKET/PREFIX/`, for messages.
    name: String,
}

/// What was got of one thing in the bucket.
pub(super) struct Got {
    pub meta: ObjectMeta,
    pub bytes: Bytes,
}

impl Bucket {
    /// The bucket of `s3://BUCKET/PREFIX`; endpoint, region and keys from the usual environment variables.
    pub fn open(location: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, StoreError> {
        let folder = |reason: String| StoreError::Folder { path: location.into(), reason };
        let rest = location.strip_prefix("s3://").unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() || prefix.starts_with('/') {
            return Err(folder("expected s3://BUCKET or s3://BUCKET/PREFIX".to_owned()));
        }
        Path::parse(prefix).map_err(|e| folder(e.to_string()))?;
        let mut builder = AmazonS3Builder::new();
        for (name, value) in variables {
            // Others are not about this.
            if name.starts_with("AWS_")
                && let Ok(option) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()
            {
                builder = builder.with_config(option, value);
            }
        }
        let s3 = builder
            .with_bucket_name(bucket)
            .with_http_connector(Connector)
            .with_retry(RetryConfig {
                max_retries: RETRIES,
                retry_timeout: RETRYING,
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(50),
                    max_backoff: Duration::from_secs(2),
                    ..BackoffConfig::default()
                },
            })
            .build()
            .map_err(|e| folder(e.to_string()))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { s3, name: format!("s3://{bucket}/{prefix}"), prefix })
    }

    /// The whole thing, `None` if there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Got>, StoreError> {
        self.get_part(key, GetOptions::default()).await
    }

    /// Its first bytes, at most `most`; `meta` tells how many it has.
    pub async fn get_begin(&self, key: &str, most: usize) -> Result<Option<Got>, StoreError> {
        let range = Some(GetRange::Bounded(0..most as u64));
        self.get_part(key, GetOptions { range, ..GetOptions::default() }).await
    }

    async fn get_part(&self, key: &str, options: GetOptions) -> Result<Option<Got>, StoreError> {
        let got = match self.s3.get_opts(&self.path(key), options).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(self.failed(key, "read", e)),
        };
        let meta = got.meta.clone();
        let bytes = got.bytes().await.map_err(|e| self.failed(key, "read", e))?;
        Ok(Some(Got { meta, bytes }))
    }

    /// Whether it is there.
    pub async fn has(&self, key: &str) -> Result<bool, StoreError> {
        match self.s3.head(&self.path(key)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(self.failed(key, "look at", e)),
        }
    }

    /// Puts it there, all or nothing, for good when this returns.
    pub async fn put(&self, key: &str, payload: PutPayload) -> Result<(), StoreError> {
        self.s3.put(&self.path(key), payload).await.map_err(|e| self.failed(key, "write", e))?;
        Ok(())
    }

    /// Removes them; what is not there is removed already.
    pub async fn remove(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let removals = keys.into_iter().map(|key| async move {
            match self.s3.delete(&self.path(&key)).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(e) => Err(self.failed(&key, "remove", e)),
            }
        });
        stream::iter(removals).buffer_unordered(REMOVING).try_collect().await
    }

    /// The ids of objects after `after` in their order, at most `limit`, and whether there are more.
    pub async fn objects(&self, after: Option<ObjectId>, limit: usize) -> Result<(Vec<ObjectId>, bool), StoreError> {
        let under = "objects/";
        // All names of that object begin with its id and a slash; this is the next text after all of them.
        let mut offset = after.map(|after| format!("{}{under}{after}0", self.prefix));
        let mut token = None;
        let mut found: Vec<ObjectId> = Vec::new();
        loop {
            let options = PaginatedListOptions {
                offset: offset.take(),
                delimiter: Some("/".into()),
                max_keys: Some(PAGE),
                page_token: token,
                ..PaginatedListOptions::default()
            };
            let (result, next) = self.page(under, options).await?;
            let ids = result.common_prefixes.iter().filter_map(|path| path.filename()?.parse::<ObjectId>().ok());
            found.extend(ids.filter(|id| after.is_none_or(|after| *id > after)));
            token = next;
            if token.is_none() || found.len() > limit {
                break;
            }
        }
        found.sort_unstable();
        found.dedup();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }

    /// Calls `each` for all that lies there of an object, with its name within it.
    pub async fn each_part(&self, object: ObjectId, mut each: impl FnMut(Part, &ObjectMeta)) -> Result<(), StoreError> {
        let under = format!("objects/{object}/");
        let mut token = None;
        loop {
            let options =
                PaginatedListOptions { max_keys: Some(PAGE), page_token: token, ..PaginatedListOptions::default() };
            let (result, next) = self.page(&under, options).await?;
            for meta in &result.objects {
                let name = meta.location.as_ref().strip_prefix(self.prefix.as_str());
                let name = name.and_then(|name| name.strip_prefix(under.as_str())).unwrap_or_default();
                each(Part::of(name), meta);
            }
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    async fn page(
        &self,
        under: &str,
        options: PaginatedListOptions,
    ) -> Result<(ListResult, Option<String>), StoreError> {
        let prefix = format!("{}{under}", self.prefix);
        let page = self.s3.list_paginated(Some(&prefix), options).await.map_err(|e| self.failed(under, "list", e))?;
        Ok((page.result, page.page_token))
    }

    /// How something in it is called in messages.
    pub fn named(&self, key: &str) -> PathBuf {
        format!("{}{key}", self.name).into()
    }

    fn path(&self, key: &str) -> Path {
        // Of ids and numbers under a prefix that `open` has looked at: nothing in it needs to be escaped.
        Path::from(format!("{}{key}", self.prefix))
    }

    fn failed(&self, key: &str, doing: &'static str, error: Error) -> StoreError {
        StoreError::Io { path: self.named(key), doing, source: io::Error::other(error) }
    }
}

/// One thing that lies in the bucket of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Unit(UnitAddress),
    Manifest,
    Form,
    /// Not ours; it goes with the object.
    Other(String),
}

impl Part {
    fn of(name: &str) -> Self {
        match name {
            "manifest" => Self::Manifest,
            "form" => Self::Form,
            _ => match name.strip_prefix("units/").and_then(|unit| unit.parse().ok()) {
                Some(address) => Self::Unit(address),
                None => Self::Other(name.to_owned()),
            },
        }
    }

    /// Its name in the bucket.
    pub fn key(&self, object: ObjectId) -> String {
        match self {
            Self::Unit(address) => format!("objects/{object}/units/{address}"),
            Self::Manifest => format!("objects/{object}/manifest"),
            Self::Form => format!("objects/{object}/form"),
            Self::Other(name) => format!("objects/{object}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_bucket_and_prefix() {
        let name = |location| Bucket::open(location, []).map(|bucket| bucket.name).ok();
        for (location, expected) in [
            ("s3://films", Some("s3://films/")),
            ("s3://films/", Some("s3://films/")),
            ("s3://films/a/b", Some("s3://films/a/b/")),
            ("s3://films/a/", Some("s3://films/a/")),
            ("s3://", None),
            ("s3:///a", None),
            ("s3://films//a", None),
            ("s3://films/a/../b", None),
            ("http://films/a", None),
            ("films", None),
        ] {
            assert_eq!(name(location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn names_in_the_bucket_read_back() {
        let object = ObjectId(7);
        let unit = Part::Unit(UnitAddress { row: 12, position: 3 });
        for part in [unit, Part::Manifest, Part::Form, Part::Other("units/x".to_owned())] {
            let key = part.key(object);
            assert_eq!(Part::of(key.strip_prefix(&format!("objects/{object}/")).unwrap()), part);
        }
    }
}
