//! What is published, and by whom.

use super::{PORT, Player};
use crate::{compare::Transport, namespaces::FRONT, publishers};
use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Where the transport stream is sent to.
pub(super) const TS_PORT: u16 = 5004;

/// One feed: its film, who brings it, and how GStreamer takes it apart.
#[derive(Debug)]
pub struct WatchedFeed {
    /// The channel's, too.
    pub name: &'static str,
    /// Who brings it.
    pub by: FeedBy,
    /// With the extension that names ffmpeg's muxer.
    file: &'static str,
    /// ffmpeg's options for its pictures.
    video: &'static str,
    /// And for its sound and the whole.
    audio: &'static str,
    /// Pictures of a group, each of which is decoded by itself.
    pub(super) group: usize,
    /// GStreamer's elements from packets to pictures, and to coded frames of sound.
    pub(super) elements: [&'static str; 2],
    /// By how much those show pictures late, whoever sends them.
    late: Duration,
}

/// How a feed comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedBy {
    /// Published by ffmpeg over TCP.
    FfmpegTcp,
    /// Published by ffmpeg over UDP.
    FfmpegUdp,
    /// Published by GStreamer over UDP.
    Gstreamer,
    /// As a transport stream over UDP.
    Ts,
}

const H264: &str = "-c:v libx264 -preset veryfast -bf 2 -g 25 -sc_threshold 0 -b:v 250k";
const X265: &str = "-c:v libx265 -preset ultrafast -b:v 200k -tag:v hvc1 \
    -x265-params log-level=error:keyint=25:min-keyint=25:scenecut=0:open-gop=0:bframes=2";
const TO_H264: &str = "rtph264depay ! h264parse ! avdec_h264 max-threads=1";
const TO_AAC: &str = "rtpmp4gdepay ! aacparse ! audio/mpeg,stream-format=raw";
const TO_MPA: &str = "rtpmpadepay ! mpegaudioparse";

/// Every kind of feed, each as small as shows what it is.
pub const FEEDS: &[WatchedFeed] = &[
    feed("h264-aac", FeedBy::FfmpegTcp, "h264.mp4", (H264, "-c:a aac"), 25, [TO_H264, TO_AAC]),
    feed(
        "mpeg4-mp3",
        FeedBy::FfmpegUdp,
        "mpeg4.mp4",
        ("-c:v mpeg4 -bf 2 -g 25 -flags +cgop -sc_threshold 1000000000 -b:v 300k", "-c:a libmp3lame"),
        25,
        ["rtpmp4vdepay ! mpeg4videoparse ! avdec_mpeg4 max-threads=1", TO_MPA],
    ),
    feed(
        "mpeg2-mp2",
        FeedBy::FfmpegUdp,
        "mpeg2.ts",
        ("-c:v mpeg2video -bf 2 -g 25 -flags +cgop -sc_threshold 1000000000 -b:v 400k", "-c:a mp2 -f mpegts"),
        25,
        ["rtpmpvdepay ! mpegvideoparse ! avdec_mpeg2video max-threads=1", TO_MPA],
    ),
    WatchedFeed {
        // The last two pictures of a group, a frame: the same with packets of GStreamer's own payloader.
        late: Duration::from_millis(40),
        ..feed(
            "h265-aac",
            FeedBy::FfmpegTcp,
            "h265.mp4",
            (X265, "-c:a aac"),
            25,
            ["rtph265depay ! h265parse ! avdec_h265 max-threads=1", TO_AAC],
        )
    },
    feed(
        "mjpeg-aac",
        FeedBy::FfmpegUdp,
        "mjpeg.mov",
        ("-c:v mjpeg -huffman default -pix_fmt yuvj420p -q:v 9", "-c:a aac"),
        1,
        ["rtpjpegdepay ! avdec_mjpeg", TO_AAC],
    ),
    feed("gstreamer", FeedBy::Gstreamer, "gstreamer.mp4", (H264, "-c:a aac"), 25, [TO_H264, TO_AAC]),
    feed("ts", FeedBy::Ts, "television.ts", (H264, "-c:a mp2 -f mpegts"), 25, [TO_H264, TO_MPA]),
];

const fn feed(
    name: &'static str,
    by: FeedBy,
    file: &'static str,
    (video, audio): (&'static str, &'static str),
    group: usize,
    elements: [&'static str; 2],
) -> WatchedFeed {
    WatchedFeed { name, by, file, video, audio, group, elements, late: Duration::ZERO }
}

pub(super) fn names() -> String {
    FEEDS.iter().map(|feed| feed.name).collect::<Vec<_>>().join(", ")
}

impl WatchedFeed {
    /// Makes its film in `folder`: no picture and no frame of sound in it is like another.
    pub(super) fn make(&self, folder: &Path, seconds: u32) -> Result<PathBuf> {
        let path = folder.join(self.file);
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"])
            .args(["-f", "lavfi", "-i", "anoisesrc=amplitude=0.2:seed=7:sample_rate=44100"])
            .args(["-t", &seconds.to_string()])
            .args(self.video.split_whitespace())
            .args(["-ac", "2", "-b:a", "64k"])
            .args(self.audio.split_whitespace())
            .arg(&path)
            .output()
            .context("starting ffmpeg")?;
        ensure!(output.status.success(), "{}: {}", self.file, String::from_utf8_lossy(&output.stderr));
        Ok(path)
    }

    /// By how much a player shows pictures late by itself.
    pub(super) fn late(&self, player: Player) -> Duration {
        if player == Player::Gstreamer { self.late } else { Duration::ZERO }
    }

    /// The program that brings it, at the film's own speed, once.
    pub(super) fn publish(&self, path: &Path) -> Command {
        let url = format!("rtsp://{FRONT}:{PORT}/{}", self.name);
        match self.by {
            FeedBy::FfmpegTcp => publishers::ffmpeg(path, &url, Transport::Tcp),
            FeedBy::FfmpegUdp => publishers::ffmpeg(path, &url, Transport::Udp),
            FeedBy::Gstreamer => publishers::gstreamer(path, &url, Transport::Udp),
            FeedBy::Ts => {
                let mut command = Command::new("ffmpeg");
                command.args(["-v", "error", "-nostdin", "-re", "-i"]).arg(path).args(["-map", "0", "-c", "copy"]);
                command.args(["-f", "mpegts", &format!("udp://{FRONT}:{TS_PORT}?pkt_size=1316")]);
                command
            }
        }
    }
}
