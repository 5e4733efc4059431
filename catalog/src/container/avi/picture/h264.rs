//! H.264: a chunk is a picture, as a byte stream or as NAL units behind their lengths.

use super::{Codec, Picture, header, missing};
use bytes::Bytes;
use rtp::codec::h264::{self, PictureOrder, Sps};
use rtp::codec::nal::{annex_b, length_prefixed, push_prefixed};
use rtp::format::Format;

#[derive(Clone, Debug)]
pub(in super::super) struct H264 {
    framing: Framing,
    order: PictureOrder,
    /// IDR pictures so far: each begins a new count.
    sequences: u64,
    last_key: u64,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    StartCodes,
    /// Bytes of each unit's length.
    Lengths(u8),
}

/// The codec, its format and how many pictures wait to be shown.
pub(super) fn open(info: &header::Picture, first: &[Bytes]) -> Result<(Codec, Format, usize), String> {
    let told = avc_configuration(&info.extra);
    let framing = match first.iter().find(|chunk| chunk.len() > 4) {
        // Whatever the description says.
        Some(chunk) if chunk.starts_with(&[0, 0, 1]) || chunk.starts_with(&[0, 0, 0, 1]) => Framing::StartCodes,
        _ => Framing::Lengths(told.as_ref().map_or(4, |(size, _)| *size)),
    };
    let mut codec = H264 { framing, order: PictureOrder::default(), sequences: 0, last_key: 0 };
    let (mut sps, mut pps): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let mut take = |unit: &[u8]| {
        let sets = match h264::unit_type(unit) {
            h264::SPS => &mut sps,
            h264::PPS => &mut pps,
            _ => return,
        };
        // A set that says something new is for the stream to bring.
        if sets.is_empty() {
            sets.push(unit.to_vec());
        }
    };
    match &told {
        Some((_, sets)) => sets.iter().for_each(|set| take(set)),
        None => annex_b(&info.extra).for_each(&mut take),
    }
    first.iter().for_each(|chunk| codec.units(chunk).into_iter().for_each(&mut take));
    if sps.is_empty() || pps.is_empty() {
        return Err(missing(info.compression, "parameter sets"));
    }
    for set in sps.iter().chain(&pps) {
        // One that can't be read is one by which no order is known.
        let _ = codec.order.handle_set(set);
    }
    let found = Sps::parse(&sps[0]).map_err(|error| error.to_string())?;
    let delay = found.vui.and_then(|vui| vui.reorder_frames).unwrap_or(0);
    let format = Format::H264 { sps, pps, width: found.width, height: found.height };
    Ok((Codec::H264(Box::new(codec)), format, delay.into()))
}

impl H264 {
    pub fn handle(&mut self, chunk: &[u8]) -> Option<Picture> {
        let units = self.units(chunk);
        let mut key = None;
        for unit in &units {
            match h264::unit_type(unit) {
                h264::SPS | h264::PPS => {
                    let _ = self.order.handle_set(unit);
                }
                h264::SLICE | h264::SLICE_A | h264::IDR_SLICE if key.is_none() => key = Some(self.key(unit)),
                _ => {}
            }
        }
        let key = key?;
        let sync = h264::is_sync(units.iter().copied());
        let mut data = Vec::with_capacity(chunk.len() + 16);
        units.iter().try_for_each(|unit| push_prefixed(&mut data, unit)).ok()?;
        Some(Picture { data: data.into(), key, sync })
    }

    /// The place in the order of showing of the picture that begins with the slice `unit`; behind the last one, where
    /// it can't be read.
    fn key(&mut self, unit: &[u8]) -> u64 {
        let Ok(slice) = self.order.slice(unit) else {
            self.last_key += 1;
            return self.last_key;
        };
        if slice.picture.idr.is_some() {
            self.sequences += 1;
        }
        let count = self.order.count(&slice).clamp(i32::MIN.into(), i32::MAX.into());
        self.last_key = (self.sequences << 32).saturating_add_signed(count - i64::from(i32::MIN));
        self.last_key
    }

    fn units<'a>(&self, chunk: &'a [u8]) -> Vec<&'a [u8]> {
        match self.framing {
            Framing::StartCodes => annex_b(chunk).collect(),
            Framing::Lengths(size) => length_prefixed(chunk, size).map_while(Result::ok).collect(),
        }
    }
}

/// Length size and parameter sets of an AVCDecoderConfigurationRecord (ISO 14496-15 5.2.4.1).
fn avc_configuration(bytes: &[u8]) -> Option<(u8, Vec<&[u8]>)> {
    let (head, mut rest) = bytes.split_at_checked(5)?;
    if head[0] != 1 {
        return None;
    }
    let mut sets = Vec::new();
    for mask in [0x1F, 0xFF] {
        let (count, mut after) = rest.split_first()?;
        for _ in 0..count & mask {
            let (length, behind) = after.split_at_checked(2)?;
            let (set, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
            sets.push(set);
            after = behind;
        }
        rest = after;
    }
    Some(((head[4] & 3) + 1, sets))
}
