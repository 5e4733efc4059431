//! What each fuzz target does with its input: nothing may panic, and what must hold is asserted.
//!
//! - `demux`: files; `elementary`: codecs' headers; `payload`: payload formats, both ways; `control`: what players
//!   send by RTSP, RTP and RTCP; `feed`: what comes live from others; `stored`: what nodes and their clients say
//!
//! A new parser is one line in [`TARGETS`], one file in `targets` and one `[[bin]]` in the manifest.

mod control;
pub mod demux;
mod elementary;
mod feed;
mod payload;
mod stored;

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, in the order in which they are worth their time.
pub const TARGETS: &[Target] = &[
    ("demux_ps", demux::ps),
    ("demux_ts", demux::ts),
    ("demux_mp4", demux::mp4),
    ("demux_avi", demux::avi),
    ("demux_asf", demux::asf),
    ("demux_vcd", demux::vcd),
    ("demux_flv", demux::flv),
    ("demux_wav", demux::wav),
    ("demux_mkv", demux::mkv),
    ("demux_ogg", demux::ogg),
    ("demux_es_video", demux::es_video),
    ("demux_es_audio", demux::es_audio),
    ("demux_probed", demux::probed),
    ("lossless", demux::lossless),
    ("elementary_h264", elementary::h264),
    ("elementary_h265", elementary::h265),
    ("elementary_mpeg_video", elementary::mpeg_video),
    ("elementary_mpeg4_visual", elementary::mpeg4_visual),
    ("elementary_mpeg_audio", elementary::mpeg_audio),
    ("elementary_aac", elementary::aac),
    ("elementary_ac3", elementary::ac3),
    ("elementary_amr", elementary::amr),
    ("rtsp_messages", control::messages),
    ("rtsp_headers", control::headers),
    ("tunnel", control::tunnel),
    ("sap", control::sap),
    ("rtcp", control::rtcp),
    ("feed_description", feed::description),
    ("feed_rtp", feed::rtp),
    ("feed_ts", feed::ts),
    ("index", stored::index),
    ("manifest", stored::manifest),
    ("depay_nal", payload::nal),
    ("depay_mpeg", payload::mpeg),
    ("depay_audio", payload::audio),
    ("depay_pictures", payload::pictures),
    ("depay_asf", payload::asf),
];
