//! H.264 and H.265: a chunk is a picture, as a byte stream or as NAL units behind their lengths.

use super::{Codec, Picture, header, missing};
use crate::container::mp4::{self, avc_codec, hevc_codec};
use bytes::Bytes;
use rtp::codec::nal::{annex_b, length_prefixed, push_prefixed};
use rtp::codec::{h264, h265};
use rtp::format::Format;

#[derive(Clone, Debug)]
pub(in super::super) struct Nal {
    framing: Framing,
    order: Order,
    /// Counts that began so far, each with an IDR picture.
    sequences: u64,
    last_key: u64,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    StartCodes,
    /// Bytes of each unit's length.
    Lengths(u8),
}

/// Which of both, with the order of showing.
#[derive(Clone, Debug)]
enum Order {
    H264(Box<h264::PictureOrder>),
    H265(Box<h265::PictureOrder>),
}

/// H.264: the codec, its format and how many pictures wait to be shown.
pub(super) fn h264(info: &header::Picture, first: &[Bytes]) -> Result<(Codec, Format, usize), String> {
    open(Order::H264(Box::default()), avc_codec(&info.extra), info, first)
}

/// The same of H.265.
pub(super) fn h265(info: &header::Picture, first: &[Bytes]) -> Result<(Codec, Format, usize), String> {
    open(Order::H265(Box::default()), hevc_codec(&info.extra), info, first)
}

/// `told`: what a configuration record behind the description says, if that is one.
fn open(
    order: Order,
    told: Option<mp4::Codec>,
    info: &header::Picture,
    first: &[Bytes],
) -> Result<(Codec, Format, usize), String> {
    let (length_size, mut sets) = match told.filter(|_| info.extra.first() == Some(&1)) {
        Some(mp4::Codec::Avc { length_size, sps, pps, .. }) => (Some(length_size), [Vec::new(), sps, pps]),
        Some(mp4::Codec::Hevc { length_size, vps, sps, pps, .. }) => (Some(length_size), [vps, sps, pps]),
        _ => (None, Default::default()),
    };
    // A set that says something new is for the stream to bring.
    sets.iter_mut().for_each(|sets| sets.truncate(1));
    let framing = match first.iter().find(|chunk| chunk.len() > 4) {
        // Whatever the description says.
        Some(chunk) if chunk.starts_with(&[0, 0, 1]) || chunk.starts_with(&[0, 0, 0, 1]) => Framing::StartCodes,
        _ => Framing::Lengths(length_size.and_then(|size| u8::try_from(size).ok()).unwrap_or(4)),
    };
    let mut codec = Nal { framing, order, sequences: 0, last_key: 0 };
    let mut take = |unit: &[u8]| {
        if let Some(kind) = codec.order.set(unit).filter(|kind| sets[*kind].is_empty()) {
            sets[kind].push(unit.to_vec());
        }
    };
    if length_size.is_none() {
        annex_b(&info.extra).for_each(&mut take);
    }
    first.iter().for_each(|chunk| codec.framing.units(chunk).into_iter().for_each(&mut take));
    let [vps, sps, pps] = sets;
    let (Some(first_sps), false) = (sps.first(), pps.is_empty()) else {
        return Err(missing(info.compression, "parameter sets"));
    };
    for set in sps.iter().chain(&pps) {
        // One that can't be read is one by which no order is known.
        codec.order.handle_set(set);
    }
    let (format, delay) = match &codec.order {
        Order::H264(_) => {
            let found = h264::Sps::parse(first_sps).map_err(|error| error.to_string())?;
            let delay = found.vui.and_then(|vui| vui.reorder_frames).unwrap_or(0);
            (Format::H264 { sps, pps, width: found.width, height: found.height }, delay)
        }
        Order::H265(_) => {
            let found = h265::Sps::parse(first_sps).map_err(|error| error.to_string())?;
            (Format::H265 { vps, sps, pps, width: found.width, height: found.height }, found.reorder_pictures)
        }
    };
    Ok((Codec::Nal(Box::new(codec)), format, delay.into()))
}

impl Order {
    /// Which kind of parameter set a unit is: 0 video, 1 sequence, 2 picture.
    fn set(&self, unit: &[u8]) -> Option<usize> {
        match self {
            Order::H264(_) => match h264::unit_type(unit) {
                h264::SPS => Some(1),
                h264::PPS => Some(2),
                _ => None,
            },
            Order::H265(_) => match h265::unit_type(unit) {
                kind @ h265::VPS..=h265::PPS => Some(usize::from(kind - h265::VPS)),
                _ => None,
            },
        }
    }

    /// Takes a parameter set, or what ends a sequence.
    fn handle_set(&mut self, unit: &[u8]) {
        let _ = match self {
            Order::H264(order) => order.handle_set(unit),
            Order::H265(order) => order.handle_set(unit),
        };
    }

    /// Whether a unit is a slice by which its picture's place can be told.
    fn is_slice(&self, unit: &[u8]) -> bool {
        match self {
            Order::H264(_) => matches!(h264::unit_type(unit), h264::SLICE | h264::SLICE_A | h264::IDR_SLICE),
            Order::H265(_) => h265::begins_picture(unit) && h265::layer(unit) == 0,
        }
    }

    /// The count of the picture that a slice begins, and whether a new count begins with it; `None` where it can't be
    /// read.
    fn count(&mut self, unit: &[u8]) -> Option<(i64, bool)> {
        match self {
            Order::H264(order) => {
                let slice = order.slice(unit).ok()?;
                Some((order.count(&slice), slice.picture.idr.is_some()))
            }
            Order::H265(order) => {
                let slice = order.slice(unit).ok()?;
                Some(order.count(&slice))
            }
        }
    }
}

impl Nal {
    pub fn handle(&mut self, chunk: &[u8]) -> Option<Picture> {
        let units = self.framing.units(chunk);
        let mut key = None;
        for unit in &units {
            if key.is_none() && self.order.is_slice(unit) {
                key = Some(self.key(unit));
            } else {
                self.order.handle_set(unit);
            }
        }
        let key = key?;
        let sync = match &self.order {
            Order::H264(_) => h264::is_sync(units.iter().copied()),
            Order::H265(_) => h265::is_sync(units.iter().copied()),
        };
        let mut data = Vec::with_capacity(chunk.len() + 16);
        units.iter().try_for_each(|unit| push_prefixed(&mut data, unit)).ok()?;
        Some(Picture { data: data.into(), key, sync })
    }

    /// The place in the order of showing of the picture that begins with the slice `unit`; behind the last one, where
    /// it can't be read.
    fn key(&mut self, unit: &[u8]) -> u64 {
        let Some((count, begins)) = self.order.count(unit) else {
            self.last_key += 1;
            return self.last_key;
        };
        if begins {
            self.sequences += 1;
        }
        let count = count.clamp(i32::MIN.into(), i32::MAX.into());
        self.last_key = (self.sequences << 32).saturating_add_signed(count - i64::from(i32::MIN));
        self.last_key
    }
}

impl Framing {
    fn units(self, chunk: &[u8]) -> Vec<&[u8]> {
        match self {
            Framing::StartCodes => annex_b(chunk).collect(),
            Framing::Lengths(size) => length_prefixed(chunk, size).map_while(Result::ok).collect(),
        }
    }
}
