//! JPEG images (ITU-T T.81 annex B), as far as RFC 2435 can carry them: baseline, three components with chroma halved in
//! width or in both directions, the Huffman tables of annex K, one scan.

/// Values of a quantization table, of 8 bits each.
pub(super) const TABLE: usize = 64;

/// The marker that ends an image (EOI).
pub(super) const END: [u8; 2] = [0xFF, 0xD9];

/// Markers' second bytes.
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOF0: u8 = 0xC0;
const DHT: u8 = 0xC4;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;
const SOS: u8 = 0xDA;

/// Huffman tables by class (DC, AC) and by what they are for (luma, chroma): how many codes of each length, then the values
/// (T.81 tables K.3 to K.6).
const HUFFMAN: [[&[u8]; 2]; 2] = [
    [
        &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ],
    [
        &[
            0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D, //
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
            0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
            0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
            0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
            0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
            0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
            0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
            0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
            0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
        &[
            0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77, //
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
            0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
            0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
            0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
            0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
            0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
            0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
            0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
            0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    ],
];

/// What is wrong with an image, and where.
type Wrong = (usize, &'static str);

/// All of an image that isn't the scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// 0: chroma of half the width; 1: of half the width and height.
    pub(super) kind: u8,
    pub(super) width_eighths: u8,
    pub(super) height_eighths: u8,
    /// MCUs between restart markers; 0 without.
    pub(super) restart_interval: u16,
    /// Quantization of luma and chroma, in zigzag order.
    pub(super) tables: [[u8; TABLE]; 2],
}

impl Frame {
    /// Reads an image; with it comes its scan, without what ends it.
    pub(super) fn parse(image: &[u8]) -> Result<(Self, &[u8]), Wrong> {
        let mut reader = Reader::default();
        if image.get(..2) != Some(&[0xFF, SOI]) {
            return Err((0, "no start of image"));
        }
        let mut at = 2;
        loop {
            let Some(0xFF) = image.get(at) else { return Err((at, "no marker")) };
            // Any number of FF may come before a marker's second byte.
            let Some(skip) = image[at..].iter().position(|&byte| byte != 0xFF) else { return Err((at, "no marker")) };
            at += skip;
            let marker = image[at];
            let length = image.get(at + 1..at + 3).map(|length| usize::from(length[0]) << 8 | usize::from(length[1]));
            let segment = length.and_then(|length| image.get(at + 3..at + 1 + length));
            let Some(segment) = segment else { return Err((at, "a segment that reaches past the image")) };
            reader.segment(marker, segment).map_err(|reason| (at, reason))?;
            at += 3 + segment.len();
            if marker == SOS {
                let scan = scan(image, at, reader.restart_interval > 0)?;
                return Ok((reader.frame().map_err(|reason| (at, reason))?, scan));
            }
        }
    }

    /// The image's bytes up to its scan (RFC 2435 appendix B).
    pub(super) fn head(&self) -> Vec<u8> {
        let mut out = vec![0xFF, SOI];
        for (index, table) in (0u8..).zip(&self.tables) {
            segment(&mut out, DQT, &[&[index], table]);
        }
        if self.restart_interval > 0 {
            segment(&mut out, DRI, &[&self.restart_interval.to_be_bytes()]);
        }
        let [width, height] = [self.width_eighths, self.height_eighths].map(|side| (u16::from(side) * 8).to_be_bytes());
        let luma = [1, if self.kind == 0 { 0x21 } else { 0x22 }, 0];
        segment(&mut out, SOF0, &[&[8], &height, &width, &[3], &luma, &[2, 0x11, 1, 3, 0x11, 1]]);
        for (class, tables) in (0u8..).zip(HUFFMAN) {
            for (index, table) in (0u8..).zip(tables) {
                segment(&mut out, DHT, &[&[class << 4 | index], table]);
            }
        }
        segment(&mut out, SOS, &[&[3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]]);
        out
    }
}

/// Bytes of [`Frame::head`].
pub(super) fn head_len(restart_interval: u16) -> usize {
    let huffman: usize = HUFFMAN.iter().flatten().map(|table| 5 + table.len()).sum();
    2 + 2 * (5 + TABLE) + if restart_interval > 0 { 6 } else { 0 } + 19 + huffman + 14
}

fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&[0xFF, marker]);
    // None of ours is that long.
    out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The entropy-coded bytes from `start` on.
fn scan(image: &[u8], start: usize, restarts: bool) -> Result<&[u8], Wrong> {
    let mut at = start;
    while let Some(found) = image[at..].iter().position(|&byte| byte == 0xFF) {
        at += found;
        match image.get(at + 1) {
            Some(0) => at += 2,
            Some(0xFF) => at += 1,
            Some(0xD0..=0xD7) if restarts => at += 2,
            Some(&EOI) => {
                // Cameras pad images; interlaced video has the second field behind the first.
                let second = image[at + 2..].windows(2).any(|pair| pair == [0xFF, SOI]);
                return if second { Err((at, "two fields in one image")) } else { Ok(&image[start..at]) };
            }
            Some(_) => return Err((at, "a marker in the scan")),
            None => return Ok(&image[start..at]),
        }
    }
    Ok(&image[start..])
}

/// What the segments said so far.
#[derive(Default)]
struct Reader<'a> {
    quantization: [Option<[u8; TABLE]>; 4],
    huffman: [[Option<&'a [u8]>; 4]; 2],
    restart_interval: u16,
    size: (u16, u16),
    components: Vec<Component>,
    /// By component: selectors of its DC and AC table.
    selectors: Vec<u8>,
}

struct Component {
    id: u8,
    sampling: u8,
    table: u8,
}

const CUT: &str = "a segment cut short";

impl<'a> Reader<'a> {
    fn segment(&mut self, marker: u8, segment: &'a [u8]) -> Result<(), &'static str> {
        match marker {
            DQT => self.quantization(segment),
            DHT => self.huffman(segment),
            DRI => {
                let Some(&[high, low]) = segment.first_chunk::<2>() else { return Err(CUT) };
                self.restart_interval = u16::from_be_bytes([high, low]);
                Ok(())
            }
            SOF0 => self.components(segment),
            0xC1..=0xCF => Err("not baseline"),
            SOS => self.scan(segment),
            // Application data and comments.
            0xE0..=0xEF | 0xFE => Ok(()),
            _ => Err("a marker that doesn't belong there"),
        }
    }

    fn quantization(&mut self, mut rest: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, after)) = rest.split_first() {
            let Some((table, after)) = after.split_first_chunk::<TABLE>() else { return Err(CUT) };
            let Some(slot) = self.quantization.get_mut(usize::from(head)) else {
                return Err("a quantization table of 16 bits");
            };
            (*slot, rest) = (Some(*table), after);
        }
        Ok(())
    }

    fn huffman(&mut self, mut rest: &'a [u8]) -> Result<(), &'static str> {
        while let Some((&head, after)) = rest.split_first() {
            let Some(counts) = after.get(..16) else { return Err(CUT) };
            let values: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((table, after)) = after.split_at_checked(16 + values) else { return Err(CUT) };
            let class = self.huffman.get_mut(usize::from(head >> 4));
            let Some(slot) = class.and_then(|class| class.get_mut(usize::from(head & 15))) else {
                return Err("a Huffman table with no place");
            };
            (*slot, rest) = (Some(table), after);
        }
        Ok(())
    }

    fn components(&mut self, segment: &[u8]) -> Result<(), &'static str> {
        let Some((&[bits, h1, h0, w1, w0, count], components)) = segment.split_first_chunk::<6>() else {
            return Err(CUT);
        };
        if bits != 8 || count != 3 || components.len() < 9 {
            return Err("not three components of 8 bits");
        }
        self.size = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        let component = |bytes: &[u8]| Component { id: bytes[0], sampling: bytes[1], table: bytes[2] };
        self.components = components.chunks_exact(3).take(3).map(component).collect();
        Ok(())
    }

    fn scan(&mut self, segment: &[u8]) -> Result<(), &'static str> {
        let Some(&[3, id0, huffman0, id1, huffman1, id2, huffman2, 0, 63, 0]) = segment.first_chunk::<10>() else {
            return Err("not one baseline scan of three components");
        };
        if !self.components.iter().map(|component| component.id).eq([id0, id1, id2]) {
            return Err("components in another order than in the frame header");
        }
        self.selectors = vec![huffman0, huffman1, huffman2];
        Ok(())
    }

    /// Whether all is as a receiver will suppose.
    fn frame(&self) -> Result<Frame, &'static str> {
        let [luma, blue, red] = self.components.as_slice() else { return Err("no frame header before the scan") };
        let kind = match [luma.sampling, blue.sampling, red.sampling] {
            [0x21, 0x11, 0x11] => 0,
            [0x22, 0x11, 0x11] => 1,
            _ => return Err("chroma neither 4:2:2 nor 4:2:0"),
        };
        for (component, selector) in self.selectors.iter().enumerate() {
            for (class, index) in [selector >> 4, selector & 15].into_iter().enumerate() {
                // Video often leaves the tables out: they are then those of annex K, in their usual places.
                let usual = || HUFFMAN[class].get(usize::from(index)).copied();
                let table = *self.huffman[class].get(usize::from(index)).ok_or("a Huffman table with no place")?;
                if table.or_else(usual) != Some(HUFFMAN[class][component.min(1)]) {
                    return Err("Huffman tables of its own");
                }
            }
        }
        let table = |component: &Component| {
            let table = self.quantization.get(usize::from(component.table)).copied().flatten();
            table.ok_or("a quantization table that isn't there")
        };
        let tables = [table(luma)?, table(blue)?];
        if table(red)? != tables[1] {
            return Err("different quantization of the two chroma components");
        }
        let eighths = |side: u16| u8::try_from(side / 8).ok().filter(|&eighths| side.is_multiple_of(8) && eighths > 0);
        match (eighths(self.size.0), eighths(self.size.1)) {
            (Some(width_eighths), Some(height_eighths)) => {
                let restart_interval = self.restart_interval;
                Ok(Frame { kind, width_eighths, height_eighths, restart_interval, tables })
            }
            _ => Err("a size that isn't a multiple of 8 up to 2040"),
        }
    }
}
