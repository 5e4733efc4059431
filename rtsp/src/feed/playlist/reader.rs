//! Samples' bytes from the stripes, in order and read ahead.

use bytes::{Bytes, BytesMut};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use stripes::{layout::Layout, net::UnitSource};
use tokio::task::JoinHandle;

/// Units that are read ahead: of the usual 256 KiB one is more than a second of most films.
const AHEAD: u64 = 3;
/// Units that are kept behind the last sample: sound is read a tenth of a second before the pictures that lie beside it.
const BEHIND: u64 = 3;
/// How long one may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// Reads one object from its start on.
pub(super) struct MediaReader {
    source: UnitSource,
    layout: Arc<Layout>,
    /// Units that were asked for, by number; those before the last sample are forgotten.
    units: BTreeMap<u64, Unit>,
}

enum Unit {
    Coming(JoinHandle<Result<Bytes, String>>),
    Here(Bytes),
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Unit::Coming(task) = self {
            task.abort();
        }
    }
}

impl MediaReader {
    pub fn new(source: UnitSource, layout: Arc<Layout>) -> Self {
        Self { source, layout, units: BTreeMap::new() }
    }

    /// The bytes of a sample.
    ///
    /// # Errors
    /// Why a unit of them can't be read.
    pub async fn read(&mut self, offset: u64, size: u32) -> Result<Bytes, String> {
        let range = offset..offset.saturating_add(u64::from(size)).min(self.layout.length);
        let needed = self.layout.units_of(range.clone());
        let last = self.layout.units_of(0..self.layout.length).end;
        self.units = self.units.split_off(&needed.start.saturating_sub(BEHIND));
        for unit in needed.start..(needed.end + AHEAD).min(last) {
            if !self.units.contains_key(&unit) {
                let (source, layout) = (self.source.clone(), self.layout.clone());
                let ask = async move { source.unit(&layout, unit, DEADLINE).await.map_err(|error| error.to_string()) };
                self.units.insert(unit, Unit::Coming(tokio::spawn(ask)));
            }
        }
        let mut gathered = BytesMut::new();
        for unit in needed.clone() {
            let bytes = self.unit(unit).await?;
            let whole = self.layout.unit_bytes(unit);
            let from = range.start.max(whole.start) - whole.start;
            let to = range.end.min(whole.end).saturating_sub(whole.start);
            let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
            if to > bytes.len() || from > to {
                return Err(format!("unit {unit} of object {} is too short", self.layout.object));
            }
            if needed.end - needed.start == 1 {
                return Ok(bytes.slice(from..to));
            }
            gathered.extend_from_slice(&bytes[from..to]);
        }
        Ok(gathered.freeze())
    }

    async fn unit(&mut self, unit: u64) -> Result<Bytes, String> {
        let asked = self.units.get_mut(&unit).ok_or_else(|| "not asked for".to_owned())?;
        let read = match asked {
            Unit::Here(bytes) => return Ok(bytes.clone()),
            Unit::Coming(task) => task.await.unwrap_or_else(|_| Err("reading was given up".to_owned())),
        };
        match read {
            Ok(bytes) => {
                self.units.insert(unit, Unit::Here(bytes.clone()));
                Ok(bytes)
            }
            Err(error) => {
                self.units.remove(&unit);
                Err(error)
            }
        }
    }
}
