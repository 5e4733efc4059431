//! A worker's viewers, found by name, by place, by address and by source.

use super::{
    ViewerId,
    viewer::{Viewer, Way},
};
use crate::playback::prefetch::prefetch;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

/// A viewer's place; a later viewer in the same place has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    /// The place, as the wheel keeps it.
    pub(super) fn slot(self) -> u32 {
        self.slot
    }
}

/// All viewers of a worker.
#[derive(Default)]
pub(super) struct Viewers {
    places: Vec<Place>,
    free: Vec<u32>,
    by_id: HashMap<ViewerId, Key>,
    by_rtcp: HashMap<SocketAddr, Key>,
    by_ssrc: HashMap<u32, Key>,
}

#[derive(Default)]
struct Place {
    generation: u32,
    viewer: Option<Box<Viewer>>,
}

impl Viewers {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn ids(&self) -> Vec<ViewerId> {
        self.by_id.keys().copied().collect()
    }

    pub(super) fn key(&self, id: ViewerId) -> Option<Key> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn get(&mut self, key: Key) -> Option<&mut Viewer> {
        let place = self.places.get_mut(key.slot as usize)?;
        if place.generation == key.generation { place.viewer.as_deref_mut() } else { None }
    }

    /// The viewer whose wheel entry came, if it is really due: entries of the past are left in the wheel.
    pub(super) fn due(&mut self, slot: u32, now: Instant) -> Option<Key> {
        let place = self.places.get(slot as usize)?;
        let due = place.viewer.as_ref()?.slot?;
        (due <= now).then_some(Key { slot, generation: place.generation })
    }

    /// Asks for the memory of the viewer in this place, whoever it is.
    pub(super) fn prefetch(&self, slot: u32) {
        if let Some(viewer) = self.places.get(slot as usize).and_then(|place| place.viewer.as_deref()) {
            prefetch(viewer);
        }
    }

    /// The viewer in this place, to look at.
    pub(super) fn peek(&self, slot: u32) -> Option<&Viewer> {
        self.places.get(slot as usize)?.viewer.as_deref()
    }

    pub(super) fn add(&mut self, viewer: Viewer) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.places[slot as usize];
        let key = Key { slot, generation: place.generation };
        self.by_id.insert(viewer.id, key);
        place.viewer = Some(Box::new(viewer));
        key
    }

    /// Enters where the viewer's reports come from and about which sources they speak.
    pub(super) fn enter(&mut self, key: Key) {
        let Some(viewer) = self.places.get(key.slot as usize).and_then(|place| place.viewer.as_ref()) else { return };
        for (way, setup) in viewer.ways.iter().zip(viewer.playback.setups()) {
            if let Way::Udp(udp) = way {
                self.by_rtcp.insert(udp.rtcp_from, key);
            }
            self.by_ssrc.insert(setup.ssrc, key);
        }
    }

    /// Takes back what [`Viewers::enter`] entered.
    pub(super) fn leave(&mut self, key: Key) {
        let Some(viewer) = self.places.get(key.slot as usize).and_then(|place| place.viewer.as_ref()) else { return };
        for (way, setup) in viewer.ways.iter().zip(viewer.playback.setups()) {
            if let Way::Udp(udp) = way
                && self.by_rtcp.get(&udp.rtcp_from) == Some(&key)
            {
                self.by_rtcp.remove(&udp.rtcp_from);
            }
            if self.by_ssrc.get(&setup.ssrc) == Some(&key) {
                self.by_ssrc.remove(&setup.ssrc);
            }
        }
    }

    pub(super) fn by_address(&self, from: SocketAddr) -> Option<Key> {
        self.by_rtcp.get(&from).copied()
    }

    pub(super) fn by_source(&self, ssrc: u32) -> Option<Key> {
        self.by_ssrc.get(&ssrc).copied()
    }

    /// Whether one of the viewer's reports would come from this host.
    pub(super) fn is_at(&self, key: Key, host: IpAddr) -> bool {
        let Some(viewer) = self.places.get(key.slot as usize).and_then(|place| place.viewer.as_ref()) else {
            return false;
        };
        viewer.ways.iter().any(|way| matches!(way, Way::Udp(udp) if udp.rtcp_from.ip() == host))
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Box<Viewer>> {
        self.get(key)?;
        self.leave(key);
        let place = self.places.get_mut(key.slot as usize)?;
        let viewer = place.viewer.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.by_id.remove(&viewer.id);
        Some(viewer)
    }
}
