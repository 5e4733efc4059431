//! The frame-for-frame comparison: a file against the same film as a viewer receives it.
//!
//! ffmpeg decodes both. Every video frame must be the same (hash and order), every audio sample too, and the
//! presentation times must agree after one constant offset that is common to audio and video is removed.
//! What an edit list trims from the front of the file's audio (a decoder's priming) may be heard on the wire.
//!
//! The time of the very first picture is ffmpeg's own guess when it receives: its parser takes none from a stream's
//! first packet (the stream's position is not known there), whatever the server wrote in it. It is reported apart.

use anyhow::{Context, Result, bail, ensure};
use std::{
    fmt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How ffmpeg is to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RTP over UDP.
    Udp,
    /// Interleaved in the RTSP connection.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        })
    }
}

/// One decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// When it is shown, nanoseconds by the source's clock.
    pub time: i64,
    /// MD5 of its pixels.
    pub hash: String,
}

/// The decoded sound.
#[derive(Clone, Debug, Default)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Interleaved 16-bit samples of all channels.
    pub samples: Vec<u8>,
    /// Bytes of one sample of all channels.
    pub block: usize,
    /// For each decoded frame: number of its first sample, and its time in nanoseconds.
    pub times: Vec<(usize, i64)>,
}

/// What ffmpeg made of one source.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Pictures in the order in which they are shown.
    pub pictures: Vec<Picture>,
    /// Present where the source has audio.
    pub sound: Option<Sound>,
    /// What ffmpeg complained of.
    pub messages: String,
}

/// How a received film differs from its file; empty when it doesn't.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Frames in the file and received.
    pub pictures: (usize, usize),
    /// Audio samples in the file and received.
    pub samples: (usize, usize),
    /// Largest error of a picture's time, nanoseconds, after the common offset is removed.
    pub picture_time_error: i64,
    /// The same for audio.
    pub sound_time_error: i64,
    /// How far ffmpeg's guess of the first picture's time is off, nanoseconds; no difference by itself.
    pub first_picture_error: i64,
    /// Each difference in words; the first one first.
    pub differences: Vec<String>,
}

impl Report {
    /// Whether the viewer got exactly the file.
    pub fn is_exact(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pictures {}/{}, samples {}/{}, time error {:.1} us video (the first {:.1} ms), {:.1} us audio: ",
            self.pictures.1,
            self.pictures.0,
            self.samples.1,
            self.samples.0,
            self.picture_time_error as f64 / 1e3,
            self.first_picture_error as f64 / 1e6,
            self.sound_time_error as f64 / 1e3
        )?;
        if self.is_exact() { f.write_str("exact") } else { f.write_str(&self.differences.join("; ")) }
    }
}

/// Options of one decode.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// ffmpeg's input options, before `-i`.
    pub input: Vec<String>,
    /// Whether to decode video, audio; both where not said.
    pub only: Option<&'static str>,
}

impl DecodeOptions {
    /// To receive over `transport`.
    pub fn receive(transport: Transport) -> Self {
        let mut input = vec!["-rtsp_transport".to_owned(), transport.to_string()];
        if transport == Transport::Udp {
            // The kernel's default buffer is shorter than a busy test machine's naps.
            input.extend(["-buffer_size".to_owned(), "8388608".to_owned()]);
        }
        Self { input, only: None }
    }
}

/// Compares the file with what `url` gives over `transport`. `limit` bounds each of both decodes.
pub fn compare(file: &Path, url: &str, transport: Transport, limit: Duration) -> Result<Report> {
    let file = decode(&file.to_string_lossy(), &DecodeOptions::default(), limit).context("decoding the file")?;
    compare_with(&file, url, transport, limit)
}

/// The same where the file is decoded already.
pub fn compare_with(file: &Decoded, url: &str, transport: Transport, limit: Duration) -> Result<Report> {
    let received = decode(url, &DecodeOptions::receive(transport), limit)
        .with_context(|| format!("decoding {url} over {transport}"))?;
    Ok(difference(file, &received))
}

/// One tick of the video clock, nanoseconds.
const VIDEO_TICK: i64 = 1_000_000_000 / 90_000 + 1;

/// How `received` differs from `file`.
pub fn difference(file: &Decoded, received: &Decoded) -> Report {
    let mut report = Report { pictures: (file.pictures.len(), received.pictures.len()), ..Report::default() };
    compare_pictures(file, received, &mut report);
    let offset = match (file.pictures.first(), received.pictures.first()) {
        (Some(a), Some(b)) => Some(middle_offset(file, received).unwrap_or(b.time - a.time)),
        _ => None,
    };
    if let Some(offset) = offset {
        let first = file.pictures.iter().zip(&received.pictures).next();
        report.first_picture_error = first.map_or(0, |(a, b)| (b.time - a.time - offset).abs());
        for (a, b) in file.pictures.iter().zip(&received.pictures).skip(1) {
            report.picture_time_error = report.picture_time_error.max((b.time - a.time - offset).abs());
        }
        if report.picture_time_error > VIDEO_TICK {
            report
                .differences
                .push(format!("a picture is {:.3} ms off its time", report.picture_time_error as f64 / 1e6));
        }
    }
    match (&file.sound, &received.sound) {
        (Some(a), Some(b)) => compare_sound(a, b, offset, &mut report),
        (Some(_), None) => report.differences.push("no audio came".into()),
        (None, Some(_)) => report.differences.push("audio came that the file doesn't have".into()),
        (None, None) => {}
    }
    report
}

