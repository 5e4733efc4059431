//! Looks for the program to take before any of it is read: program lists and maps may come late, and what comes before
//! them belongs to the program all the same.

use super::guess::Guess;
use super::packet::Packet;
use super::psi::{ProgramMap, Programs, Sections};
use std::collections::BTreeMap;

pub(super) const PROGRAM_LIST_PID: u16 = 0;
/// One that no packet has: where no map will come.
const NO_PID: u16 = u16::MAX;

/// Gathers the maps of all programs until the first one with video is known.
#[derive(Debug, Default)]
pub(super) struct Scout {
    /// A person's choice.
    wanted: Option<u16>,
    guess: Guess,
    programs: Programs,
    list: Sections,
    /// By the PID they come on, and by program number.
    sections: BTreeMap<u16, Sections>,
    maps: BTreeMap<u16, ProgramMap>,
}

/// The program that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Where its map comes.
    pub map_pid: u16,
    pub map: ProgramMap,
    /// Programs of the file.
    pub programs: usize,
    /// The file has no tables: its streams were told by their packets.
    pub guessed: bool,
}

impl Scout {
    /// For the program `wanted`, or the first with video.
    pub fn new(wanted: Option<u16>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Whether something new was learned.
    pub fn handle(&mut self, packet: &Packet<'_>) -> bool {
        let Some(payload) = packet.payload else { return false };
        let mut news = false;
        if self.maps.is_empty() {
            self.guess.handle(packet, payload);
        }
        if packet.pid == PROGRAM_LIST_PID {
            let programs = &mut self.programs;
            self.list.handle(payload, packet.starts, &mut |section| news |= programs.handle(section));
            if news {
                let pids = self.programs.list().iter().map(|(_, pid)| (*pid, Sections::default()));
                self.sections = pids.collect();
            }
        } else if let Some(sections) = self.sections.get_mut(&packet.pid) {
            sections.handle(payload, packet.starts, &mut |section| {
                // Not more maps are kept than the list has programs.
                if let Some(map) = ProgramMap::parse(section)
                    && self.programs.list().contains(&(map.number, packet.pid))
                {
                    news |= self.maps.insert(map.number, map).is_none();
                }
            });
        }
        news
    }

    /// The first program with video, once no other can be it; `last` says that nothing more will be learned, and then
    /// one with sound alone will do, or with data that may be sound.
    pub fn choice(&self, last: bool) -> Option<Choice> {
        let all = self.programs.list();
        if let Some(wanted) = self.wanted {
            let (map, place) = (self.maps.get(&wanted)?, all.iter().find(|(number, _)| *number == wanted)?);
            // It alone is asked for: that there are others is no news.
            return Some(Choice { map_pid: place.1, map: map.clone(), programs: 1, guessed: false });
        }
        let found = |wanted: fn(&ProgramMap) -> bool, wait: bool| {
            for (number, map_pid) in all {
                match self.maps.get(number) {
                    Some(map) if wanted(map) => {
                        return Some(Choice {
                            map_pid: *map_pid,
                            map: map.clone(),
                            programs: all.len(),
                            guessed: false,
                        });
                    }
                    None if wait => return None,
                    _ => {}
                }
            }
            None
        };
        let whole = all.iter().all(|(number, _)| self.maps.contains_key(number)) && !all.is_empty();
        let told = found(ProgramMap::has_video, !last)
            .or_else(|| found(ProgramMap::has_media, false).filter(|_| last || whole))
            .or_else(|| found(ProgramMap::may_have_media, false).filter(|_| last));
        told.or_else(|| {
            // Without tables what comes is taken for one program.
            let map = self.guess.map().filter(|_| last && self.maps.is_empty())?;
            Some(Choice { map_pid: NO_PID, map, programs: 1, guessed: true })
        })
    }

    /// Why there is no choice.
    pub fn nothing(&self) -> String {
        if let Some(wanted) = self.wanted.filter(|wanted| !self.maps.contains_key(wanted)) {
            let numbers: Vec<String> = self.maps.keys().map(u16::to_string).collect();
            return format!(
                "no program {wanted}; it has {}",
                if numbers.is_empty() { "none".into() } else { numbers.join(", ") }
            );
        }
        let mut reason = match (self.programs.list().len(), self.maps.len()) {
            (0, _) => "no program association table".to_owned(),
            (_, 0) => "no program map table".to_owned(),
            _ => "no program with MPEG, H.264 or H.265 video or MPEG, AAC or AC-3 audio".to_owned(),
        };
        for stream in self.maps.values().flat_map(|map| &map.streams).take(20) {
            reason += &format!("; PID {:#06x}: {}", stream.pid, stream.kind.describe());
        }
        reason
    }
}
