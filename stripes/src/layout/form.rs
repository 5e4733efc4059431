//! How a layout is written down. In text (JSON) the table and the generation are left out where there are none. In
//! binary forms, which have no names, both hide behind `first`, so that what was written before they existed reads too.

use super::{Layout, Policy};
use crate::id::{NodeId, ObjectId};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
    ser::SerializeTuple,
};
use std::{borrow::Cow, fmt};

/// The text form.
#[derive(Serialize, Deserialize)]
struct Text<'a> {
    object: ObjectId,
    length: u64,
    policy: Policy,
    nodes: Cow<'a, [NodeId]>,
    first: u16,
    #[serde(default, skip_serializing_if = "<[u16]>::is_empty")]
    table: Cow<'a, [u16]>,
    #[serde(default, skip_serializing_if = "is_zero")]
    generation: u32,
}

fn is_zero(generation: &u32) -> bool {
    *generation == 0
}

/// Binary: the number that holds `first` in its low 16 bits, this one if a table follows, the generation above 32.
const HAS_TABLE: u64 = 1 << 16;

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let text = Text {
                object: self.object,
                length: self.length,
                policy: self.policy,
                nodes: Cow::Borrowed(&self.nodes),
                first: self.first,
                table: Cow::Borrowed(&self.table),
                generation: self.generation,
            };
            return text.serialize(serializer);
        }
        let has_table = if self.table.is_empty() { 0 } else { HAS_TABLE };
        let packed = u64::from(self.first) | has_table | u64::from(self.generation) << 32;
        let mut tuple = serializer.serialize_tuple(if has_table == 0 { 5 } else { 6 })?;
        tuple.serialize_element(&self.object)?;
        tuple.serialize_element(&self.length)?;
        tuple.serialize_element(&self.policy)?;
        tuple.serialize_element(&self.nodes)?;
        tuple.serialize_element(&packed)?;
        if has_table != 0 {
            tuple.serialize_element(&self.table)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Layout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Text { object, length, policy, nodes, first, table, generation } = Text::deserialize(deserializer)?;
            let (nodes, table) = (nodes.into_owned(), table.into_owned());
            return Ok(Self { object, length, policy, nodes, first, table, generation });
        }
        deserializer.deserialize_tuple(6, Binary)
    }
}

struct Binary;

impl<'de> Visitor<'de> for Binary {
    type Value = Layout;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a layout")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Layout, A::Error> {
        fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(parts: &mut A) -> Result<T, A::Error> {
            parts.next_element()?.ok_or_else(|| A::Error::custom("a layout's end is missing"))
        }
        let (object, length, policy, nodes) =
            (next(&mut parts)?, next(&mut parts)?, next(&mut parts)?, next(&mut parts)?);
        let packed: u64 = next(&mut parts)?;
        if packed & (0xffff_ffff ^ HAS_TABLE) > u64::from(u16::MAX) {
            return Err(A::Error::custom("a layout of a later program"));
        }
        let table = if packed & HAS_TABLE == 0 { Vec::new() } else { next(&mut parts)? };
        let (first, generation) = ((packed & 0xffff) as u16, (packed >> 32) as u32);
        Ok(Layout { object, length, policy, nodes, first, table, generation })
    }
}
