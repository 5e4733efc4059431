//! MPEG-4 visual: sections to access units, whatever they come in.

use super::early::Early;
use super::sections::MAX_SECTION;
use rtp::codec::mpeg4_visual::{
    CodingType, Config, FIRST_LAYER, GROUP, Group, LAST_LAYER, Layer, SEQUENCE_END, VOP, Vop, VopClock,
};
use rtp::format::Format;

/// An access unit: a picture (VOP, video object plane) with the headers before it.
#[derive(Debug)]
pub(in crate::container) struct VopUnit<T> {
    pub data: Vec<u8>,
    pub vop: Vop,
    pub layer: Layer,
    /// Ticks of a second of the track: those of the first headers.
    pub scale: i64,
    /// When it is shown by what the pictures tell, in ticks of its layer.
    pub time: i64,
    pub sync: bool,
    /// What came with its picture's section.
    pub with: T,
}

/// The access unit that comes together, and what is known for it.
#[derive(Debug)]
pub(in crate::container) struct Vops<T> {
    /// What comes before the first headers.
    early: Early<T>,
    unit: Vec<u8>,
    picture: Option<(Vop, T)>,
    layer: Option<Layer>,
    /// What the track is, and whether dummies fill the place of packed pictures.
    config: Option<(Config, Format)>,
    clock: VopClock,
    /// A picture has left.
    begun: bool,
    junk: u64,
}

impl<T> Default for Vops<T> {
    fn default() -> Self {
        Self {
            early: Early::default(),
            unit: Vec::new(),
            picture: None,
            layer: None,
            config: None,
            clock: VopClock::default(),
            begun: false,
            junk: 0,
        }
    }
}

impl<T> Vops<T> {
    /// Known from the first access unit on.
    pub fn config(&self) -> Option<&(Config, Format)> {
        self.config.as_ref()
    }

    /// The next section, from its start code on; gives the units that it ends.
    pub fn handle(&mut self, section: &[u8], with: T, give: &mut impl FnMut(VopUnit<T>)) {
        if self.config.is_some() {
            return self.take(section, with, give);
        }
        self.config = self.early.keep_visual(section, with);
        self.layer = self.config.as_ref().map(|(config, _)| config.layer);
        while self.config.is_some()
            && let Some((section, with)) = self.early.next()
        {
            self.take(&section, with, give);
        }
    }

    /// The stream is over.
    pub fn finish(&mut self, give: &mut impl FnMut(VopUnit<T>)) {
        self.emit(give);
        self.early.drop_all();
    }

    /// Bytes left out since the last call.
    pub fn take_junk(&mut self) -> u64 {
        self.early.take_junk() + std::mem::take(&mut self.junk)
    }

    /// A section, where the headers are known.
    fn take(&mut self, section: &[u8], with: T, give: &mut impl FnMut(VopUnit<T>)) {
        let Some(&code) = section.get(3) else { return };
        if self.picture.is_some() && code != SEQUENCE_END {
            self.emit(give);
        }
        match code {
            FIRST_LAYER..=LAST_LAYER => self.layer = Layer::parse(section).ok().or(self.layer),
            GROUP => Group::parse(section).iter().for_each(|group| self.clock.handle_group(group)),
            VOP => self.picture = self.layer.and_then(|layer| Some((Vop::parse(section, &layer).ok()?, with))),
            _ => {}
        }
        self.unit.extend_from_slice(section);
        if self.unit.len() > MAX_SECTION || code == VOP && self.picture.is_none() {
            self.junk += self.unit.len() as u64;
            self.unit.clear();
            self.picture = None;
        }
        if code == SEQUENCE_END {
            self.emit(give);
        }
    }

    /// The access unit is over, if it has its picture.
    fn emit(&mut self, give: &mut impl FnMut(VopUnit<T>)) {
        let data = std::mem::take(&mut self.unit);
        let (Some((vop, with)), Some(layer), Some((config, _))) = (self.picture.take(), self.layer, &self.config)
        else {
            return;
        };
        let time = self.clock.handle_vop(&vop, &layer);
        if config.packed && !vop.coded || !self.begun && vop.coding_type == CodingType::B {
            return;
        }
        // What comes first is shown though it may need one before it.
        let first = !std::mem::replace(&mut self.begun, true);
        let sync = first || vop.coding_type == CodingType::I;
        let scale = config.layer.resolution.into();
        give(VopUnit { data, vop, layer, scale, time, sync, with });
    }
}
