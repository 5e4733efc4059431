//! Names of objects and nodes.

use serde::{Deserialize, Serialize, de::Error as _};
use std::{fmt, str::FromStr};

/// Names an object: 128 random bits, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u128);

/// Names a node for as long as its data folder lives, whatever its address: 64 random bits, 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Text that is not the right number of lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {0} lower-case hex digits")]
pub struct BadId(usize);

macro_rules! hex_id {
    ($name:ident, $int:ty, $digits:literal) => {
        impl $name {
            /// A fresh random one.
            pub fn random() -> Self {
                Self(rand::random())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if text.len() != $digits || !text.bytes().all(lower_hex) {
                    return Err(BadId($digits));
                }
                <$int>::from_str_radix(text, 16).map(Self).map_err(|_| BadId($digits))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

hex_id!(ObjectId, u128, 32);
hex_id!(NodeId, u64, 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = ObjectId(0xab);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(NodeId(7).to_string(), "0000000000000007");
        for bad in ["", "+000000000000007", "000000000000000G", "00000000000000AB", "00"] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }
}
