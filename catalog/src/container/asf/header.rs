//! The header object (ASF Specification section 3): which streams there are and what must be known of them.

use super::assemble::Spread;
use super::error;
use super::limits::{MAX_OBJECTS, MAX_PACKET_SIZE};
use super::select::{self, Candidate};
use super::wrap::Wrapper;
use crate::container::ContainerError;
use bytes::Bytes;
use nom::IResult;
use nom::bytes::complete::take;
use nom::multi::count;
use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};
use rtp::asf::guid::{self, Guid};

/// Bytes of the header object before the objects in it.
pub(super) const HEAD: usize = 30;
/// Bytes of any object's name and size.
pub(super) const OBJECT_HEAD: usize = 24;
/// Bytes of the data object before its packets.
pub(super) const DATA_HEAD: u64 = 50;

/// A file's header.
#[derive(Debug)]
pub(super) struct FileHeader {
    /// In every presentation time.
    pub preroll_ms: u64,
    pub packet_size: usize,
    /// Counts and sizes are not known.
    pub broadcast: bool,
    /// Those that will be sent.
    pub streams: Vec<Stream>,
    pub notes: Vec<String>,
}

/// A stream that will be sent.
#[derive(Debug)]
pub(super) struct Stream {
    pub number: u8,
    pub wrapper: Wrapper,
    pub audio: bool,
    pub language: Option<String>,
    /// Milliseconds that a picture is shown, where the file says it.
    pub frame_ms: Option<i64>,
    /// Bytes per second of sound on average, where the file says it.
    pub byte_rate: Option<i64>,
    pub spread: Option<Spread>,
}

/// What the objects of a header say, before it is decided what will be sent.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub streams: Vec<Properties>,
    pub extended: Vec<Extended>,
    /// Stream and bits per second.
    pub bitrates: Vec<(u8, u32)>,
    /// Streams of which only one is meant to be played, by bit rate.
    pub exclusions: Vec<Vec<u8>>,
    pub languages: Vec<String>,
    file: Option<FileProperties>,
    encryption: Option<String>,
}

/// A Stream Properties Object (section 3.3).
#[derive(Clone, Debug)]
pub(super) struct Properties {
    pub number: u8,
    pub kind: Guid,
    pub encrypted: bool,
    pub type_data: Bytes,
    pub spread: Option<Spread>,
}

/// An Extended Stream Properties Object (section 4.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Extended {
    pub number: u8,
    pub bitrate: u32,
    pub language: u16,
    pub frame_100ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct FileProperties {
    preroll_ms: u64,
    broadcast: bool,
    min_packet: u32,
    max_packet: u32,
}

impl FileHeader {
    /// Reads the whole header object, `bytes`, at the file's start.
    pub fn read(bytes: &Bytes) -> Result<Self, ContainerError> {
        let mut found = Found::default();
        let mut notes = Vec::new();
        let mut left = MAX_OBJECTS;
        found.objects(&bytes.slice(HEAD.min(bytes.len())..), HEAD as u64, &mut left, &mut notes)?;
        if let Some(scheme) = found.encryption {
            return Err(error(0, format!("it is encrypted and can't be sent: {scheme}")));
        }
        let file = found.file.ok_or_else(|| error(0, "no file properties object in the header"))?;
        if file.min_packet != file.max_packet || !(1..=MAX_PACKET_SIZE).contains(&file.max_packet) {
            let FileProperties { min_packet, max_packet, .. } = file;
            let reason = format!(
                "data packets of {min_packet} to {max_packet} bytes; one size within {MAX_PACKET_SIZE} expected"
            );
            return Err(error(0, reason));
        }
        let mut streams = Vec::new();
        for candidate in select::candidates(&found) {
            let number = candidate.number();
            match candidate {
                Candidate::Sent(stream) if streams.iter().any(|other: &Stream| other.number == number) => {
                    notes.push(format!("stream {}: described twice, the first one counts", stream.number));
                }
                Candidate::Sent(stream) => streams.push(*stream),
                Candidate::LeftOut { reason, .. } => {
                    notes.push(format!("stream {number} is left out: {reason}"));
                }
            }
        }
        if streams.is_empty() {
            return Err(error(0, format!("no stream that can be sent: {}", notes.join("; "))));
        }
        Ok(Self {
            preroll_ms: file.preroll_ms,
            // At most MAX_PACKET_SIZE.
            packet_size: file.max_packet as usize,
            broadcast: file.broadcast,
            streams,
            notes,
        })
    }
}

