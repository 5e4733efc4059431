//! The players: how they are told to receive, and what they print of it.

use super::{Running, Shown, WatchedFeed};
use crate::compare::parse_framemd5;
use anyhow::{Context, Result, ensure};
use std::{
    fmt,
    fs::File,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Bytes of a socket's buffer: the kernel's usual ones are shorter than a busy machine's naps.
const BUFFER: &str = "4194304";

/// How long a file may take to be decoded.
const DECODING: Duration = Duration::from_secs(900);

/// Whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    /// ffmpeg.
    Ffmpeg,
    /// gst-launch-1.0.
    Gstreamer,
}

/// How packets come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Within the connection.
    Tcp,
    /// To ports of its own.
    Udp,
    /// To a group that it joins.
    Multicast,
}

impl fmt::Display for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Gstreamer => "gstreamer",
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Multicast => "multicast",
        })
    }
}

/// What a film shows.
pub(super) fn file(path: &Path, folder: &Path) -> Result<Shown> {
    ffmpeg(&[], &path.to_string_lossy(), &folder.join("file"), Instant::now() + DECODING)
}

/// What a player shows of a channel until its end.
pub(super) fn watch(
    player: Player,
    way: Way,
    feed: &WatchedFeed,
    url: &str,
    base: &Path,
    limit: Instant,
) -> Result<Shown> {
    match player {
        Player::Ffmpeg => {
            let transport = if way == Way::Multicast { "udp_multicast".to_owned() } else { way.to_string() };
            let mut input = vec!["-rtsp_transport", &transport];
            if way != Way::Tcp {
                input.extend(["-buffer_size", BUFFER]);
            }
            ffmpeg(&input, url, base, limit)
        }
        Player::Gstreamer => gstreamer(way, feed, url, base, limit),
    }
}

fn ffmpeg(input: &[&str], source: &str, base: &Path, limit: Instant) -> Result<Shown> {
    let [pictures, sound, errors] = ["pictures", "sound", "errors"].map(|kind| base.with_extension(kind));
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y", "-threads", "1"]).args(input).args(["-i", source]);
    command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framemd5"]);
    command.arg(&pictures);
    command.args(["-map", "0:a:0", "-c:a", "copy", "-f", "framemd5"]).arg(&sound);
    let ended = Running::start(command.stderr(File::create(&errors)?))?.ends_until(limit)?;
    let rows = |path: &Path| -> Result<Vec<(i64, String)>> {
        let text = std::fs::read_to_string(path).with_context(|| said(&errors))?;
        let (_, rows) = parse_framemd5(&text)?;
        Ok(rows.into_iter().map(|(time, _, hash)| (time, hash)).collect())
    };
    Ok(Shown { pictures: rows(&pictures)?, sound: rows(&sound)?, ended, said: said(&errors) })
}

fn gstreamer(way: Way, feed: &WatchedFeed, url: &str, base: &Path, limit: Instant) -> Result<Shown> {
    let protocols = if way == Way::Multicast { "udp-mcast".to_owned() } else { way.to_string() };
    let queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0";
    let [pictures, sound] = feed.elements;
    let pipeline = format!(
        "rtspsrc name=s location={url} protocols={protocols} udp-buffer-size={BUFFER} \
         s. ! {pictures} ! {queue} ! videoconvert ! video/x-raw,format=I420 ! checksumsink hash=md5 sync=false \
         s. ! {sound} ! {queue} ! checksumsink hash=md5 sync=false"
    );
    let [printed, errors] = ["printed", "errors"].map(|kind| base.with_extension(kind));
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace());
    command.stdout(File::create(&printed)?).stderr(File::create(&errors)?);
    let ended = Running::start(&mut command)?.ends_until(limit)?;
    let text = std::fs::read_to_string(&printed)?;
    let rows = text.lines().filter_map(row).collect::<Vec<_>>();
    ensure!(!rows.is_empty(), "nothing was shown: {}", said(&errors));
    // Which sink has printed a line is told by the film.
    Ok(Shown { pictures: rows, sound: Vec::new(), ended, said: said(&errors) })
}

/// `0:00:01.040000000 <hash>`
fn row(line: &str) -> Option<(i64, String)> {
    let (time, hash) = line.split_once(' ')?;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some((((hours * 3_600.0 + minutes * 60.0 + seconds) * 1e9) as i64, hash.to_owned()))
}

fn said(errors: &Path) -> String {
    let text = std::fs::read(errors).unwrap_or_default();
    String::from_utf8_lossy(&text).chars().take(600).collect()
}
