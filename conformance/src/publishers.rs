//! Programs that publish a film, as it is coded and at its own speed.

use crate::compare::Transport;
use std::{path::Path, process::Command};

/// ffmpeg.
pub fn ffmpeg(film: &Path, url: &str, transport: Transport) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-re", "-i"]).arg(film).args(["-map", "0", "-c", "copy"]);
    command.args(["-f", "rtsp", "-rtsp_transport", &transport.to_string(), url]);
    command
}

/// GStreamer, of a film of H.264 and AAC, which it publishes in LATM.
pub fn gstreamer(film: &Path, url: &str, transport: Transport) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "-e", "filesrc"]).arg(format!("location={}", film.display()));
    command.args(["!", "qtdemux", "name=d", "rtspclientsink", "name=s"]).arg(format!("location={url}"));
    command.arg(format!("protocols={transport}"));
    command.args("d.video_0 ! queue ! h264parse ! identity sync=true ! s.sink_0".split(' '));
    command.args("d.audio_0 ! queue ! aacparse ! identity sync=true ! s.sink_1".split(' '));
    command
}