impl Found {
    /// Takes in the objects that lie one behind the other in `bytes`, which lie at `at` in the file.
    fn objects(
        &mut self,
        bytes: &Bytes,
        at: u64,
        left: &mut usize,
        notes: &mut Vec<String>,
    ) -> Result<(), ContainerError> {
        let mut from = 0;
        while let Some((name, size)) = object_head(&bytes[from..]) {
            let place = at + from as u64;
            let end = usize::try_from(size).ok().and_then(|size| from.checked_add(size));
            let Some(end) = end.filter(|end| size >= OBJECT_HEAD as u64 && *end <= bytes.len()) else {
                // Some writers are wrong about the last one, which is but padding.
                notes.push(format!("the header's object at byte {place} has {size} bytes, more or less than there is"));
                return Ok(());
            };
            *left =
                left.checked_sub(1).ok_or_else(|| error(place, format!("over {MAX_OBJECTS} objects in the header")))?;
            self.object(&name, &bytes.slice(from + OBJECT_HEAD..end), place, left, notes)?;
            from = end;
        }
        Ok(())
    }

    fn object(
        &mut self,
        name: &Guid,
        body: &Bytes,
        at: u64,
        left: &mut usize,
        notes: &mut Vec<String>,
    ) -> Result<(), ContainerError> {
        let wrong = |what: &str| error(at, format!("{what} expected"));
        match *name {
            guid::FILE_PROPERTIES => {
                let (_, file) = file_properties(body).map_err(|_| wrong("file properties"))?;
                self.file.get_or_insert(file);
            }
            guid::STREAM_PROPERTIES => {
                let (_, stream) = stream_properties(body).map_err(|_| wrong("stream properties"))?;
                self.streams.push(stream);
            }
            guid::HEADER_EXTENSION => {
                // A GUID, two bytes and the size of what follows.
                let inside = body.slice(22.min(body.len())..);
                self.objects(&inside, at + OBJECT_HEAD as u64 + 22, left, notes)?;
            }
            guid::EXTENDED_STREAM_PROPERTIES => {
                let (rest, extended) = extended_properties(body).map_err(|_| wrong("extended stream properties"))?;
                self.extended.push(extended);
                // A stream that old readers shall not see has its properties here.
                let from = body.len() - rest.len();
                self.objects(&body.slice(from..), at + (OBJECT_HEAD + from) as u64, left, notes)?;
            }
            guid::STREAM_BITRATES => {
                self.bitrates = bitrates(body).map(|(_, bitrates)| bitrates).unwrap_or_default();
            }
            guid::BITRATE_MUTUAL_EXCLUSION | guid::ADVANCED_MUTUAL_EXCLUSION => {
                if let Ok((_, (guid::MUTEX_BITRATE, streams))) = exclusion(body) {
                    self.exclusions.push(streams);
                }
            }
            guid::LANGUAGE_LIST => {
                self.languages = languages(body).map(|(_, languages)| languages).unwrap_or_default();
            }
            guid::CONTENT_ENCRYPTION => {
                let named = content_encryption(body).map(|(_, named)| named).unwrap_or_default();
                self.encryption = Some(format!("Windows Media DRM ({named})"));
            }
            guid::EXTENDED_CONTENT_ENCRYPTION => {
                self.encryption.get_or_insert("Windows Media DRM (extended content encryption)".into());
            }
            guid::ADVANCED_CONTENT_ENCRYPTION => {
                self.encryption.get_or_insert("network devices DRM (advanced content encryption)".into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// An object's name and its size with name and size, if there is one.
pub(super) fn object_head(bytes: &[u8]) -> Option<(Guid, u64)> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (size, _) = rest.split_first_chunk()?;
    Some((*name, u64::from_le_bytes(*size)))
}

fn name(input: &[u8]) -> IResult<&[u8], Guid> {
    let (input, bytes) = take(16usize)(input)?;
    let mut name = [0; 16];
    name.copy_from_slice(bytes);
    Ok((input, name))
}

fn file_properties(input: &[u8]) -> IResult<&[u8], FileProperties> {
    // File ID, file size, creation, packets, play and send duration.
    let (input, _) = take(56usize)(input)?;
    let (input, preroll_ms) = le_u64(input)?;
    let (input, flags) = le_u32(input)?;
    let (input, min_packet) = le_u32(input)?;
    let (input, max_packet) = le_u32(input)?;
    Ok((input, FileProperties { preroll_ms, broadcast: flags & 1 != 0, min_packet, max_packet }))
}

fn stream_properties(input: &[u8]) -> IResult<&[u8], Properties> {
    let (input, kind) = name(input)?;
    let (input, correction) = name(input)?;
    // A time offset that nobody uses.
    let (input, _) = take(8usize)(input)?;
    let (input, type_size) = le_u32(input)?;
    let (input, correction_size) = le_u32(input)?;
    let (input, flags) = le_u16(input)?;
    let (input, _) = take(4usize)(input)?;
    let (input, type_data) = take(type_size)(input)?;
    let (input, correction_data) = take(correction_size)(input)?;
    let spread = (correction == guid::AUDIO_SPREAD).then(|| spread(correction_data)).flatten();
    let properties = Properties {
        number: (flags & 0x7f) as u8,
        kind,
        encrypted: flags & 0x8000 != 0,
        type_data: Bytes::copy_from_slice(type_data),
        spread,
    };
    Ok((input, properties))
}

fn spread(data: &[u8]) -> Option<Spread> {
    let [span, packet_low, packet_high, chunk_low, chunk_high, ..] = *data else { return None };
    Spread::new(span, u16::from_le_bytes([packet_low, packet_high]), u16::from_le_bytes([chunk_low, chunk_high]))
}

fn extended_properties(input: &[u8]) -> IResult<&[u8], Extended> {
    // Start and end.
    let (input, _) = take(16usize)(input)?;
    let (input, bitrate) = le_u32(input)?;
    // Leaky buckets, the largest object, flags.
    let (input, _) = take(28usize)(input)?;
    let (input, number) = le_u16(input)?;
    let (input, language) = le_u16(input)?;
    let (input, frame_100ns) = le_u64(input)?;
    let (input, names) = le_u16(input)?;
    let (mut input, systems) = le_u16(input)?;
    for _ in 0..names {
        let (after, _) = le_u16(input)?;
        let (after, length) = le_u16(after)?;
        (input, _) = take(length)(after)?;
    }
    for _ in 0..systems {
        let (after, _) = take(18usize)(input)?;
        let (after, length) = le_u32(after)?;
        (input, _) = take(length)(after)?;
    }
    Ok((input, Extended { number: (number & 0x7f) as u8, bitrate, language, frame_100ns }))
}

fn bitrates(input: &[u8]) -> IResult<&[u8], Vec<(u8, u32)>> {
    let (input, records) = le_u16(input)?;
    let record = |input| {
        let (input, flags) = le_u16(input)?;
        let (input, bitrate) = le_u32(input)?;
        Ok((input, ((flags & 0x7f) as u8, bitrate)))
    };
    nom::Parser::parse(&mut count(record, records.into()), input)
}

fn exclusion(input: &[u8]) -> IResult<&[u8], (Guid, Vec<u8>)> {
    let (input, kind) = name(input)?;
    let (input, records) = le_u16(input)?;
    let number = |input| le_u16(input).map(|(input, number)| (input, (number & 0x7f) as u8));
    let (input, mut streams) = nom::Parser::parse(&mut count(number, records.into()), input)?;
    // Each once: a list of 65,535 would be gone through for every stream.
    let mut seen = [false; 128];
    streams.retain(|number: &u8| !std::mem::replace(&mut seen[usize::from(number & 0x7f)], true));
    Ok((input, (kind, streams)))
}

fn languages(input: &[u8]) -> IResult<&[u8], Vec<String>> {
    let (input, records) = le_u16(input)?;
    let language = |input| {
        let (input, length) = le_u8(input)?;
        let (input, text) = take(length)(input)?;
        Ok((input, utf16(text)))
    };
    nom::Parser::parse(&mut count(language, records.into()), input)
}

/// Where a licence would come from.
fn content_encryption(input: &[u8]) -> IResult<&[u8], String> {
    let mut rest = input;
    let mut text = "";
    // Secret data, protection type, key id, licence URL.
    for _ in 0..4 {
        let (after, length) = le_u32(rest)?;
        let (after, bytes) = take(length)(after)?;
        text = str::from_utf8(bytes).unwrap_or_default().trim_end_matches('\0');
        rest = after;
    }
    let text: String = text.chars().filter(|char| !char.is_control()).take(200).collect();
    Ok((rest, format!("licence from {text}")))
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units.take_while(|unit| *unit != 0)).filter_map(Result::ok).collect()
}