/// The offset that halves the spread: rounding on both sides then counts as little as it is. `None` for one picture.
fn middle_offset(file: &Decoded, received: &Decoded) -> Option<i64> {
    let offsets = || file.pictures.iter().zip(&received.pictures).skip(1).map(|(a, b)| b.time - a.time);
    Some((offsets().min()? + offsets().max()?) / 2)
}

fn compare_pictures(file: &Decoded, received: &Decoded, report: &mut Report) {
    let differs = file.pictures.iter().zip(&received.pictures).position(|(a, b)| a.hash != b.hash);
    if let Some(index) = differs {
        let note = match file.pictures.iter().position(|picture| picture.hash == received.pictures[index].hash) {
            Some(other) => format!("it is the file's picture {other}"),
            None => "it is none of the file's".into(),
        };
        report.differences.push(format!("picture {index} differs; {note}"));
    }
    if file.pictures.len() != received.pictures.len() {
        report.differences.push(format!(
            "{} pictures in the file, {} received",
            file.pictures.len(),
            received.pictures.len()
        ));
    }
}

/// Most samples that may come before the file's first: two frames of HE-AAC.
const MAX_PRIMING: usize = 4096;

fn compare_sound(file: &Sound, received: &Sound, offset: Option<i64>, report: &mut Report) {
    if file.rate != received.rate || file.block != received.block {
        report.differences.push(format!(
            "audio of {} Hz in blocks of {} bytes in the file, {} Hz and {} received",
            file.rate, file.block, received.rate, received.block
        ));
        return;
    }
    let block = file.block.max(1);
    report.samples = (file.samples.len() / block, received.samples.len() / block);
    let extra = report.samples.1.saturating_sub(report.samples.0).min(MAX_PRIMING);
    let shift = (0..=extra).find(|shift| received.samples[shift * block..].starts_with(&file.samples));
    let Some(shift) = shift else {
        let same = file.samples.iter().zip(&received.samples).take_while(|(a, b)| a == b).count() / block;
        report.differences.push(format!(
            "audio differs: {} samples in the file, {} received, the first {same} are the same",
            report.samples.0, report.samples.1
        ));
        return;
    };
    let tick = 1_000_000_000 / i64::from(file.rate.max(1)) + 1;
    let time_of = |sound: &Sound, sample: usize| -> Option<i64> {
        let index = sound.times.partition_point(|(first, _)| *first <= sample).checked_sub(1)?;
        let (first, time) = sound.times[index];
        Some(time + (sample - first) as i64 * 1_000_000_000 / i64::from(sound.rate.max(1)))
    };
    let gaps: Vec<i64> =
        file.times.iter().filter_map(|(first, time)| Some(time_of(received, first + shift)? - time)).collect();
    let Some((least, most)) = gaps.iter().min().zip(gaps.iter().max()) else { return };
    let offset = offset.unwrap_or((least + most) / 2);
    report.sound_time_error = (least - offset).abs().max((most - offset).abs());
    if report.sound_time_error > tick.max(VIDEO_TICK) + VIDEO_TICK {
        report.differences.push(format!("audio is {:.3} ms off its time", report.sound_time_error as f64 / 1e6));
    }
}

