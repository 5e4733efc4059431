//! The sectors of a Video CD: from a `.dat` file to the program stream in it.
//!
//! A sector is 2352 bytes: sync 12, address and mode 4, sub-header 8 (file, channel, submode and coding, twice), then
//! 2324 bytes of data and 4 of error detection in form 2, 2048 and 280 in form 1 (ISO 10149, Green Book). Before the
//! first one lies what Windows adds, a RIFF header of form `CDXA`, whose size is often wrong; so the sync pattern of
//! the first sector is looked for instead.

use super::pes::PACK;

pub(super) const SECTOR_LEN: usize = 2352;
const SYNC: [u8; 12] = [0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
const FORM_1_DATA: usize = 2048;
const FORM_2_DATA: usize = 2324;

/// Whether `head` begins with sectors, or with a RIFF header that says so.
pub(super) fn is_sectors(head: &[u8]) -> bool {
    let riff = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"CDXA");
    let next = head.get(SECTOR_LEN..SECTOR_LEN + SYNC.len());
    riff || (head.starts_with(&SYNC) && next.is_none_or(|next| next == SYNC))
}

/// Takes sectors apart.
#[derive(Debug, Default)]
pub(super) struct Sectors {
    /// Bytes outside of sectors since the last look, the RIFF header left out.
    junk: u64,
    any: bool,
}

impl Sectors {
    /// Appends the data of the sectors of `bytes` to `data`; says how many bytes it used up, which is all with `at_end`.
    pub fn take_apart(&mut self, bytes: &[u8], at_end: bool, data: &mut Vec<u8>) -> usize {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            if !rest.starts_with(&SYNC) {
                let Some(skip) = find_sync(rest) else {
                    let skip = if at_end { rest.len() } else { rest.len().saturating_sub(SYNC.len() - 1) };
                    self.pass_over(skip);
                    return at + skip;
                };
                self.pass_over(skip);
                at += skip;
                continue;
            }
            if rest.len() < SECTOR_LEN && !at_end {
                return at;
            }
            self.any = true;
            let sector = &rest[..rest.len().min(SECTOR_LEN)];
            data.extend_from_slice(sector_data(sector));
            at += sector.len();
            if at == bytes.len() {
                return at;
            }
        }
    }

    fn pass_over(&mut self, len: usize) {
        if self.any {
            self.junk += len as u64;
        }
    }

    /// Bytes between sectors since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

fn find_sync(bytes: &[u8]) -> Option<usize> {
    bytes.windows(SYNC.len()).position(|window| window == SYNC)
}

/// What a sector holds of the program stream: nothing where its sub-header says that it is empty.
fn sector_data(sector: &[u8]) -> &[u8] {
    const MODE: usize = 15;
    const SUBMODE: usize = 18;
    const VIDEO_AUDIO_DATA: u8 = 0b0000_1110;
    const FORM_2: u8 = 0b0010_0000;
    let part = |start: usize, len: usize| sector.get(start..).map_or(&[][..], |rest| &rest[..rest.len().min(len)]);
    let Some(&[mode, _, _, submode]) = sector.get(MODE..=SUBMODE).and_then(|bytes| bytes.first_chunk::<4>()) else {
        return &[];
    };
    if mode != 2 {
        // Mode 1 has no sub-header, and mode 0 no data.
        return if mode == 1 { part(16, FORM_1_DATA) } else { &[] };
    }
    let data = part(24, if submode & FORM_2 != 0 { FORM_2_DATA } else { FORM_1_DATA });
    // Margins and the gaps between items are empty sectors of channel 0; what begins a pack is none, whatever is said.
    let begins_pack = data.starts_with(&[0, 0, 1, PACK]);
    if submode & VIDEO_AUDIO_DATA != 0 || begins_pack { data } else { &[] }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sector of mode 2 and form 2 around `data`.
    pub fn sector(submode: u8, data: &[u8]) -> Vec<u8> {
        let mut sector = SYNC.to_vec();
        sector.extend([0, 2, 0, 2]);
        sector.extend([1, 1, submode, 0x0F, 1, 1, submode, 0x0F]);
        sector.extend(data);
        sector.resize(SECTOR_LEN, 0);
        sector
    }

    #[test]
    fn data_is_found_in_all_kinds_of_sectors() {
        let pack = [&[0, 0, 1, PACK][..], &[7; 2320]].concat();
        let video = sector(0x62, &[5; 2324]);
        let cases: Vec<(&str, Vec<u8>, usize)> = vec![
            ("video, form 2", video.clone(), 2324),
            ("audio, form 2", sector(0x64, &[5; 2324]), 2324),
            ("data, form 1", sector(0x08, &[5; 2324]), 2048),
            ("empty", sector(0x60, &[5; 2324]), 0),
            ("says empty but begins a pack", sector(0x60, &pack), 2324),
            ("cut", video[..1000].to_vec(), 976),
            ("cut in the header", video[..17].to_vec(), 0),
            ("RIFF before", [b"RIFF\0\0\0\0CDXAfmt ".to_vec(), vec![1; 28], video.clone()].concat(), 2324),
            ("junk between", [video.clone(), vec![9; 100], video.clone()].concat(), 4648),
            ("no sector", vec![3; 5000], 0),
        ];
        for (name, bytes, expected) in cases {
            for piece in [bytes.len(), 1500, 13] {
                let (mut sectors, mut data, mut start, mut end) = (Sectors::default(), Vec::new(), 0, 0);
                while start < bytes.len() {
                    end = (end + piece).min(bytes.len());
                    start += sectors.take_apart(&bytes[start..end], end == bytes.len(), &mut data);
                }
                assert_eq!(data.len(), expected, "{name} by {piece}");
                assert_eq!(sectors.take_junk(), if name == "junk between" { 100 } else { 0 }, "{name}");
            }
        }
    }
}
