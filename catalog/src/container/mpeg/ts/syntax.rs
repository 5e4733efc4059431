//! What of a NAL unit tells where access units begin, in H.264 (7.4.1.2.3) and H.265 (7.4.2.4.4).

use rtp::codec::h264::{self, PictureId, PictureOrder, SliceHeader, SliceType};
use rtp::codec::h265;
use rtp::format::Format;

/// Parameter sets of one kind that a track is announced with: a stream may send new ones for ever.
const MAX_SETS: usize = 32;

/// The syntax of a stream with what it has said so far.
#[derive(Debug)]
pub(super) struct Syntax {
    codec: Codec,
    /// Distinct sets in the order in which they came: VPS (H.265 alone), SPS, PPS.
    sets: [Vec<Vec<u8>>; 3],
}

#[derive(Debug)]
enum Codec {
    H264 { order: Box<PictureOrder>, last: Option<Shown> },
    H265(Box<h265::PictureOrder>),
}

/// A picture of H.264 that was counted.
#[derive(Clone, Copy, Debug)]
struct Shown {
    picture: PictureId,
    second: bool,
}

/// What is known of an access unit by its NAL units.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnitInfo {
    pub has_slice: bool,
    /// Decoding may begin here.
    pub sync: bool,
    /// It is one field, and the second one of a frame.
    pub field: bool,
    pub second_field: bool,
    /// Its place in the order of showing, by how much that usually counts on from frame to frame, and whether the count
    /// begins with it.
    pub order: Option<i64>,
    pub frame_counts: i64,
    pub begins_order: bool,
    /// When it is shown by a clock of the stream's own, in 90 kHz.
    pub time: Option<i64>,
    has_sps: bool,
    inter: bool,
    picture: Option<PictureId>,
    last_macroblock: u32,
}

/// What a NAL unit begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Nothing,
    /// An access unit.
    Unit,
}

impl Syntax {
    pub fn h264() -> Self {
        Self { codec: Codec::H264 { order: Box::default(), last: None }, sets: Default::default() }
    }

    pub fn h265() -> Self {
        Self { codec: Codec::H265(Box::default()), sets: Default::default() }
    }

    /// Whether `unit` belongs to the access unit of `current` or begins the next.
    pub fn begin(&self, unit: &[u8], current: &UnitInfo) -> Begin {
        let begins = current.has_slice
            && match &self.codec {
                Codec::H264 { order, .. } => match h264::unit_type(unit) {
                    h264::AUD | h264::SPS | h264::PPS | h264::SEI => true,
                    h264::SLICE | h264::SLICE_A | h264::IDR_SLICE => {
                        let picture = order.slice(unit).ok().map(|slice| slice.picture);
                        let changed = picture.is_some() && picture != current.picture;
                        let macroblock = SliceHeader::parse(unit).map_or(u32::MAX, |slice| slice.first_macroblock);
                        // Redundant and arbitrary order are of no profile in use, so this finds where slices were lost.
                        changed || macroblock <= current.last_macroblock
                    }
                    _ => false,
                },
                Codec::H265(_) => h265::begins_unit(unit),
            };
        if begins { Begin::Unit } else { Begin::Nothing }
    }

    /// Whether players show pictures whose references are missing.
    pub fn shows_all(&self) -> bool {
        matches!(self.codec, Codec::H265(_))
    }

    /// Takes a parameter set in before its place in the stream has come; whether `unit` begins a picture of which all are
    /// known, or none are waited for.
    pub fn learn(&mut self, unit: &[u8]) -> bool {
        let Codec::H265(order) = &mut self.codec else { return true };
        let kind = h265::unit_type(unit);
        if (h265::VPS..=h265::PPS).contains(&kind) && h265::layer(unit) == 0 {
            // What can't be read is a receiver's to judge.
            let _ = order.handle_set(unit);
            keep(&mut self.sets[usize::from(kind - h265::VPS)], unit);
        }
        h265::begins_picture(unit) && order.slice(unit).is_ok()
    }

    /// Notes what `unit` says of its access unit.
    pub fn add(&mut self, unit: &[u8], info: &mut UnitInfo) {
        match &mut self.codec {
            Codec::H264 { order, last } => match h264::unit_type(unit) {
                kind @ (h264::SPS | h264::PPS) => {
                    // What can't be read is a receiver's to judge.
                    let _ = order.handle_set(unit);
                    info.has_sps |= kind == h264::SPS;
                    keep(&mut self.sets[if kind == h264::SPS { 1 } else { 2 }], unit);
                }
                h264::SEI => info.sync |= h264::recovery_point(unit) == Some(0),
                kind @ (h264::SLICE | h264::SLICE_A | h264::IDR_SLICE) => {
                    info.sync |= kind == h264::IDR_SLICE;
                    if let Ok(header) = SliceHeader::parse(unit) {
                        info.last_macroblock = header.first_macroblock;
                        info.inter |= !matches!(header.slice_type, SliceType::I | SliceType::Si);
                    }
                    if !info.has_slice
                        && let Ok(slice) = order.slice(unit)
                    {
                        let picture = slice.picture;
                        // Counts usually go by fields.
                        (info.order, info.frame_counts) = (Some(order.count(&slice)), 2);
                        info.begins_order = picture.idr.is_some();
                        info.picture = Some(picture);
                        info.field = picture.field.is_some();
                        let first = last.filter(|first| !first.second);
                        info.second_field = first.is_some_and(|first| picture.completes(&first.picture));
                        *last = Some(Shown { picture, second: info.second_field });
                    }
                    info.has_slice = true;
                    // An I picture with its parameter sets: broadcasts often say no more of where to begin.
                    info.sync |= info.has_sps && !info.inter;
                }
                _ => {}
            },
            Codec::H265(order) => match h265::unit_type(unit) {
                _ if h265::layer(unit) > 0 => {}
                kind @ (h265::VPS..=h265::PPS) => {
                    let _ = order.handle_set(unit);
                    keep(&mut self.sets[usize::from(kind - h265::VPS)], unit);
                }
                _ if h265::ends(unit) => {
                    let _ = order.handle_set(unit);
                }
                kind if h265::is_slice(unit) => {
                    if !info.has_slice
                        && let Ok(slice) = order.slice(unit)
                    {
                        let (count, begins) = order.count(&slice);
                        (info.order, info.frame_counts, info.begins_order) = (Some(count), 1, begins);
                    }
                    info.has_slice = true;
                    info.sync |= (h265::BLA..=h265::CRA).contains(&kind);
                }
                _ => {}
            },
        }
    }

    /// Known once there are parameter sets.
    pub fn format(&self) -> Option<Format> {
        let [vps, sps, pps] = self.sets.clone();
        let first = sps.first()?;
        if pps.is_empty() {
            return None;
        }
        match &self.codec {
            Codec::H264 { .. } => {
                let h264::Sps { width, height, .. } = h264::Sps::parse(first).ok()?;
                Some(Format::H264 { sps, pps, width, height })
            }
            Codec::H265(_) => {
                let h265::Sps { width, height, .. } = h265::Sps::parse(first).ok()?;
                Some(Format::H265 { vps, sps, pps, width, height })
            }
        }
    }
}

fn keep(sets: &mut Vec<Vec<u8>>, unit: &[u8]) {
    if sets.len() < MAX_SETS && !sets.iter().any(|set| set == unit) {
        sets.push(unit.to_vec());
    }
}
