//! Parity units, and lost units from what is left of their row. Sans-IO.
//!
//! The first parity unit is the XOR of the row's data units. The second is `Q`, the sum of `g^(k-1-i) * d_i` over the
//! field of 256 elements with the polynomial 0x11d and `g = 2`, as in RAID 6: with both, any two units of a row can be
//! lost. Shorter (or missing) units count as if zeros followed, in the computation only.

use crate::layout::{MAX_PARITY, Policy};
use bytes::{Bytes, BytesMut};

/// Bytes worked on at once: they stay in the nearest cache.
const BLOCK: usize = 4096;

/// The parity of one row whose data units come one by one, in order.
#[derive(Debug)]
pub struct Sums {
    policy: Policy,
    units: Vec<Bytes>,
}

impl Sums {
    /// Of a row without units yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, units: Vec::with_capacity(policy.data.into()) }
    }

    /// The row's next data unit. The first is the longest.
    pub fn add(&mut self, unit: Bytes) {
        self.units.push(unit);
    }

    /// Whether all data units of the row are in.
    pub fn is_full(&self) -> bool {
        self.units.len() >= usize::from(self.policy.data)
    }

    /// The parity units, each as long as the row's first; none if the row has no data or the policy no parity. Begins
    /// the next row.
    pub fn finish(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        let length = self.units.first().map_or(0, Bytes::len);
        let parity = usize::from(self.policy.parity);
        let room = |wanted: bool| BytesMut::with_capacity(if wanted { length } else { 0 });
        let (mut xor, mut q) = (room(parity >= 1), room(parity >= 2));
        // Block by block: each byte comes into the nearest cache once.
        for from in (0..length).step_by(BLOCK) {
            let block = |unit: &Bytes| unit.slice(from.min(unit.len())..(from + BLOCK).min(unit.len()));
            if parity >= 1 {
                self.units.iter().for_each(|unit| add_at(&mut xor, from, &block(unit)));
            }
            if parity >= 2 {
                for unit in &self.units {
                    double(q.get_mut(from..).unwrap_or_default());
                    add_at(&mut q, from, &block(unit));
                }
                for _ in self.units.len()..usize::from(self.policy.data) {
                    double(q.get_mut(from..).unwrap_or_default());
                }
            }
        }
        self.units.clear();
        [xor.freeze(), q.freeze()].into_iter().filter(|sum| !sum.is_empty())
    }
}

/// Why lost units can't be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{here} units of the row are here; {needed} are needed")]
pub struct TooFew {
    /// How many.
    pub here: usize,
    /// k
    pub needed: usize,
}

/// All units of a row, data and parity, from any `k` of them. `units` has one entry a position, `None` for what is
/// lost; data units past the object's end are here, and empty. `lengths` are the units' lengths, parity as the first.
pub fn rebuild(policy: Policy, units: &[Option<Bytes>], lengths: &[usize]) -> Result<Vec<Bytes>, TooFew> {
    let (data, parity) = (usize::from(policy.data), usize::from(policy.parity.min(MAX_PARITY)));
    let here = units.iter().flatten().count();
    if here < data || units.len() != data + parity || lengths.len() != units.len() {
        return Err(TooFew { here, needed: data });
    }
    let longest = lengths[0];
    let lost: Vec<usize> = (0..data).filter(|at| units[*at].is_none()).collect();
    // At most two are lost, since k of k + 2 are here.
    let mut found: [Bytes; 2] = Default::default();
    if let Some(x) = lost.first().copied() {
        let p = units[data].as_deref().map(|p| xor_of(units, data, longest, p));
        let coefficient = |at: usize| power(data - 1 - at);
        let q = || {
            let q = units.get(data + 1).and_then(Option::as_deref).unwrap_or_default();
            q_of(units, data, longest, q)
        };
        match (p, lost.get(1).copied()) {
            (Some(p), None) => found[0] = p.freeze(),
            (None, _) => {
                let mut sum = q();
                multiply(&mut sum, inverse(coefficient(x)));
                found[0] = sum.freeze();
            }
            (Some(mut p), Some(y)) => {
                // p = dx + dy, q = cx dx + cy dy: dx = (q + cy p) / (cx + cy).
                let (cx, cy) = (coefficient(x), coefficient(y));
                let (mut dx, mut scaled) = (q(), p.clone());
                multiply(&mut scaled, cy);
                add_into(&mut dx, &scaled);
                multiply(&mut dx, inverse(cx ^ cy));
                add_into(&mut p, &dx);
                found = [dx.freeze(), p.freeze()];
            }
        }
    }
    let mut all: Vec<Bytes> = units[..data].iter().map(|unit| unit.clone().unwrap_or_default()).collect();
    for (at, unit) in lost.into_iter().zip(found) {
        all[at] = unit.slice(..lengths[at].min(unit.len()));
    }
    if units[data..].iter().all(Option::is_some) {
        all.extend(units[data..].iter().flatten().cloned());
    } else {
        let mut sums = Sums::new(policy);
        all.iter().for_each(|unit| sums.add(unit.clone()));
        all.extend(sums.finish());
    }
    Ok(all)
}

