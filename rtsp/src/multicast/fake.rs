//! A channel's tracks and pictures, for the tests.

use crate::channel::{LiveUnit, TrackDescription};
use rtp::{
    clock::Ticks,
    format::{Format, PcmCoding},
};

/// MPEG-4 visual and mu-law.
pub fn tracks() -> Vec<TrackDescription> {
    let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
    let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
    [video, audio].map(|format| TrackDescription { format, language: None, bandwidth_bps: None }).into()
}

/// A picture of so many bytes.
pub fn picture(dts: i64, sync: bool, bytes: usize) -> LiveUnit {
    let mut data = vec![0, 0, 1, 0xB6, 0];
    data.resize(bytes.max(data.len()), 0x55);
    LiveUnit { data: data.into(), dts: Ticks(dts), pts: Ticks(dts), sync }
}
