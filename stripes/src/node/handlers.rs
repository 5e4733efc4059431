//! One function a request.

use super::{
    Node,
    body::{held, range},
    refused::Refused,
};
use crate::{
    id::ObjectId,
    layout::{MAX_UNIT_SIZE, UnitAddress},
    manifest::{MAX_MANIFEST_BYTES, Manifest},
    store::{StoreError, UnitInfo, UnitStore},
    sum::crc32c,
    wire::{CRC_HEADER, GENERATION_HEADER, Health, MAX_PAGE, Refusal, UNIT_SIZE_HEADER, crc_text, parse_crc},
};
use axum::{
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    ops::Range,
    str::FromStr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};
use tokio::sync::OwnedSemaphorePermit;

type Shared = State<Arc<Node>>;

pub(super) async fn put_unit(
    State(node): Shared,
    Path((object, unit)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Refused> {
    let (object, unit): (ObjectId, UnitAddress) = (parse(&object)?, parse(&unit)?);
    let crc = text(request.headers(), CRC_HEADER).and_then(parse_crc);
    let crc = crc.ok_or_else(|| Refused::bad(format!("{CRC_HEADER} is missing: 8 hex digits, CRC-32C of the body")))?;
    let unit_size = text(request.headers(), UNIT_SIZE_HEADER).and_then(|text| text.parse().ok());
    let unit_size = unit_size
        .ok_or_else(|| Refused::bad(format!("{UNIT_SIZE_HEADER} is missing: the object's unit size, bytes")))?;
    let generation = generation(request.headers())?;
    let received = node.receive(request.into_body(), MAX_UNIT_SIZE).await?;
    let bytes = blocking(&node, move |store| {
        store.put(object, unit, unit_size, crc, &received.pieces, generation)?;
        Ok(received.pieces.iter().map(|piece| piece.len() as u64).sum::<u64>())
    })
    .await?;
    node.counters.units_written.fetch_add(1, Relaxed);
    node.counters.bytes_written.fetch_add(bytes, Relaxed);
    tracing::trace!(node = %node.store.node(), %object, %unit, bytes, "stored");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn get_unit(
    State(node): Shared,
    Path((object, unit)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let (object, unit): (ObjectId, UnitAddress) = (parse(&object)?, parse(&unit)?);
    let asked = text(&headers, header::RANGE.as_str()).unwrap_or_default();
    let mut cut = None;
    if !asked.is_empty() {
        let info = blocking(&node, move |store| store.head_unit(object, unit)).await?;
        match range(asked, info.length as usize) {
            Ok(Some(part)) if info.block.is_some() => return get_part(&node, object, unit, part, info).await,
            Ok(part) => cut = part,
            Err(()) => return Ok(past(object, unit, info.length)),
        }
    }
    let unit_size = match node.store.known_unit_size(object) {
        Some(unit_size) => unit_size,
        None => blocking(&node, move |store| store.unit_size(object)).await?,
    };
    node.await_turn(unit_size).await;
    let place = node.place(unit_size).await?;
    let (stored, took) = blocking(&node, move |store| {
        let begun = Instant::now();
        Ok((store.get_unit(object, unit)?, begun.elapsed()))
    })
    .await?;
    let length = stored.data.len();
    node.counters.read_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    node.counters.whole_bytes.fetch_add(length as u64, Relaxed);
    node.counted(length as u64);
    tracing::trace!(node = %node.store.node(), %object, %unit, bytes = length, "read");
    match cut {
        None => Ok((unit_headers(stored.crc), held(stored.data, place)).into_response()),
        Some(part) if part.end <= length => Ok(partial(stored.data.slice(part.clone()), part.start, length, place)),
        Some(_) => Ok(past(object, unit, stored.data.len() as u32)),
    }
}

/// Part of a unit whose blocks have checksums: no more than those that it touches is read.
async fn get_part(
    node: &Arc<Node>,
    object: ObjectId,
    unit: UnitAddress,
    part: Range<usize>,
    info: UnitInfo,
) -> Result<Response, Refused> {
    let [start, end] = [part.start, part.end].map(|at| u32::try_from(at).unwrap_or(info.length));
    let most = (end - start).saturating_add(2 * info.block.unwrap_or_default()).min(info.length);
    node.await_turn(most).await;
    let place = node.place(most).await?;
    let (data, read) = blocking(node, move |store| store.get_part(object, unit, start..end)).await?;
    node.counted(read);
    tracing::trace!(node = %node.store.node(), %object, %unit, bytes = read, "read in part");
    Ok(partial(data, part.start, info.length as usize, place))
}

/// Status 206: these bytes from `start` of a unit of `length` bytes.
fn partial(data: Bytes, start: usize, length: usize, place: OwnedSemaphorePermit) -> Response {
    let named = format!("bytes {start}-{}/{length}", (start + data.len()).saturating_sub(1));
    let headers = unit_headers(crc32c(&data));
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, named)], headers, held(data, place)).into_response()
}

/// Status 416.
fn past(object: ObjectId, unit: UnitAddress, length: u32) -> Response {
    let refused = Refused::bad(format!("object {object}, unit {unit} has {length} bytes"))
        .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
    ([(header::CONTENT_RANGE, format!("bytes */{length}"))], refused).into_response()
}

pub(super) async fn head_unit(
    State(node): Shared,
    Path((object, unit)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let (object, unit) = (parse(&object)?, parse(&unit)?);
    let info = blocking(&node, move |store| store.head_unit(object, unit)).await?;
    let length = [(header::CONTENT_LENGTH, info.length.to_string())];
    Ok((length, unit_headers(info.crc), Body::empty()).into_response())
}

pub(super) async fn seal(
    State(node): Shared,
    Path(object): Path<String>,
    request: Request,
) -> Result<StatusCode, Refused> {
    let object: ObjectId = parse(&object)?;
    let received = node.receive(request.into_body(), MAX_MANIFEST_BYTES as u32).await?;
    let manifest = Manifest::decode(&received.pieces.concat()).map_err(|error| Refused::bad(error.to_string()))?;
    if manifest.layout.object != object {
        return Err(Refused::bad(format!("the manifest is that of object {}", manifest.layout.object)));
    }
    blocking(&node, move |store| store.seal(&manifest)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn manifest(State(node): Shared, Path(object): Path<String>) -> Result<Response, Refused> {
    let object: ObjectId = parse(&object)?;
    let manifest = blocking(&node, move |store| store.manifest(object)).await?;
    let absent = || Refused::new(Refusal::Absent, format!("object {object} is not sealed here"));
    Ok(json(&manifest.ok_or_else(absent)?))
}

pub(super) async fn summary(State(node): Shared, Path(object): Path<String>) -> Result<Response, Refused> {
    let object = parse(&object)?;
    Ok(json(&blocking(&node, move |store| store.summary(object)).await?))
}

pub(super) async fn delete(State(node): Shared, Path(object): Path<String>) -> Result<StatusCode, Refused> {
    let object = parse(&object)?;
    blocking(&node, move |store| store.delete_object(object)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn trim(
    State(node): Shared,
    Path(object): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let object = parse(&object)?;
    let generation = generation(&headers)?
        .ok_or_else(|| Refused::bad(format!("{GENERATION_HEADER} is missing: the generation that is to be left")))?;
    blocking(&node, move |store| store.trim(object, generation)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(State(node): Shared, Query(query): Query<ListQuery>) -> Result<Response, Refused> {
    let after = query.after.as_deref().map(parse).transpose()?;
    let limit = query.limit.unwrap_or(MAX_PAGE);
    Ok(json(&blocking(&node, move |store| store.list(after, limit)).await?))
}

pub(super) async fn health(State(node): Shared) -> Result<Response, Refused> {
    let usage = blocking(&node, |store| store.usage()).await?;
    let (free_bytes, total_bytes) = (usage.free_bytes, usage.total_bytes);
    Ok(json(&Health { node: node.store.node(), free_bytes, total_bytes }))
}

pub(super) async fn statistics(State(node): Shared) -> Result<Response, Refused> {
    let asked = node.clone();
    let statistics = blocking(&node, move |_| Ok(asked.statistics())).await?;
    Ok(json(&statistics))
}

/// Disk work, off the threads that serve connections.
async fn blocking<T: Send + 'static>(
    node: &Arc<Node>,
    work: impl FnOnce(&dyn UnitStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refused> {
    let store = node.store.clone();
    match tokio::task::spawn_blocking(move || work(store.as_ref())).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Refused::new(Refusal::Disk, format!("the disk work ended without a result: {error}"))),
    }
}

fn unit_headers(crc: u32) -> [(&'static str, String); 3] {
    [
        (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES.as_str(), "bytes".to_owned()),
        (CRC_HEADER, crc_text(crc)),
    ]
}

fn generation(headers: &HeaderMap) -> Result<Option<u32>, Refused> {
    let Some(value) = headers.get(GENERATION_HEADER) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Refused::bad(format!("{GENERATION_HEADER}: expected a number below 2^32")))
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refused> {
    text.parse().map_err(|error| Refused::bad(format!("{text:?}: {error}")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => Refused::new(Refusal::Disk, error.to_string()).into_response(),
    }
}
