//! ASF files against ffprobe, files made by ffmpeg, and packets made by hand.

mod broken;
mod files;
mod headers;
mod packets;

use crate::container::DemuxedSample;
use rtp::asf::packet::Parsed;

/// The media object that a sample wraps.
fn object(sample: &DemuxedSample) -> Vec<u8> {
    let (mut rest, mut out) = (&sample.data[..], Vec::new());
    while !rest.is_empty() {
        let packet = Parsed::read(rest).unwrap();
        assert_eq!((u32::from(packet.stream), packet.offset as usize), (sample.track, out.len()));
        assert_eq!(i64::from(packet.presentation_ms), sample.pts + i64::from(rtp::asf::PREROLL_MS));
        out.extend_from_slice(packet.payload);
        rest = &rest[packet.length..];
    }
    out
}
