//! Pages (RFC 3533 section 6) and the packets that they carry pieces of.

use bytes::{Bytes, BytesMut};

/// Bytes of a page's header without its table of lengths.
pub const HEADER: usize = 27;
/// Bytes of a page at most: header, 255 lengths, 255 pieces of 255 bytes.
pub const MAX_PAGE: usize = HEADER + 255 + 255 * 255;

/// What each value of the upper byte adds to the checksum (RFC 3533 section 6).
const SUMS: [u32; 256] = {
    let mut sums = [0; 256];
    let mut value = 0;
    while value < 256 {
        let (mut sum, mut bit) = ((value as u32) << 24, 0);
        while bit < 8 {
            sum = sum << 1 ^ if sum >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
            bit += 1;
        }
        sums[value] = sum;
        value += 1;
    }
    sums
};

/// What a page says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// It begins with the rest of a packet.
    pub continued: bool,
    /// First and last page of its stream.
    pub first: bool,
    pub last: bool,
    /// Where the last packet that ends on it ends, in the codec's own count; `None` where none does.
    pub granule: Option<i64>,
    pub serial: u32,
    pub sequence: u32,
    /// Bytes of the header with its table, and of the whole page.
    pub header: usize,
    pub len: usize,
}

impl Page {
    /// Reads a page's header; `bytes` should be [`HEADER`] + 255 bytes or the rest of the file. `None`: no page begins
    /// here, or it isn't whole.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"OggS\0")?;
        let (&flags, rest) = rest.split_first()?;
        let (granule, rest) = rest.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let count = usize::from(*rest.get(4)?);
        let table = rest.get(5..5 + count)?;
        let header = HEADER + count;
        let granule = i64::from_le_bytes(*granule);
        Some(Self {
            continued: flags & 1 != 0,
            first: flags & 2 != 0,
            last: flags & 4 != 0,
            granule: (granule != -1).then_some(granule),
            serial: u32::from_le_bytes(*serial),
            sequence: u32::from_le_bytes(*sequence),
            header,
            len: header + table.iter().map(|length| usize::from(*length)).sum::<usize>(),
        })
    }

    /// Whether `bytes`, the whole page, are as they were written.
    pub fn is_undamaged(bytes: &[u8]) -> bool {
        let Some(sum) = bytes.get(22..26) else { return false };
        let zeros = [0; 4];
        let parts = [&bytes[..22], &zeros, &bytes[26..]];
        let next = |crc: u32, byte: &u8| crc << 8 ^ SUMS[usize::from((crc >> 24) as u8 ^ byte)];
        parts.into_iter().flatten().fold(0, next).to_le_bytes() == sum
    }

    /// The pieces of packets on the page, each with whether its packet ends here.
    pub fn pieces(&self, bytes: &Bytes) -> Vec<(Bytes, bool)> {
        let mut out = Vec::new();
        let (mut from, mut to) = (self.header, self.header);
        for length in &bytes[HEADER..self.header] {
            to += usize::from(*length);
            if *length < 255 {
                out.push((bytes.slice(from..to), true));
                from = to;
            }
        }
        if to > from {
            out.push((bytes.slice(from..to), false));
        }
        out
    }
}

/// Puts one stream's packets together.
#[derive(Debug, Default)]
pub struct Packets {
    begun: BytesMut,
    /// Pages were lost, or the packet is too long: what follows of it is passed over.
    broken: bool,
    next: Option<u32>,
}

impl Packets {
    /// The packets that end on a page, none longer than `most` bytes; and whether something is missing before them.
    pub fn handle(&mut self, page: &Page, bytes: &Bytes, most: usize) -> (Vec<Bytes>, bool) {
        let gap = self.next.is_some_and(|next| next != page.sequence);
        self.next = Some(page.sequence.wrapping_add(1));
        if gap || !page.continued {
            self.begun.clear();
            self.broken = gap && page.continued;
        }
        let mut out = Vec::new();
        for (piece, ends) in page.pieces(bytes) {
            if self.begun.len() + piece.len() > most {
                self.begun.clear();
                self.broken = true;
            }
            if !self.broken {
                match ends && self.begun.is_empty() {
                    true => out.push(piece),
                    false => {
                        self.begun.extend_from_slice(&piece);
                        if ends {
                            out.push(std::mem::take(&mut self.begun).freeze());
                        }
                    }
                }
            }
            if ends {
                self.begun.clear();
                self.broken = false;
            }
        }
        (out, gap)
    }
}

#[cfg(test)]
pub mod made {
    //! Pages for tests.

    /// A page of whole packets, or with `open` the last goes on.
    pub fn page(flags: u8, granule: i64, serial: u32, sequence: u32, packets: &[&[u8]], open: bool) -> Vec<u8> {
        let mut out = b"OggS\0".to_vec();
        out.push(flags);
        out.extend(granule.to_le_bytes());
        out.extend(serial.to_le_bytes());
        out.extend(sequence.to_le_bytes());
        out.extend([0; 4]);
        let mut table = Vec::new();
        for (number, packet) in packets.iter().enumerate() {
            table.extend(std::iter::repeat_n(255, packet.len() / 255));
            if !open || number + 1 < packets.len() {
                table.push((packet.len() % 255) as u8);
            }
        }
        out.push(table.len() as u8);
        out.extend(table);
        out.extend(packets.concat());
        let crc = out.iter().fold(0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
        });
        out[22..26].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::made::page;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_go_over_pages() {
        let long = vec![7; 255 * 2];
        let parts = [
            page(2, -1, 9, 0, &[b"a", &long], true),
            page(1, 40, 9, 1, &[b"b", b""], false),
            page(4, 50, 9, 3, &[b"c"], false),
        ];
        let mut packets = Packets::default();
        let mut found = Vec::new();
        for bytes in parts {
            assert!(Page::is_undamaged(&bytes));
            let page = Page::read(&bytes).unwrap();
            assert_eq!((page.len, page.serial), (bytes.len(), 9));
            let (out, gap) = packets.handle(&page, &bytes.into(), 600);
            found.push((page.granule, gap, out.iter().map(Bytes::len).collect::<Vec<_>>()));
        }
        assert_eq!(found, [(None, false, vec![1]), (Some(40), false, vec![511, 0]), (Some(50), true, vec![1])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page_or_none(mut bytes: Vec<u8>, flags: u8, count: u8) {
            let mut whole = page(flags, 0, 1, 1, &[], false);
            whole[26] = count;
            whole.append(&mut bytes);
            if let Some(page) = Page::read(&whole).filter(|page| page.len <= whole.len()) {
                let bytes = Bytes::from(whole).slice(..page.len);
                Packets::default().handle(&page, &bytes, 100);
                prop_assert!(page.len <= MAX_PAGE);
            }
        }
    }
}
