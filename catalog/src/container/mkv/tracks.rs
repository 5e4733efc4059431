//! `Tracks` (RFC 9559 section 5.1.4): what each track is.

use super::codec::{self, Coding};
use super::ebml::{elements, float, text, uint};
use super::limits::{MAX_INFLATED, MAX_PACKINGS, MAX_STRIPPED};
use bytes::{Bytes, BytesMut};
use flate2::read::ZlibDecoder;
use std::io::Read;

/// A track's entry.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// `TrackNumber`, by which blocks name it.
    pub number: u64,
    kind: u64,
    pub codec_id: String,
    pub private: Vec<u8>,
    /// Nanoseconds of a frame; zero where it isn't said.
    pub duration_ns: i64,
    /// Nanoseconds that the decoder needs before what is heard (`CodecDelay`).
    pub delay_ns: i64,
    pub language: Option<String>,
    pub width: u32,
    pub height: u32,
    pub rate: f64,
    pub channels: u64,
    pub bits: u64,
    /// How frames are packed, in the order in which that is undone.
    packing: Vec<Packing>,
    encrypted: bool,
    strange: bool,
}

/// A content encoding of frames (section 5.1.4.1.31).
#[derive(Clone, Debug)]
enum Packing {
    Zlib,
    /// These bytes are left out at the start of each frame.
    Stripped(Vec<u8>),
}

/// Entries of tracks, each with its coding or why it can't be sent.
pub fn read(tracks: &[u8]) -> impl Iterator<Item = (Entry, Result<Coding, String>)> {
    let entries = elements(tracks).filter(|(id, _)| *id == 0xAE);
    entries.map(|(_, body)| {
        let entry = entry(body);
        let coding = coding(&entry);
        (entry, coding)
    })
}

fn coding(entry: &Entry) -> Result<Coding, String> {
    if entry.encrypted {
        return Err(format!("it is encrypted ({})", entry.codec_id));
    }
    if entry.strange {
        return Err(format!("its frames are compressed in a way that is not known ({})", entry.codec_id));
    }
    match entry.kind {
        1 | 2 | 0x11 => codec::tell(entry),
        kind => Err(format!("neither video, audio nor text (type {kind}, {})", entry.codec_id)),
    }
}

fn entry(body: &[u8]) -> Entry {
    let mut out = Entry { rate: 8000.0, channels: 1, language: Some("eng".into()), ..Entry::default() };
    let mut encodings = Vec::new();
    for (id, body) in elements(body) {
        let nanoseconds = || i64::try_from(uint(body)).unwrap_or(0);
        match id {
            0xD7 => out.number = uint(body),
            0x83 => out.kind = uint(body),
            0x86 => out.codec_id = text(body),
            0x63A2 => out.private = body.to_vec(),
            0x23_E383 => out.duration_ns = nanoseconds(),
            0x56AA => out.delay_ns = nanoseconds(),
            // The newer element (BCP 47) wins over the older (ISO 639-2), whose default is English.
            0x22_B59D => out.language = Some(text(body)),
            0x22_B59C => out.language = Some(text(body)),
            0xE0 => {
                for (id, body) in elements(body) {
                    match id {
                        0xB0 => out.width = narrow(uint(body)),
                        0xBA => out.height = narrow(uint(body)),
                        _ => {}
                    }
                }
            }
            0xE1 => {
                for (id, body) in elements(body) {
                    match id {
                        0xB5 => out.rate = float(body),
                        0x9F => out.channels = uint(body),
                        0x6264 => out.bits = uint(body),
                        _ => {}
                    }
                }
            }
            0x6D80 => encodings.extend(elements(body).filter(|(id, _)| *id == 0x6240).map(|(_, body)| body)),
            _ => {}
        }
    }
    out.language = out.language.filter(|language| !language.is_empty() && language != "und" && language.len() <= 35);
    // The highest order is undone first.
    let order = |body: &[u8]| elements(body).find(|(id, _)| *id == 0x5031).map_or(0, |(_, body)| uint(body));
    out.strange = encodings.len() > MAX_PACKINGS;
    encodings.truncate(MAX_PACKINGS);
    encodings.sort_by_key(|body| std::cmp::Reverse(order(body)));
    for body in encodings {
        out.unpack(body);
    }
    out
}

