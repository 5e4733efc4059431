//! Demuxers, driven over an input as over a whole file, and what they give, through the stored form to packets.

use bytes::Bytes;
use catalog::container::es::Codec;
use catalog::container::{ContainerError, Demuxer, Event, Kind, TrackInfo, limits, open, probe};
use rtp::access_unit::AccessUnit;
use rtp::clock::RtpTimestamp;
use rtp::packetizer::Packetizer;
use rtp::train::{Framing, Train};

pub fn ps(input: &[u8]) {
    read(Kind::MpegPs, input);
}

pub fn vcd(input: &[u8]) {
    read(Kind::VcdDat, input);
}

pub fn ts(input: &[u8]) {
    read(Kind::MpegTs, input);
}

pub fn mp4(input: &[u8]) {
    read(Kind::Mp4, input);
}

pub fn avi(input: &[u8]) {
    read(Kind::Avi, input);
}

pub fn asf(input: &[u8]) {
    read(Kind::Asf, input);
}

pub fn flv(input: &[u8]) {
    read(Kind::Flv, input);
}

pub fn wav(input: &[u8]) {
    read(Kind::Wav, input);
}

pub fn mkv(input: &[u8]) {
    read(Kind::Mkv, input);
}

/// Nobody finds a page's checksum by chance: each is put in.
pub fn ogg(input: &[u8]) {
    let mut input = input.to_vec();
    sum_pages(&mut input);
    read(Kind::Ogg, &input);
}

/// Puts the checksum into each page of Ogg that is whole (RFC 3533 section 6).
pub fn sum_pages(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 27) {
        let count = usize::from(head[26]);
        let lengths = bytes.get(at + 27..at + 27 + count).unwrap_or_default();
        let len = 27 + count + lengths.iter().map(|length| usize::from(*length)).sum::<usize>();
        match bytes.get_mut(at..at + len) {
            Some(page) if page.starts_with(b"OggS") => {
                page[22..26].fill(0);
                let crc = page.iter().fold(0u32, |crc, byte| {
                    let bit = |crc: u32| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
                    (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| bit(crc))
                });
                page[22..26].copy_from_slice(&crc.to_le_bytes());
                at += len;
            }
            _ => at += 1,
        }
    }
}

pub fn es_video(input: &[u8]) {
    for codec in [Codec::MpegVideo, Codec::Mpeg4Visual, Codec::H264, Codec::H265] {
        read(Kind::Es(codec), input);
    }
}

pub fn es_audio(input: &[u8]) {
    for codec in [Codec::MpegAudio, Codec::Adts, Codec::Ac3, Codec::Dts, Codec::Tagged] {
        read(Kind::Es(codec), input);
    }
}

/// As adding a file does.
pub fn probed(input: &[u8]) {
    let head = &input[..input.len().min(limits::PROBE_LEN)];
    if let Some(kind) = probe(head, input.len() as u64) {
        read(kind, input);
    }
}

/// Frames of FLAC or Apple Lossless, in a Matroska file made for them: its bytes are not what is to be found out. The input is
/// which codec, what its header says, and frames of up to 64 KiB, each with its length in front.
pub fn lossless(input: &[u8]) {
    /// Frames of one input: a few bytes of silence are many samples, and rightly so.
    const MAX_FRAMES: usize = 16;
    let Some((&flags, rest)) = input.split_first() else { return };
    let (name, header, length): (&[u8], &[u8], usize) = match flags & 1 {
        0 => (b"A_FLAC", b"fLaC\x80\0\0\x22", 34),
        _ => (b"A_ALAC", b"", 24),
    };
    let (private, mut frames) = rest.split_at(length.min(rest.len()));
    // CodecPrivate is the box's body for ALAC, and the file's first block for FLAC.
    let private = [header, private].concat();
    let sound = [element(&[0xB5], &44_100f32.to_be_bytes()), element(&[0x9F], &[1 + (flags >> 1 & 7)])].concat();
    let track = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], name),
        element(&[0x63, 0xA2], &private),
        element(&[0xE1], &sound),
    ];
    let mut cluster = element(&[0xE7], &[0]);
    for number in 0..MAX_FRAMES as u8 {
        let [low, high, after @ ..] = frames else { break };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (frame, next) = after.split_at(length);
        cluster.extend(element(&[0xA3], &[&[0x81, 0, number, 0x80], frame].concat()));
        frames = next;
    }
    let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &track.concat()));
    let segment = [tracks, element(&[0x1F, 0x43, 0xB6, 0x75], &cluster)].concat();
    let head = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"matroska"));
    read(Kind::Mkv, &[head, element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat());
}

/// An element of EBML (RFC 8794), its size in four bytes.
pub fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32 | 0x1000_0000).to_be_bytes();
    [id, &size, body].concat()
}

fn read(kind: Kind, input: &[u8]) {
    let mut demuxer = open(kind, input.len() as u64);
    if let Err(error) = drive(demuxer.as_mut(), &Bytes::copy_from_slice(input)) {
        assert!(!error.reason.is_empty() && !error.format.is_empty());
        // It may name what would follow the end.
        assert!(error.offset <= input.len() as u64 || error.path.is_empty(), "{error} of {} bytes", input.len());
    }
}

fn drive(demuxer: &mut dyn Demuxer, file: &Bytes) -> Result<(), ContainerError> {
    let mut tracks: Vec<(TrackInfo, Packetizer)> = Vec::new();
    let mut notes = 0;
    let (mut stored, mut train) = (Vec::new(), Train::new(Framing::Datagram));
    loop {
        match demuxer.poll()? {
            Event::Need { offset, length } => {
                assert!(length > 0 && length <= limits::MAX_READ, "a read of {length} bytes");
                let start = usize::try_from(offset).map_or(file.len(), |offset| offset.min(file.len()));
                let end = start.saturating_add(length).min(file.len());
                demuxer.handle_bytes(offset, file.slice(start..end));
            }
            Event::Track(track) => {
                assert!(tracks.len() < limits::MAX_TRACKS, "too many tracks");
                assert!(track.timescale > 0, "a timescale of 0");
                let packetizer = Packetizer::new(&track.format, 96, 1, 0, 1400);
                tracks.push((track, packetizer));
            }
            Event::Note(_) => {
                notes += 1;
                assert!(notes <= 2 * limits::MAX_NOTES, "notes without end");
            }
            Event::Sample(sample) => {
                assert!(sample.data.len() <= limits::MAX_ACCESS_UNIT);
                let known = tracks.iter_mut().find(|(track, _)| track.number == sample.track);
                let Some((track, packetizer)) = known else { panic!("a sample of no track") };
                stored.clear();
                train.clear(Framing::Datagram);
                if track.format.store(&sample.data, sample.sync, &mut stored).is_ok() {
                    let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(0), sync: sample.sync };
                    packetizer.packetize(&[unit], &mut train).expect("what was stored can be sent");
                }
            }
            Event::End => {
                assert!(matches!(demuxer.poll(), Ok(Event::End)), "something after the end");
                return Ok(());
            }
        }
    }
}