fn xor_of(units: &[Option<Bytes>], data: usize, length: usize, p: &[u8]) -> BytesMut {
    let mut sum = BytesMut::zeroed(length);
    add_into(&mut sum, p);
    units[..data].iter().flatten().for_each(|unit| add_into(&mut sum, unit));
    sum
}

fn q_of(units: &[Option<Bytes>], data: usize, length: usize, q: &[u8]) -> BytesMut {
    let mut sum = BytesMut::zeroed(length);
    for unit in &units[..data] {
        double(&mut sum);
        add_into(&mut sum, unit.as_deref().unwrap_or_default());
    }
    add_into(&mut sum, q);
    sum
}

/// `sum += unit`; lengthens the sum if it must.
fn add_into(sum: &mut BytesMut, unit: &[u8]) {
    add_at(sum, 0, unit);
}

/// The same from a place in the sum on.
fn add_at(sum: &mut BytesMut, from: usize, unit: &[u8]) {
    let here = sum.get_mut(from..).unwrap_or_default();
    let common = here.len().min(unit.len());
    for (byte, other) in here.iter_mut().zip(unit) {
        *byte ^= other;
    }
    sum.extend_from_slice(&unit[common..]);
}

/// `sum *= g`.
fn double(sum: &mut [u8]) {
    for byte in sum {
        *byte = times_two(*byte);
    }
}

fn times_two(byte: u8) -> u8 {
    (byte << 1) ^ (0x1d & (byte >> 7).wrapping_neg())
}

/// `sum *= factor`, bit by bit of the factor over blocks, which the compiler makes vectors of.
fn multiply(sum: &mut [u8], factor: u8) {
    let mut power = [0; BLOCK];
    for block in sum.chunks_mut(BLOCK) {
        let power = &mut power[..block.len()];
        power.copy_from_slice(block);
        block.fill(0);
        for bit in 0..8 {
            if factor >> bit & 1 == 1 {
                for (byte, other) in block.iter_mut().zip(power.iter()) {
                    *byte ^= other;
                }
            }
            double(power);
        }
    }
}

/// `g^exponent`.
fn power(exponent: usize) -> u8 {
    (0..exponent).fold(1, |byte, _| times_two(byte))
}

/// The element whose product with `byte`, which is not 0, is 1: `byte^254`.
fn inverse(byte: u8) -> u8 {
    let mut result = [1];
    for _ in 0..254 {
        multiply(&mut result, byte);
    }
    result[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::MIN_UNIT_SIZE;
    use proptest::prelude::*;

    #[test]
    fn every_element_but_zero_has_its_inverse() {
        for byte in 1..=255 {
            let mut product = [byte];
            multiply(&mut product, inverse(byte));
            assert_eq!(product, [1], "{byte}");
        }
        assert_eq!(power(8), 0x1d);
        assert_eq!(power(255), 1);
    }

    fn policy(data: u8, parity: u8) -> Policy {
        Policy { unit_size: MIN_UNIT_SIZE, data, parity }
    }

    /// A row whose units from `end` on are missing and whose last has `last` bytes.
    fn row(policy: Policy, end: usize, longest: usize, last: usize) -> Vec<Bytes> {
        let data = usize::from(policy.data);
        let unit = |at: usize| {
            let length = if at + 1 < end {
                longest
            } else if at + 1 == end {
                last
            } else {
                0
            };
            (0..length).map(|i| ((i + 7 * at) as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
        };
        let mut units: Vec<Bytes> = (0..data).map(unit).collect();
        let mut sums = Sums::new(policy);
        units.iter().take(end).for_each(|unit| sums.add(unit.clone()));
        units.extend(sums.finish());
        units
    }

    #[test]
    fn too_few_are_refused() {
        let all = row(policy(3, 1), 3, 100, 100);
        let mut units: Vec<_> = all.into_iter().map(Some).collect();
        (units[0], units[3]) = (None, None);
        assert_eq!(rebuild(policy(3, 1), &units, &[100; 4]), Err(TooFew { here: 2, needed: 3 }));
    }

    proptest! {
        /// Any loss of up to m units of any row comes back whole.
        #[test]
        fn what_is_lost_comes_back(data in 1u8..12, parity in 0u8..3, longest in 1usize..5000, cut: usize, end: usize) {
            let (policy, end) = (policy(data, parity), end % usize::from(data) + 1);
            let last = if end == 1 { longest } else { cut % longest + 1 };
            let all = row(policy, end, longest, last);
            let lengths: Vec<_> = all.iter().map(Bytes::len).collect();
            prop_assert_eq!(all.len(), usize::from(data + parity));
            prop_assert!(lengths[usize::from(data)..].iter().all(|length| *length == longest));
            for one in 0..all.len() {
                for other in 0..all.len() {
                    let lost = if one == other { 1 } else { 2 };
                    if lost > usize::from(parity) {
                        continue;
                    }
                    let mut units: Vec<_> = all.iter().cloned().map(Some).collect();
                    (units[one], units[other]) = (None, None);
                    prop_assert_eq!(&rebuild(policy, &units, &lengths).unwrap(), &all);
                }
            }
        }
    }
}
