//! Real players other than ffmpeg, run to the end of a film.

use crate::compare::Transport;
use anyhow::{Context, Result, bail, ensure};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What a player made of a film.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Pictures decoded.
    pub pictures: usize,
    /// Bytes of decoded sound.
    pub sound: usize,
}

/// Plays `url` with GStreamer's `rtspsrc` to the end of the stream; any error message of it is an error.
///
/// `video` and `audio` say which of both the film has; `limit` bounds the whole run.
pub fn gstreamer(url: &str, transport: Transport, video: bool, audio: bool, limit: Duration) -> Result<Played> {
    let folder = crate::compare::tempdir()?;
    let sound = folder.join("sound");
    let protocols = match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let mut arguments = vec!["-v".to_owned(), "rtspsrc".into(), format!("location={url}"), "name=s".into()];
    arguments.push(format!("protocols={protocols}"));
    if transport == Transport::Udp {
        arguments.push("udp-buffer-size=8388608".into());
    }
    let branch = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if video {
        arguments.extend(branch(
            "s. ! application/x-rtp,media=video ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! decodebin ! \
             fakesink name=pictures silent=false sync=false",
        ));
    }
    if audio {
        arguments.extend(branch(
            "s. ! application/x-rtp,media=audio ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! decodebin ! \
             audioconvert ! audio/x-raw,format=S16LE ! filesink sync=false",
        ));
        arguments.push(format!("location={}", sound.display()));
    }
    let log = folder.join("log");
    let mut child = Command::new("gst-launch-1.0")
        .args(&arguments)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&log)?)
        .stderr(std::fs::File::create(folder.join("errors"))?)
        .spawn()
        .context("starting gst-launch-1.0")?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("GStreamer had not ended after {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = std::fs::read_to_string(&log)?;
    let errors = std::fs::read_to_string(folder.join("errors"))?;
    ensure!(status.success() && !text.contains("ERROR"), "GStreamer failed ({status}): {}", errors.trim());
    let pictures = text.lines().filter(|line| line.contains("pictures") && line.contains("chain   *")).count();
    let sound = std::fs::metadata(&sound).map(|meta| meta.len() as usize).unwrap_or(0);
    let _ = std::fs::remove_dir_all(folder);
    Ok(Played { pictures, sound })
}
