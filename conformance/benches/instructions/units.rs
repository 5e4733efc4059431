//! Made-up access units of each payload format, of the sizes that films of 1 Mbit/s have.

use rtp::{
    asf::packet::{MediaObject, write},
    format::{Format, Media, PcmCoding},
};

/// A group of access units that are laid down together.
pub struct Case {
    pub name: &'static str,
    pub format: Format,
    pub units: Vec<Vec<u8>>,
    /// Ticks from one to the next.
    pub step: u32,
}

/// Every payload format.
pub fn cases() -> Vec<Case> {
    let (width, height) = (640, 480);
    let set = |bytes: &[u8]| vec![bytes.to_vec()];
    let h264 = Format::H264 { sps: set(&[0x67, 0x42, 0xC0, 0x1E]), pps: set(&[0x68, 0xCE]), width, height };
    let h265 =
        Format::H265 { vps: set(&[0x40, 1, 5]), sps: set(&[0x42, 1, 6]), pps: set(&[0x44, 1, 7]), width, height };
    let asf = Format::Asf { stream: 3, media: Media::Video, properties: vec![], codec: "x".into() };
    let case = |name, format, step, units| Case { name, format, units, step };
    vec![
        case("MPV rows", Format::Mpv { mpeg2: false, width, height }, 3600, vec![picture(18, 240)]),
        case("MPV slices", Format::Mpv { mpeg2: false, width, height }, 3600, vec![picture(3, 1_450)]),
        case("H264", h264.clone(), 3600, vec![nals(&[0x41], &[5_000])]),
        case("H264 slices", h264, 3600, vec![nals(&[0x41], &[2_100, 2_900])]),
        case("H265", h265, 3600, vec![nals(&[2, 1], &[5_000])]),
        case("MP4V-ES", Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 1], width, height }, 3600, vec![vec![7; 5_000]]),
        case("H263", Format::H263 { width, height }, 3600, vec![[&[0, 0, 0x80][..], &[7; 5_000]].concat()]),
        case("VP8", Format::Vp8 { width, height }, 3600, vec![vec![0x10; 5_000]]),
        case("VP9", Format::Vp9 { width, height }, 3600, vec![vec![0x82; 5_000]]),
        case("ASF", asf, 40, vec![object(5_000)]),
        case("MPA", Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 }, 2351, vec![mpeg_audio(); 3]),
        case(
            "AAC",
            Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 },
            1024,
            vec![vec![7; 280]; 4],
        ),
        case("AC3", Format::Ac3 { sample_rate: 48_000, channels: 2 }, 1536, vec![ac3(); 3]),
        case(
            "L16",
            Format::Pcm { coding: PcmCoding::L16, sample_rate: 48_000, channels: 2 },
            960,
            vec![vec![7; 3_840]],
        ),
        case("AMR", Format::Amr { wide: false, channels: 1 }, 160, vec![[&[0x3C][..], &[7; 31]].concat(); 5]),
        case("Opus", Format::Opus { channels: 2 }, 960, vec![vec![7; 160]; 2]),
        case("t140", Format::T140 {}, 1000, vec![b"What is said.".to_vec()]),
    ]
}

fn picture(slices: u8, length: usize) -> Vec<u8> {
    let header = [0, 0, 1, 0, 0x55, 1 << 3 | 7, 0xFF, 0xF8];
    let slice = |code: u8| [&[0, 0, 1, code][..], &vec![0xA5; length - 4]].concat();
    [header.to_vec()].into_iter().chain((1..=slices).map(slice)).flatten().collect()
}

fn nals(header: &[u8], lengths: &[usize]) -> Vec<u8> {
    let nal = |length: &usize| [&(*length as u32).to_be_bytes(), header, &vec![7; length - header.len()]].concat();
    lengths.iter().flat_map(nal).collect()
}

fn object(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    write(&MediaObject { stream: 3, number: 0, time_ms: 0, sync: true, data: &vec![7; length] }, &mut out);
    out
}

/// MPEG-1 layer II, 128 kbit/s, 44.1 kHz.
fn mpeg_audio() -> Vec<u8> {
    [&[0xFF, 0xFD, 0x80, 0x00][..], &[7; 413]].concat()
}

/// 48 kHz, 128 kbit/s.
fn ac3() -> Vec<u8> {
    [&[0x0B, 0x77, 0, 0, 0x10, 0x40, 0x40][..], &[7; 505]].concat()
}
