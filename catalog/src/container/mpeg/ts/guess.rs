//! What is in a file without program tables: its streams, told by their PES packets and by what these begin with.

use super::super::pes;
use super::kind::{Kind, StreamKind};
use super::packet::Packet;
use super::psi::{Listed, ProgramMap};
use rtp::codec::start_code::start_codes;
use std::collections::BTreeMap;

/// Streams that are looked at: junk may have packets on all PIDs.
const MAX_STREAMS: usize = 64;
/// Bytes of a stream by which it is told.
const MAX_LOOK: usize = 64 << 10;

/// Watches packets until it is known that no tables come.
#[derive(Debug, Default)]
pub(super) struct Guess {
    /// By PID: the stream id of its packets, and what they begin with.
    streams: BTreeMap<u16, (u8, Vec<u8>)>,
    /// Where the first clock came.
    clock_pid: Option<u16>,
}

impl Guess {
    pub fn handle(&mut self, packet: &Packet<'_>, payload: &[u8]) {
        if packet.clock.is_some() {
            self.clock_pid.get_or_insert(packet.pid);
        }
        if packet.scrambled {
            return;
        }
        let room = self.streams.len() < MAX_STREAMS;
        match self.streams.get_mut(&packet.pid) {
            Some((_, bytes)) if bytes.len() < MAX_LOOK => bytes.extend_from_slice(payload),
            None if packet.starts && room => {
                if let &[0, 0, 1, id @ (0xBD | 0xC0..=0xEF | 0xFD), ..] = payload {
                    self.streams.insert(packet.pid, (id, payload.to_vec()));
                }
            }
            _ => {}
        }
    }

    /// A map of what came, if any of it could be a track.
    pub fn map(&self) -> Option<ProgramMap> {
        let told = self.streams.iter().filter_map(|(pid, (id, bytes))| {
            // As a map would say it.
            let kind = match id {
                // The first start code is the packet's own.
                0xE0..=0xEF => video(bytes.get(pes::START_CODE_LEN..)?)?,
                0xC0..=0xDF => 0x03,
                _ => 0x06,
            };
            let kind = StreamKind::tell(kind, &[], &[]);
            // What has an audio stream's id may be AAC as well: its frames say it.
            let kind = if kind.kind == Some(Kind::MpegAudio) {
                StreamKind { kind: Some(Kind::Unknown), ..kind }
            } else {
                kind
            };
            Some(Listed { pid: *pid, kind, language: None })
        });
        let streams: Vec<Listed> = told.collect();
        let clock_pid = self.clock_pid.or(streams.first().map(|stream| stream.pid))?;
        let map = ProgramMap { number: 0, version: 0, clock_pid, streams };
        map.has_media().then_some(map)
    }
}

/// The stream type of video by the start codes that it begins with.
pub(super) fn video(bytes: &[u8]) -> Option<u8> {
    start_codes(bytes).take(16).find_map(|found| match found.code {
        // MPEG-4 visual: a sequence of visual objects, or a video object and its layer.
        0xB0 => Some(0x10),
        0x00..=0x1F if matches!(bytes.get(found.offset + 4..), Some([0, 0, 1, 0x20..=0x2F, ..])) => Some(0x10),
        // MPEG-1 and MPEG-2: sequence and picture headers.
        0xB3 | 0x00 => Some(0x02),
        // H.265's parameter sets and delimiter, by both bytes of their headers.
        0x40 | 0x42 | 0x44 | 0x46 if bytes.get(found.offset + 4) == Some(&1) => Some(0x24),
        // H.264's parameter sets, delimiter and IDR pictures.
        code if code & 0x80 == 0 && matches!(code & 0x1F, 5 | 7 | 9) => Some(0x1B),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_is_told_by_its_start_codes() {
        #[track_caller]
        fn check(code: &[u8], want: Option<u8>) {
            let packet = [&[0, 0, 0x80, 0, 0, 0, 0, 1][..], code].concat();
            assert_eq!(video(&packet), want, "{code:02x?}");
        }
        check(&[0xB3, 1, 2, 3], Some(0x02));
        check(&[0x00, 1, 2, 3], Some(0x02));
        check(&[0x09, 0xF0], Some(0x1B));
        check(&[0x67, 0x64], Some(0x1B));
        check(&[0x46, 0x01, 0x50], Some(0x24));
        check(&[0x40, 0x01, 0x0C], Some(0x24));
        check(&[0xB0, 1, 0, 0, 1, 0xB5], Some(0x10));
        check(&[0x00, 0, 0, 1, 0x20, 0], Some(0x10));
        check(&[0xB6, 1], None);
        check(&[], None);
    }
}
