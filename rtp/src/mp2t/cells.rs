//! Packets of 188 bytes (ISO 13818-1 2.4.3.2).

/// Bytes of a packet.
pub(crate) const CELL: usize = 188;
pub(crate) const SYNC: u8 = 0x47;
const HEAD: usize = 4;
const UNIT_START: u8 = 0x40;
const ADAPTATION: u8 = 0x20;
const PAYLOAD: u8 = 0x10;
const RANDOM_ACCESS: u8 = 0x40;
const CLOCK: u8 = 0x10;
const CLOCK_BYTES: usize = 6;

/// Where in a packet that has one the clock reference lies, and the byte whose time it says: that with the last bit of its
/// base (2.4.2.2).
pub(super) const CLOCK_AT: usize = HEAD + 2;
pub(super) const CLOCK_BYTE: usize = CLOCK_AT + 4;

/// What a packet says beside its payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// A PES packet or section begins in it.
    pub start: bool,
    /// Decoding may begin here.
    pub random_access: bool,
    /// Room for a clock reference is kept.
    pub clock: bool,
}

/// Appends a packet with as much of `payload` as fits and answers how much that is. `continuity` counts on.
pub(super) fn write(pid: u16, continuity: &mut u8, marks: Marks, payload: &[u8], out: &mut Vec<u8>) -> usize {
    let wanted = match (marks.random_access, marks.clock) {
        (_, true) => 2 + CLOCK_BYTES,
        (true, false) => 2,
        (false, false) => 0,
    };
    let take = payload.len().min(CELL - HEAD - wanted);
    let adaptation = CELL - HEAD - take;
    let flags = if adaptation > 0 { ADAPTATION | PAYLOAD } else { PAYLOAD };
    let [high, low] = pid.to_be_bytes();
    out.extend_from_slice(&[SYNC, high | if marks.start { UNIT_START } else { 0 }, low, flags | *continuity & 15]);
    *continuity = continuity.wrapping_add(1);
    write_adaptation(adaptation, marks, out);
    out.extend_from_slice(&payload[..take]);
    take
}

/// Appends a packet with a section, which must fit.
pub(super) fn write_section(pid: u16, continuity: &mut u8, section: &[u8], out: &mut Vec<u8>) {
    let [high, low] = pid.to_be_bytes();
    let end = out.len() + CELL;
    out.extend_from_slice(&[SYNC, high | UNIT_START, low, PAYLOAD | *continuity & 15]);
    *continuity = continuity.wrapping_add(1);
    // The section begins at once.
    out.push(0);
    out.extend_from_slice(section);
    out.resize(end, 0xFF);
}

/// Appends a packet without payload, for its clock reference: the count stays.
pub(super) fn write_clock(pid: u16, continuity: u8, out: &mut Vec<u8>) {
    let [high, low] = pid.to_be_bytes();
    out.extend_from_slice(&[SYNC, high, low, ADAPTATION | continuity.wrapping_sub(1) & 15]);
    write_adaptation(CELL - HEAD, Marks { clock: true, ..Marks::default() }, out);
}

/// An adaptation field of `length` bytes in all, filled up.
fn write_adaptation(length: usize, marks: Marks, out: &mut Vec<u8>) {
    let end = out.len() + length;
    if length > 0 {
        out.push((length - 1) as u8);
    }
    if length > 1 {
        out.push(if marks.random_access { RANDOM_ACCESS } else { 0 } | if marks.clock { CLOCK } else { 0 });
    }
    if marks.clock {
        out.extend_from_slice(&[0; CLOCK_BYTES]);
    }
    out.resize(end, 0xFF);
}

/// Puts the clock reference into a packet that kept room for it: `time` in ticks of 27 MHz.
pub(super) fn set_clock(cell: &mut [u8], time: i64) {
    let base = (time.div_euclid(300) & ((1 << 33) - 1)) as u64;
    let rest = time.rem_euclid(300) as u64;
    // 33 bits, six reserved ones, nine bits.
    let bits = base << 15 | 0x3F << 9 | rest;
    if let Some(field) = cell.get_mut(CLOCK_AT..CLOCK_AT + CLOCK_BYTES) {
        field.copy_from_slice(&bits.to_be_bytes()[2..]);
    }
}
