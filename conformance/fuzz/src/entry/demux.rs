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

pub fn ogg(input: &[u8]) {
    read(Kind::Ogg, input);
}

pub fn es_video(input: &[u8]) {
    for codec in [Codec::MpegVideo, Codec::Mpeg4Visual, Codec::H264] {
        read(Kind::Es(codec), input);
    }
}

pub fn es_audio(input: &[u8]) {
    for codec in [Codec::MpegAudio, Codec::Adts, Codec::Ac3, Codec::Tagged] {
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
