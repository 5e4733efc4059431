//! A table in the index object: one small tuple of differences a sample, which postcard writes as
//! variable-length numbers (6 to 9 bytes for most samples).

use super::{MAX_SAMPLES, Sample, SampleTable, TableBuilder};
use rtp::clock::Ticks;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeSeq,
};
use std::fmt;

/// (offset - end of the sample before, size, dts - dts before, pts - dts, sync)
type Entry = (i64, u32, u64, i32, bool);

impl Serialize for SampleTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.rows.first().map_or(0, |row| row.dts()), self.end, Entries(self)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SampleTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (start, end, read) = <(i64, Ticks, ReadEntries)>::deserialize(deserializer)?;
        read.into_table(start, end).map_err(D::Error::custom)
    }
}

struct Entries<'a>(&'a SampleTable);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = &self.0.rows;
        let mut seq = serializer.serialize_seq(Some(rows.len()))?;
        let (mut at, mut dts) = (0u64, rows.first().map_or(0, |row| row.dts()));
        for row in rows {
            // Both are below 2^49, so the differences fit.
            let gap = row.offset() as i64 - at as i64;
            let entry: Entry = (gap, row.size(), (row.dts() - dts).unsigned_abs(), row.shift, row.sync());
            seq.serialize_element(&entry)?;
            (at, dts) = (row.offset() + u64::from(row.size()), row.dts());
        }
        seq.end()
    }
}

/// The entries as read, with times that still count from zero.
struct ReadEntries(Vec<Entry>);

impl ReadEntries {
    fn into_table(self, start: i64, end: Ticks) -> Result<SampleTable, String> {
        let mut builder = TableBuilder::new();
        let (mut at, mut dts) = (0u64, start);
        for (gap, size, step, shift, sync) in self.0 {
            let out_of_range = || format!("sample {}: out of range", builder.len());
            let offset = at.checked_add_signed(gap).ok_or_else(out_of_range)?;
            dts = dts.checked_add_unsigned(step).ok_or_else(out_of_range)?;
            let pts = dts.checked_add(i64::from(shift)).ok_or_else(out_of_range)?;
            let sample = Sample { offset, size, dts: Ticks(dts), pts: Ticks(pts), sync };
            builder.push(sample, Ticks(0)).map_err(|error| error.to_string())?;
            at = offset + u64::from(size);
        }
        Ok(builder.finish_at(end))
    }
}

impl<'de> Deserialize<'de> for ReadEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = ReadEntries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_SAMPLES} samples")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ReadEntries, A::Error> {
                // The announced length is not believed: an index of ten bytes could announce any.
                let mut entries = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1 << 16));
                while let Some(entry) = seq.next_element::<Entry>()? {
                    if entries.len() >= MAX_SAMPLES {
                        return Err(A::Error::invalid_length(entries.len() + 1, &self));
                    }
                    entries.push(entry);
                }
                Ok(ReadEntries(entries))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}
