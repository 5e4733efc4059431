//! Nodes and the network to them, with all that may be wrong with them.

use super::World;
use bytes::Bytes;
use std::{collections::BTreeMap, time::Duration};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, UnitAddress},
};

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Dead,
    /// Answers nothing, and all at once later.
    Stalled,
    /// Twenty times as slow.
    Slow,
    /// Answers with other bytes than it has.
    Lying,
}

/// A node and its disk. What it does with requests is what `stripes::store` does.
#[derive(Default)]
pub struct SimNode {
    pub harm: Option<Harm>,
    /// Grows with every crash: who waited for the node before gets no answer any more.
    pub life: u32,
    pub objects: BTreeMap<ObjectId, SimObject>,
    free_at: Duration,
}

/// What a node has of an object.
#[derive(Default)]
pub struct SimObject {
    pub manifest: Option<Layout>,
    /// One a row: its position, the bytes, the checksum as it was written.
    pub rows: BTreeMap<u64, (u8, Bytes, u32)>,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Check,
    Get(ObjectId, UnitAddress),
    /// With the generation on whose behalf, for sealed objects.
    Put(ObjectId, UnitAddress, Bytes, Option<u32>),
    Seal(Layout),
    Manifest(ObjectId),
    Trim(ObjectId, u32),
    Delete(ObjectId),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Done,
    Unit(Bytes),
    Layout(Layout),
    Absent,
    /// Damaged on the disk, as the node says.
    Damaged,
    /// Not what was asked for, as the asker finds.
    Bad,
    Conflict,
    Late,
    Unreachable,
}

impl World {
    /// One request to one node.
    pub async fn ask(&self, id: NodeId, ask: Ask, within: Duration) -> Answer {
        let answer = self.clock.within(within, self.exchange(id, ask)).await;
        answer.unwrap_or(Answer::Late)
    }

    async fn exchange(&self, id: NodeId, ask: Ask) -> Answer {
        let way = Duration::from_micros(self.pick(200..4000));
        self.clock.sleep(way).await;
        if self.pick(0..2000) == 0 {
            self.clock.sleep(Duration::from_millis(200)).await;
            return Answer::Unreachable;
        }
        let life = self.node(id, |node| node.life);
        while self.node(id, |node| node.harm == Some(Harm::Stalled)) {
            self.healed.after(self.healed.rings()).await;
        }
        if self.node(id, |node| node.harm == Some(Harm::Dead) || node.life != life) {
            return Answer::Unreachable;
        }
        if !matches!(ask, Ask::Check) {
            let now = self.clock.elapsed();
            let done = self.node(id, |node| {
                let time = Duration::from_millis(if node.harm == Some(Harm::Slow) { 200 } else { 4 });
                node.free_at = node.free_at.max(now).min(now + Duration::from_secs(5)) + time;
                node.free_at
            });
            self.clock.sleep(done.saturating_sub(now)).await;
        }
        if self.node(id, |node| node.life != life) {
            return Answer::Unreachable;
        }
        let answer = self.node(id, |node| node.handle(id, ask));
        self.clock.sleep(way).await;
        if self.node(id, |node| node.life != life) { Answer::Unreachable } else { answer }
    }
}

impl SimNode {
    fn handle(&mut self, me: NodeId, ask: Ask) -> Answer {
        match ask {
            Ask::Check => Answer::Done,
            Ask::Get(object, address) => match self.slot(object, address) {
                None => Answer::Absent,
                Some((_, data, crc)) if crc32c::crc32c(data) != *crc => Answer::Damaged,
                Some((_, data, crc)) if self.harm == Some(Harm::Lying) => {
                    let mut data = data.to_vec();
                    data.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
                    // As the asker checks it.
                    if crc32c::crc32c(&data) == *crc { Answer::Unit(data.into()) } else { Answer::Bad }
                }
                Some((_, data, _)) => Answer::Unit(data.clone()),
            },
            Ask::Put(object, address, data, generation) => self.put(me, object, address, data, generation),
            Ask::Seal(layout) => self.seal(me, layout),
            Ask::Manifest(object) => {
                let layout = self.objects.get(&object).and_then(|object| object.manifest.clone());
                layout.map_or(Answer::Absent, Answer::Layout)
            }
            Ask::Trim(object, generation) => match self.objects.get_mut(&object) {
                Some(SimObject { manifest: Some(layout), rows }) if layout.generation == generation => {
                    rows.retain(|row, (position, ..)| layout.is_on(UnitAddress { row: *row, position: *position }, me));
                    Answer::Done
                }
                _ => Answer::Conflict,
            },
            Ask::Delete(object) => {
                self.objects.remove(&object);
                Answer::Done
            }
        }
    }

    pub fn slot(&self, object: ObjectId, address: UnitAddress) -> Option<&(u8, Bytes, u32)> {
        self.objects.get(&object)?.rows.get(&address.row).filter(|(position, ..)| *position == address.position)
    }

    fn put(&mut self, me: NodeId, id: ObjectId, address: UnitAddress, data: Bytes, generation: Option<u32>) -> Answer {
        let object = self.objects.entry(id).or_default();
        let belongs = |address| object.manifest.as_ref().is_some_and(|layout| layout.is_on(address, me));
        let may = object.manifest.as_ref().is_none_or(|layout| {
            generation.is_some_and(|generation| belongs(address) || generation >= layout.generation)
        });
        let taken = object.rows.get(&address.row).is_some_and(|(position, ..)| {
            let other = UnitAddress { position: *position, ..address };
            other != address && (generation.is_none() || belongs(other))
        });
        if !may || taken {
            return Answer::Conflict;
        }
        let crc = crc32c::crc32c(&data);
        object.rows.insert(address.row, (address.position, data, crc));
        Answer::Done
    }

    fn seal(&mut self, me: NodeId, layout: Layout) -> Answer {
        let mine =
            (0..layout.rows()).flat_map(|row| layout.row_units(row)).filter(|address| layout.node(*address) == me);
        let complete = mine.into_iter().all(|address| self.slot(layout.object, address).is_some());
        let object = self.objects.entry(layout.object).or_default();
        match &object.manifest {
            _ if !complete => Answer::Conflict,
            Some(old) if old.generation >= layout.generation && *old != layout => Answer::Conflict,
            _ => {
                object.manifest = Some(layout);
                Answer::Done
            }
        }
    }
}
