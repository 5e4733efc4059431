//! What lies on Video CDs and Super Video CDs beside plain films, and streams as long as those of a DVD.

use super::*;
use crate::container::testing::drive;
use crate::container::{ContainerError, mpeg};
use std::io::{Read, Seek, SeekFrom};

#[test]
fn a_super_video_cd() {
    let rates = ["-b:v", "2000k", "-maxrate", "2400k", "-bufsize", "900k", "-f", "svcd"];
    let stream = film(PICTURE_25, SOUND_44, MPEG2, &rates);
    let demuxed = check("Super Video CD", &in_sectors(&stream), Kind::VcdDat, &stream);
    assert!(matches!(demuxed.tracks[0].format, Format::Mpv { mpeg2: true, .. }));
    assert_eq!(demuxed.stream(0xE0), demux(&stream, Kind::MpegPs).stream(0xE0));
}

/// A pack of MPEG-1 with one packet, as long as a sector's data.
fn pack(scr: u64, id: u8, pts: Option<u64>, data: &[u8]) -> Vec<u8> {
    let time = |mark: u64, time: u64| {
        let fields = mark << 36
            | (time >> 30 & 7) << 33
            | 1 << 32
            | (time >> 15 & 0x7FFF) << 17
            | 1 << 16
            | (time & 0x7FFF) << 1
            | 1;
        fields.to_be_bytes()[3..].to_vec()
    };
    let head = [&[0, 0, 1, 0xBA][..], &time(2, scr), &[0x80, 0x1B, 0x91]].concat();
    let times = pts.map_or(vec![0x0F], |pts| time(2, pts));
    let length = (times.len() + data.len()) as u16;
    let packet = [&[0, 0, 1, id][..], &length.to_be_bytes(), &times, data].concat();
    [head, packet].concat()
}

/// A still picture of that size as an elementary stream.
fn still(size: &str) -> Vec<u8> {
    let picture = format!("testsrc2=size={size}:rate=25:duration=1");
    film(&picture, SOUND_44, &["-c:v", "mpeg1video", "-frames:v", "1"], &["-an", "-f", "mpeg1video"])
}

/// A segment: one picture in the usual resolution, the same in the high one, and maybe sound; the rest is empty.
#[test]
fn still_segments_of_a_video_cd() {
    let pictures = [(0xE1, still("352x288")), (0xE2, still("704x576"))];
    let sound = film(PICTURE_25, SOUND_44, &["-vn", "-c:a", "mp2", "-b:a", "128k"], &["-f", "mp2"]);
    for with_sound in [false, true] {
        let mut file = sector(0x60, &[0; 2324]).repeat(2);
        let mut scr = 0;
        let streams = pictures.iter().map(|(id, data)| (*id, data.as_slice()));
        for (id, data) in streams.chain(with_sound.then_some((0xC0, sound.as_slice()))) {
            for (number, part) in data.chunks(2200).enumerate() {
                let submode = if id == 0xC0 { 0x64 } else { 0x62 };
                file.extend(sector(submode, &pack(scr, id, (number == 0).then_some(45_000), part)));
                // 75 sectors a second.
                scr += 1200;
            }
        }
        file.extend(sector(0x60, &[0; 2324]).repeat(20));
        let demuxed = demux(&file, Kind::VcdDat);
        assert_eq!(demuxed.notes, [""; 0], "sound: {with_sound}");
        let described: Vec<_> = demuxed.tracks.iter().map(|track| (track.number, track.format.describe())).collect();
        let want = [(0xE1, "MPEG-1 video 352x288"), (0xE2, "MPEG-1 video 704x576")].map(|(id, what)| (id, what.into()));
        assert_eq!(described[..2], want, "sound: {with_sound}");
        assert_eq!(demuxed.tracks.len(), 2 + usize::from(with_sound));
        for (id, data) in &pictures {
            let of: Vec<_> = demuxed.of((*id).into()).collect();
            assert!(matches!(of[..], [only] if only.sync && only.pts == 0 && only.duration > 0), "{of:?}");
            assert!(demuxed.stream((*id).into()) == *data, "{id:#x}");
        }
        if with_sound {
            assert!(demuxed.stream(0xC0) == sound);
            assert_eq!(demuxed.of(0xC0).next().unwrap().pts, 0);
        }
    }
}

/// A file with room in its middle that lies nowhere: packets of padding, as long as packets can be.
struct Roomy {
    before: &'static [u8],
    /// Packets.
    room: u64,
    after: &'static [u8],
    at: u64,
}

const PADDING: usize = 1 << 16;
static PACKET: LazyLock<Vec<u8>> =
    LazyLock::new(|| [&[0, 0, 1, 0xBE, 0xFF, 0xFA, 0x0F][..], &vec![0xFF; PADDING - 7]].concat());

impl Roomy {
    fn len(&self) -> u64 {
        self.before.len() as u64 + self.room * PADDING as u64 + self.after.len() as u64
    }
}

impl Read for Roomy {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let (first, end) = (self.before.len() as u64, self.len() - self.after.len() as u64);
        let from = match self.at {
            at if at < first => &self.before[at as usize..],
            at if at < end => &PACKET[((at - first) % PADDING as u64) as usize..],
            at => &self.after[((at - end) as usize).min(self.after.len())..],
        };
        let len = from.len().min(into.len());
        into[..len].copy_from_slice(&from[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Roomy {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(back) => self.len().saturating_add_signed(back),
            SeekFrom::Current(on) => self.at.saturating_add_signed(on),
        };
        Ok(self.at)
    }
}

#[test]
fn a_program_stream_of_more_than_four_gibibytes() -> Result<(), ContainerError> {
    let pack = 2048;
    let (before, after) = MPEG1_FILM.split_at(MPEG1_FILM.len() / 2 / pack * pack);
    let mut file = Roomy { before, room: (1 << 32) / PADDING as u64 + 1, after, at: 0 };
    let found = drive(&mut mpeg::Ps::plain(file.len()), &mut file)?;
    assert_eq!(found.notes, [""; 0]);
    assert!(found.samples == demux(&MPEG1_FILM, Kind::MpegPs).samples);
    Ok(())
}
