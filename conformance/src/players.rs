//! Real players other than ffmpeg, run to the end of a film.

pub mod table;

use crate::{compare::Transport, server::wait_until};
use anyhow::{Context, Result, bail, ensure};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What a player made of a film.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Pictures decoded.
    pub pictures: usize,
    /// Bytes of decoded sound, 16 bits a sample.
    pub sound: usize,
}

/// Plays `url` with GStreamer's `playbin`, as its players do, to the end of the stream; any error message of it is an
/// error. `limit` bounds the whole run.
pub fn gstreamer(url: &str, transport: Transport, limit: Duration) -> Result<Played> {
    // The scheme is how playbin is told the transport.
    let scheme = match transport {
        Transport::Udp => "rtspu:",
        Transport::Tcp => "rtspt:",
    };
    let rest = url.strip_prefix("rtsp:").with_context(|| format!("{url} is no rtsp: URL"))?;
    playbin(&format!("{scheme}{rest}"), limit)
}

/// The same for a file: what GStreamer can make of it without us.
pub fn gstreamer_file(file: &Path, limit: Duration) -> Result<Played> {
    let file = file.canonicalize().with_context(|| file.display().to_string())?;
    let escape = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    playbin(&format!("file://{}", file.to_string_lossy().bytes().map(escape).collect::<String>()), limit)
}

fn playbin(uri: &str, limit: Duration) -> Result<Played> {
    // Nothing is shown, so nothing need wait for its time. The flags are video and audio without the filters that change
    // the pictures' number. Each picture is written as so many bytes: what sinks print is not all there.
    const PICTURE: u64 = 16 * 16;
    let folder = crate::compare::tempdir()?;
    let (pictures, sound, errors) = (folder.join("pictures"), folder.join("sound"), folder.join("errors"));
    let sink = |path: &Path| format!("filesink sync=false location={}", path.display());
    let small = "videoconvert ! videoscale method=nearest-neighbour ! video/x-raw,format=GRAY8,width=16,height=16";
    let mut child = Command::new("gst-launch-1.0")
        .args(["-q", "playbin", "flags=3", &format!("uri={uri}")])
        .arg(format!("video-sink={small} ! {}", sink(&pictures)))
        .arg(format!("audio-sink=audioconvert ! audio/x-raw,format=S16LE ! {}", sink(&sound)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&errors)?)
        .spawn()
        .context("starting gst-launch-1.0")?;
    let status = wait_until(&mut child, Instant::now() + limit)?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let played = Played { pictures: (size(&pictures) / PICTURE) as usize, sound: size(&sound) as usize };
    let errors = std::fs::read_to_string(&errors)?;
    let _ = std::fs::remove_dir_all(folder);
    let far = format!("{} pictures and {} bytes of sound", played.pictures, played.sound);
    let Some(status) = status else { bail!("no end after {} s and {far}", limit.as_secs()) };
    let told = errors.split_once("ERROR").map(|(_, told)| told.trim().lines().collect::<Vec<_>>().join(" "));
    let fault = match told {
        Some(told) if is_its_own_flush(&told) => None,
        Some(told) => Some(told),
        None => (!status.success()).then(|| "it failed".to_owned()),
    };
    ensure!(fault.is_none(), "{} after {far}", fault.unwrap_or_default());
    Ok(played)
}

/// Whether the first error is one that GStreamer 1.22 makes itself on a busy machine: before its PAUSE and TEARDOWN, when all
/// has been played, it flushes its connection, and may take that for the connection's end when it sends. The server never
/// gets that request, but answers the next on the same connection. What was played is counted all the same.
fn is_its_own_flush(told: &str) -> bool {
    let first = told.split("ERROR").next().unwrap_or(told);
    first.contains("gst_rtspsrc_try_send") && first.contains("Could not send message. (Received end-of-file)")
}

#[cfg(test)]
mod tests {
    use super::is_its_own_flush;

    #[test]
    fn only_a_flush_before_anything_else_is_passed_over() {
        let flush = "gstrtspsrc.c(6766): gst_rtspsrc_try_send (): Could not send message. (Received end-of-file)";
        let refused = "gstrtspsrc.c(6766): gst_rtspsrc_try_send (): Could not send message. (Generic error)";
        let late = format!("Internal data stream error. ERROR: {flush}");
        let then = format!("{flush} ERROR: {refused}");
        for (told, expected) in
            [(flush, true), (then.as_str(), true), (refused, false), (late.as_str(), false), ("", false)]
        {
            assert_eq!(is_its_own_flush(told), expected, "{told}");
        }
    }
}
