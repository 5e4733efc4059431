//! VC-1's advanced profile in packets (SMPTE 421M annex G, RP 227), as Blu-ray discs have it: pictures with the headers
//! before them. It has a payload format that no player receives (RFC 4425), so it travels in packets of ASF.

use super::super::timeline::Stamp;
use super::section_es::{Pictures, SectionEs, Way};
use super::syntax::UnitInfo;
use crate::container::asf::wrap::Wrapper;
use crate::container::es::MAX_SECTION;
use rtp::codec::bits::{Bits, CodecError};
use rtp::format::Format;

/// What follows start codes (annex G, table 255).
const SEQUENCE_END: u8 = 0x0A;
const FRAME: u8 = 0x0D;
const ENTRY_POINT: u8 = 0x0E;
const SEQUENCE: u8 = 0x0F;

/// Cuts one stream into access units.
pub(super) type Vc1Es = SectionEs<Vc1>;

/// The access unit that comes together, and what is known for it.
#[derive(Debug, Default)]
pub(super) struct Vc1 {
    unit: Vec<u8>,
    /// The time of its packet, once its picture has begun.
    picture: Option<Option<Stamp>>,
    /// Whether it has a sequence header or an entry point.
    sync: bool,
    /// The newest sequence header, with the entry point behind it.
    headers: Vec<u8>,
    format: Option<Format>,
}

impl Pictures for Vc1 {
    fn format(&self) -> Option<Format> {
        self.format.clone()
    }

    fn handle_section(&mut self, section: &[u8], way: &mut Way<'_>) {
        let Some(&code) = section.get(3) else { return };
        if matches!(code, FRAME | ENTRY_POINT | SEQUENCE | SEQUENCE_END) {
            self.emit(way);
        }
        match code {
            SEQUENCE => self.headers = section.to_vec(),
            ENTRY_POINT if self.format.is_none() && !self.headers.is_empty() => {
                self.headers.extend_from_slice(section);
                self.format = format(&self.headers);
            }
            FRAME => self.picture = Some(way.stamp()),
            SEQUENCE_END => return,
            ENTRY_POINT => {}
            _ if self.unit.is_empty() => {
                way.leave_out(section.len() as u64);
                return;
            }
            _ => {}
        }
        self.sync |= matches!(code, SEQUENCE | ENTRY_POINT);
        self.unit.extend_from_slice(section);
        // What comes before the first headers can't be decoded.
        let lost = self.picture.is_some() && self.format.is_none();
        if lost || self.unit.len() > MAX_SECTION {
            way.leave_out(self.unit.len() as u64);
            self.unit.clear();
            (self.picture, self.sync) = (None, false);
        }
    }

    fn finish(&mut self, way: &mut Way<'_>) {
        self.emit(way);
    }
}

impl Vc1 {
    /// The access unit that comes together is over, if it has its picture.
    fn emit(&mut self, way: &mut Way<'_>) {
        let Some(stamp) = self.picture.take() else { return };
        let mut info = UnitInfo::default();
        info.sync = std::mem::take(&mut self.sync);
        way.push(std::mem::take(&mut self.unit), stamp, &info);
    }
}

/// How ASF describes it: its headers behind a byte that decoders pass over.
fn format(headers: &[u8]) -> Option<Format> {
    let (width, height) = size(headers).ok()?;
    let private = [&[0], headers].concat();
    Wrapper::video_of(1, *b"WVC1", width, height, 24, &private).ok().map(|wrapper| wrapper.format())
}

/// Of a sequence header (6.1): the largest size, in pairs of pixels less one.
fn size(header: &[u8]) -> Result<(u32, u32), CodecError> {
    let mut bits = Bits::new("VC-1 sequence header", header.get(4..).unwrap_or(&[]));
    let profile = bits.read("PROFILE", 2)?;
    if profile != 3 {
        return Err(bits.forbidden("PROFILE", profile));
    }
    bits.skip("LEVEL to POSTPROCFLAG", 3 + 2 + 3 + 5 + 1)?;
    let width = bits.read("MAX_CODED_WIDTH", 12)?;
    let height = bits.read("MAX_CODED_HEIGHT", 12)?;
    Ok(((width + 1) * 2, (height + 1) * 2))
}

#[cfg(test)]
mod tests {
    use super::super::super::gathered::Gathered;
    use super::super::elementary::Elementary;
    use super::*;

    /// Of 512x288 pixels, with its entry point.
    const HEADERS: [&[u8]; 2] = [
        &[0, 0, 1, SEQUENCE, 0xCB, 0xA0, 0x0F, 0xF0, 0x8F, 0x8A, 0x0F, 0xF8, 0x23, 0xF1, 0x80],
        &[0, 0, 1, ENTRY_POINT, 0x5A, 0x67, 0xF8, 0x40],
    ];
    const PICTURE: &[u8] = &[0, 0, 1, FRAME, 0xC0, 0xA5, 0x67];
    const FIELD: &[u8] = &[0, 0, 1, 0x0C, 0xA4, 0xA9];

    /// Packets of a picture each, 40 ms apart: length, decode time and whether decoding may begin, of each access unit.
    fn check(packets: &[&[&[u8]]]) -> (Vec<(usize, i64, bool)>, Option<Format>, u64) {
        let (mut es, mut gathered) = (Vc1Es::new(1), Gathered::default());
        for (packet, at) in packets.iter().zip((900u64..).step_by(3600)) {
            let stamp = gathered.timeline.stamp_both(at + 3600, Some(at));
            es.handle_payload(&packet.concat(), Some(stamp), &mut gathered);
        }
        es.finish(&mut gathered);
        let units = gathered.samples.iter().map(|sample| (sample.data.len(), sample.dts, sample.sync)).collect();
        (units, es.format(), es.take_junk())
    }

    #[test]
    fn pictures_come_with_their_headers_and_times() {
        let [sequence, entry] = HEADERS;
        let end: &[u8] = &[0, 0, 1, SEQUENCE_END];
        let packets: &[&[&[u8]]] = &[&[sequence, entry, PICTURE], &[PICTURE, FIELD], &[entry, PICTURE, end]];
        let (units, format, junk) = check(packets);
        assert_eq!(units, [(30, 0, true), (13, 3600, false), (15, 7200, true)]);
        assert_eq!((format.unwrap().describe(), junk), ("WVC1 video 512x288".into(), 0));
    }

    #[test]
    fn what_comes_before_the_headers_is_left_out() {
        let [sequence, entry] = HEADERS;
        let (units, format, junk) = check(&[&[PICTURE, FIELD], &[sequence, entry, PICTURE]]);
        assert_eq!((units.len(), junk), (1, 13));
        assert!(format.is_some());
        assert_eq!(check(&[&[PICTURE]]).1, None);
        assert!(size(&[0, 0, 1, SEQUENCE, 0x4B, 0xA0, 0x0F, 0xF0, 0x8F]).is_err(), "main profile");
    }
}