impl Entry {
    /// Takes a `ContentEncoding` in.
    fn unpack(&mut self, body: &[u8]) {
        let find = |wanted: u32| elements(body).find(|(id, _)| *id == wanted).map(|(_, body)| body);
        let scope = find(0x5032).map_or(1, uint);
        if find(0x5033).map_or(0, uint) != 0 || find(0x5035).is_some() {
            self.encrypted = true;
            return;
        }
        let compression = find(0x5034).unwrap_or_default();
        let setting = |wanted: u32| elements(compression).find(|(id, _)| *id == wanted).map(|(_, body)| body);
        let head = setting(0x4255).unwrap_or_default();
        let packing = match setting(0x4254).map_or(0, uint) {
            // Twice would make a million bytes of one.
            0 if !self.packing.iter().any(|before| matches!(before, Packing::Zlib)) => Packing::Zlib,
            3 if head.len() <= MAX_STRIPPED => Packing::Stripped(head.to_vec()),
            _ => {
                self.strange = true;
                return;
            }
        };
        if scope & 2 != 0 {
            match packing.undo(&Bytes::copy_from_slice(&self.private)) {
                Ok(private) => self.private = private.to_vec(),
                Err(_) => self.strange = true,
            }
        }
        if scope & 1 != 0 {
            self.packing.push(packing);
        }
    }

    /// A frame as the codec has it; an error where it can't be unpacked.
    pub fn frame(&self, mut data: Bytes) -> Result<Bytes, &'static str> {
        for packing in &self.packing {
            data = packing.undo(&data)?;
        }
        Ok(data)
    }

    /// Whole samples per second.
    pub fn sample_rate(&self) -> u32 {
        // Cut to the type's bounds.
        self.rate.round() as u32
    }
}

impl Packing {
    fn undo(&self, data: &Bytes) -> Result<Bytes, &'static str> {
        match self {
            Packing::Stripped(head) if head.is_empty() => Ok(data.clone()),
            Packing::Stripped(head) => {
                let mut out = BytesMut::with_capacity(head.len() + data.len());
                out.extend_from_slice(head);
                out.extend_from_slice(data);
                Ok(out.freeze())
            }
            Packing::Zlib => {
                let mut out = Vec::new();
                let read = ZlibDecoder::new(&data[..]).take(MAX_INFLATED + 1).read_to_end(&mut out);
                match read {
                    Ok(_) if out.len() as u64 <= MAX_INFLATED => Ok(out.into()),
                    Ok(_) => Err("a frame that is too long when inflated"),
                    Err(_) => Err("a frame that can't be inflated"),
                }
            }
        }
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element of a short body.
    fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
        [id, &[0x80 | body.len() as u8], body].concat()
    }

    #[test]
    fn packing_is_undone_in_its_order() {
        let setting = |algorithm: u8, with: &[u8]| {
            element(&[0x50, 0x34], &[element(&[0x42, 0x54], &[algorithm]), element(&[0x42, 0x55], with)].concat())
        };
        let encoding =
            |order: u8, inner: Vec<u8>| element(&[0x62, 0x40], &[element(&[0x50, 0x31], &[order]), inner].concat());
        let both = [encoding(0, setting(3, b"ab")), encoding(1, setting(3, b"x"))].concat();
        let entry = entry(&element(&[0x6D, 0x80], &both));
        assert_eq!(entry.frame(Bytes::from_static(b"cd")), Ok(Bytes::from_static(b"abxcd")));
        let zlib = super::entry(&element(&[0x6D, 0x80], &encoding(0, setting(0, &[]))));
        let deflated = [&[0x78, 0x01, 1, 2, 0, 0xFD, 0xFF][..], b"hi", &[0x01, 0x3B, 0, 0xD2]].concat();
        assert_eq!(zlib.frame(deflated.into()), Ok(Bytes::from_static(b"hi")));
        assert_eq!(zlib.frame(Bytes::from_static(b"hi")), Err("a frame that can't be inflated"));
        // What makes a thousand of one, twice; and marks that are none.
        let twice = [encoding(0, setting(0, &[])), encoding(1, setting(0, &[]))].concat();
        let five = encoding(0, setting(3, b"a")).repeat(5);
        for strange in [twice, five] {
            let entry = super::entry(&element(&[0x6D, 0x80], &strange));
            assert!(coding(&entry).unwrap_err().contains("in a way that is not known"));
        }
        let locked = super::entry(&element(&[0x6D, 0x80], &encoding(0, element(&[0x50, 0x33], &[1]))));
        assert_eq!(coding(&locked).unwrap_err(), "it is encrypted ()");
    }
}