/// Decodes the first video and the first audio stream of `source` (a file or a URL) with ffmpeg.
pub fn decode(source: &str, options: &DecodeOptions, limit: Duration) -> Result<Decoded> {
    let folder = tempdir()?;
    let (video, audio, raw) = (folder.join("video"), folder.join("audio"), folder.join("raw"));
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-y"]).args(&options.input).args(["-i", source]);
    if options.only != Some("audio") {
        command
            .args(["-map", "0:v:0?", "-an", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framemd5"])
            .arg(&video);
    }
    if options.only != Some("video") {
        command
            .args(["-map", "0:a:0?", "-vn", "-enc_time_base", "-1", "-c:a", "pcm_s16le", "-f", "framemd5"])
            .arg(&audio);
        command.args(["-map", "0:a:0?", "-vn", "-c:a", "pcm_s16le", "-f", "s16le"]).arg(&raw);
    }
    let messages = run(command, limit);
    let messages = match messages {
        // A source without one of both kinds: ffmpeg refuses an output without streams, so ask for less.
        Err(error) if options.only.is_none() && error.to_string().contains("does not contain any stream") => {
            let only = if error.to_string().contains("Output file #0 ") { "audio" } else { "video" };
            let _ = std::fs::remove_dir_all(&folder);
            return decode(source, &DecodeOptions { only: Some(only), ..options.clone() }, limit);
        }
        other => other?,
    };
    let mut decoded = Decoded { messages, ..Decoded::default() };
    if let Ok(text) = std::fs::read_to_string(&video) {
        decoded.pictures = parse_framemd5(&text)?.into_iter().map(|(time, _, hash)| Picture { time, hash }).collect();
    }
    if let Ok(text) = std::fs::read_to_string(&audio) {
        decoded.sound = parse_sound(&text, std::fs::read(&raw).unwrap_or_default())?;
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(decoded)
}

/// Runs it to its end and gives what it printed on standard error; a failure or `limit` is an error.
fn run(mut command: Command, limit: Duration) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {:?}", command.get_program()))?;
    let mut stderr = child.stderr.take().context("no standard error")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stderr, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            let text = reader.join().unwrap_or_default();
            bail!("no end after {} s; it said: {}", limit.as_secs(), text.trim());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = reader.join().unwrap_or_default();
    ensure!(status.success(), "ffmpeg failed ({status}): {}", text.trim());
    Ok(text)
}

/// A folder of our own under the system's temporary one.
pub fn tempdir() -> Result<std::path::PathBuf> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("mobidic-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

/// Rows of a framemd5 file: presentation time in nanoseconds, bytes, hash.
fn parse_framemd5(text: &str) -> Result<Vec<(i64, usize, String)>> {
    let base = header(text, "#tb 0: ").unwrap_or("1/1");
    let (num, den) = base.split_once('/').context("a time base without /")?;
    let (num, den): (i128, i128) = (num.trim().parse()?, den.trim().parse()?);
    ensure!(den != 0, "a time base of {base}");
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    rows.map(|line| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        ensure!(fields.len() >= 6, "a framemd5 row of {} fields: {line}", fields.len());
        let pts: i128 = fields[2].parse().with_context(|| line.to_owned())?;
        Ok(((pts * 1_000_000_000 * num / den) as i64, fields[4].parse()?, fields[5].to_owned()))
    })
    .collect()
}

fn parse_sound(text: &str, samples: Vec<u8>) -> Result<Option<Sound>> {
    let rows = parse_framemd5(text)?;
    let Some(rate) = header(text, "#sample_rate 0: ") else { return Ok(None) };
    let channels = match header(text, "#channel_layout_name 0: ").unwrap_or("stereo") {
        "mono" => 1,
        "stereo" => 2,
        other => other.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_else(|| layout_channels(other)),
    };
    let block = 2 * channels;
    let mut times = Vec::with_capacity(rows.len());
    let mut first = 0;
    for (time, size, _) in rows {
        times.push((first, time));
        first += size / block;
    }
    Ok(Some(Sound { rate: rate.parse()?, samples, block, times }))
}

fn layout_channels(name: &str) -> usize {
    // "5.1(side)", "2.1", "quad": digits before and after the point.
    let digits: Vec<usize> = name.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize).collect();
    if digits.is_empty() { 4 } else { digits.iter().sum() }
}

fn header<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(times: &[i64], hashes: &str, sound: &[u8], sound_start: i64) -> Decoded {
        let pictures = times.iter().zip(hashes.chars()).map(|(time, hash)| Picture { time: *time, hash: hash.into() });
        let sound = Sound { rate: 1000, samples: sound.to_vec(), block: 1, times: vec![(0, sound_start)] };
        Decoded { pictures: pictures.collect(), sound: Some(sound), messages: String::new() }
    }

    #[test]
    fn what_differs_is_said_and_what_may_differ_is_not() {
        let ms = 1_000_000;
        let file = film(&[0, 40 * ms, 80 * ms], "abc", b"sound", 0);
        let cases: &[(Decoded, Option<&str>)] = &[
            (film(&[0, 40 * ms, 80 * ms], "abc", b"sound", 0), None),
            (film(&[7 * ms, 47 * ms, 87 * ms], "abc", b"sound", 7 * ms), None),
            (film(&[0, 40 * ms, 80 * ms], "abc", b"pprsound", -3 * ms), None),
            (film(&[0, 40 * ms, 80 * ms], "acb", b"sound", 0), Some("picture 1 differs; it is the file's picture 2")),
            (film(&[0, 40 * ms], "ab", b"sound", 0), Some("3 pictures in the file, 2 received")),
            (film(&[0, 41 * ms, 80 * ms], "abc", b"sound", 0), Some("a picture is")),
            (film(&[0, 40 * ms, 80 * ms], "abc", b"soumd", 0), Some("audio differs")),
            (film(&[0, 40 * ms, 80 * ms], "abc", b"sound", 5 * ms), Some("audio is 5.000 ms off")),
        ];
        for (received, expected) in cases {
            let report = difference(&file, received);
            match expected {
                None => assert!(report.is_exact(), "{report}"),
                Some(words) => assert!(report.to_string().contains(words), "{report}"),
            }
        }
    }
}
