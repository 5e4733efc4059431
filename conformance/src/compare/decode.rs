//! What ffmpeg makes of a file or a URL: each picture's hash and time, the sound, what it complained of.

use crate::server::wait_until;
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
    /// One tick of the clock of those times, nanoseconds.
    pub tick: i64,
}

impl Sound {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len() / self.block.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long so many samples last, nanoseconds.
    pub fn duration(&self, samples: usize) -> i64 {
        // Below 2^63 for every length that a machine's memory holds.
        (samples as i128 * 1_000_000_000 / i128::from(self.rate.max(1))) as i64
    }

    /// When a sample is heard.
    pub fn time_of(&self, sample: usize) -> Option<i64> {
        let index = self.times.partition_point(|(first, _)| *first <= sample).checked_sub(1)?;
        let (first, time) = self.times[index];
        Some(time + self.duration(sample - first))
    }

    /// When the last sample has been heard.
    pub fn end(&self) -> Option<i64> {
        self.time_of(self.len())
    }
}

/// What ffmpeg made of one source.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Pictures in the order in which they are shown.
    pub pictures: Vec<Picture>,
    /// One tick of the clock that the pictures' times were counted in, nanoseconds.
    pub picture_tick: i64,
    /// Present where the source has audio.
    pub sound: Option<Sound>,
    /// The errors that ffmpeg told.
    pub messages: String,
    /// The decoder that ffmpeg took for the file's sound, where it may take another for what it receives.
    pub sound_decoder: Option<&'static str>,
}

impl Decoded {
    /// From the first instant shown or heard to the end of the last, nanoseconds.
    pub fn span(&self) -> i64 {
        let pictures = self.pictures.first().zip(self.pictures.last());
        let pictures = pictures.map(|(first, last)| (first.time, last.time + self.picture_gap()));
        let sound = self.sound.as_ref().and_then(|sound| Some((sound.times.first()?.1, sound.end()?)));
        let spans = || [pictures, sound].into_iter().flatten();
        let (first, last) = (spans().map(|span| span.0).min(), spans().map(|span| span.1).max());
        first.zip(last).map_or(0, |(first, last)| last - first)
    }

    /// What is shown and heard in the first `length` nanoseconds.
    #[must_use]
    pub fn until(&self, length: i64) -> Self {
        let starts = [self.pictures.first().map(|first| first.time), self.sound.as_ref().and_then(|s| s.time_of(0))];
        let end = starts.into_iter().flatten().min().unwrap_or(0) + length;
        let sound = self.sound.clone().map(|mut sound| {
            sound.times.retain(|(first, time)| *first == 0 || *time < end);
            let (first, time) = sound.times.last().copied().unwrap_or_default();
            let more =
                usize::try_from((end - time).max(0) as i128 * i128::from(sound.rate) / 1_000_000_000).unwrap_or(0);
            sound.samples.truncate((first + more) * sound.block);
            sound
        });
        let pictures = self.pictures.iter().filter(|picture| picture.time < end).cloned().collect();
        Self { pictures, sound, ..self.clone() }
    }

    /// How long a picture is shown, nanoseconds: what most are.
    pub fn picture_gap(&self) -> i64 {
        let mut gaps: Vec<i64> = self.pictures.windows(2).map(|pair| pair[1].time - pair[0].time).collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied().unwrap_or(0)
    }
}

/// Options of one decode. Times are those of the source; a container's note to turn the picture (which no payload
/// format carries) is left aside.
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

    /// The same, with the decoder that ffmpeg took for the sound of `file`.
    #[must_use]
    pub fn like(mut self, file: &Decoded) -> Self {
        let decoder = file.sound_decoder.iter().flat_map(|decoder| ["-c:a", decoder]);
        self.input.extend(decoder.map(str::to_owned));
        self
    }

    /// The same, from `second` on.
    #[must_use]
    pub fn after_seek(mut self, second: f64) -> Self {
        self.input.extend(["-noaccurate_seek".to_owned(), "-ss".to_owned(), format!("{second:.3}")]);
        self
    }

    /// The same, for so many seconds of the film.
    #[must_use]
    pub fn at_most(mut self, seconds: f64) -> Self {
        self.input.extend(["-t".to_owned(), format!("{seconds:.3}")]);
        self
    }
}

/// Decodes the first video and the first audio stream of `source` (a file or a URL) with ffmpeg.
pub fn decode(source: &str, options: &DecodeOptions, limit: Duration) -> Result<Decoded> {
    let folder = tempdir()?;
    let (video, audio, raw) = (folder.join("video"), folder.join("audio"), folder.join("raw"));
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-noautorotate"])
        .args(&options.input)
        .args(["-i", source]);
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
    let messages = run(&mut command, limit);
    let messages = match messages {
        // A source without one of both kinds: ffmpeg refuses an output without streams, so ask for less.
        Err(error) if options.only.is_none() && error.to_string().contains("does not contain any stream") => {
            let only = if error.to_string().contains("Output file #0 ") { "audio" } else { "video" };
            let _ = std::fs::remove_dir_all(&folder);
            return decode(source, &DecodeOptions { only: Some(only), ..options.clone() }, limit);
        }
        // Audio of which too little is there to be decoded ends the run; the pictures are another matter.
        Err(error) if options.only.is_none() && !source.contains("://") => {
            let _ = std::fs::remove_dir_all(&folder);
            let only = |only| decode(source, &DecodeOptions { only: Some(only), ..options.clone() }, limit);
            return only("video").or_else(|_| only("audio")).map_err(|_| error);
        }
        other => other?,
    };
    let mut decoded = Decoded { messages, ..Decoded::default() };
    if let Ok(text) = std::fs::read_to_string(&video) {
        let (tick, rows) = parse_framemd5(&text)?;
        decoded.picture_tick = tick;
        decoded.pictures = rows.into_iter().map(|(time, _, hash)| Picture { time, hash }).collect();
    }
    if let Ok(text) = std::fs::read_to_string(&audio) {
        decoded.sound = parse_sound(&text, std::fs::read(&raw).unwrap_or_default())?;
    }
    if let Some(sound) = &mut decoded.sound
        && !source.contains("://")
    {
        sound.samples_of_amr(source, &folder, limit);
        decoded.sound_decoder = sound_decoder(source);
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(decoded)
}

impl Sound {
    /// Of AMR in an MP4, ffmpeg 5.1 decodes only the first of the frames that share a sample. By way of a file of AMR
    /// alone it decodes all of them.
    fn samples_of_amr(&mut self, source: &str, folder: &Path, limit: Duration) {
        let (amr, raw) = (folder.join("audio.amr"), folder.join("amr.raw"));
        let ffmpeg = |input: &Path, options: &[&str], output: &Path| {
            let mut command = Command::new("ffmpeg");
            command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-i"]).arg(input);
            run(command.args(["-map", "0:a:0"]).args(options).arg(output), limit)
        };
        // The muxer refuses every other codec.
        let alone = ffmpeg(Path::new(source), &["-c", "copy", "-f", "amr"], &amr);
        if alone.is_ok() && ffmpeg(&amr, &["-c:a", "pcm_s16le", "-f", "s16le"], &raw).is_ok() {
            self.samples = std::fs::read(&raw).unwrap_or_default();
            self.times.truncate(1);
        }
    }
}

/// MP4 has one name for all layers of MPEG audio, and ffmpeg takes it for the third, whose decoder reads the second as
/// well but rounds otherwise than the second's own.
fn sound_decoder(file: &str) -> Option<&'static str> {
    let entries = ["-v", "error", "-select_streams", "a:0", "-show_entries", "stream=codec_name", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(entries).arg(file).stdin(Stdio::null()).output().ok()?;
    output.stdout.starts_with(b"mp3").then_some("mp3float")
}

/// Runs it to its end and gives what it printed on standard error; a failure or `limit` is an error.
fn run(command: &mut Command, limit: Duration) -> Result<String> {
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
    let status = wait_until(&mut child, Instant::now() + limit)?;
    let text = reader.join().unwrap_or_default();
    let Some(status) = status else { bail!("no end after {} s; it said: {}", limit.as_secs(), text.trim()) };
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

/// A row of a framemd5 file: presentation time in nanoseconds, bytes, hash.
pub(crate) type Row = (i64, usize, String);

/// One tick in nanoseconds, and the rows.
pub(crate) fn parse_framemd5(text: &str) -> Result<(i64, Vec<Row>)> {
    let base = header(text, "#tb 0: ").unwrap_or("1/1");
    let (num, den) = base.split_once('/').context("a time base without /")?;
    let (num, den): (i128, i128) = (num.trim().parse()?, den.trim().parse()?);
    ensure!(den != 0, "a time base of {base}");
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let rows = rows.map(|line| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        ensure!(fields.len() >= 6, "a framemd5 row of {} fields: {line}", fields.len());
        let pts: i128 = fields[2].parse().with_context(|| line.to_owned())?;
        Ok(((pts * 1_000_000_000 * num / den) as i64, fields[4].parse()?, fields[5].to_owned()))
    });
    Ok(((1_000_000_000 * num / den) as i64, rows.collect::<Result<_>>()?))
}

fn parse_sound(text: &str, samples: Vec<u8>) -> Result<Option<Sound>> {
    let (tick, rows) = parse_framemd5(text)?;
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
    Ok(Some(Sound { rate: rate.parse()?, samples, block, times, tick }))
}

fn layout_channels(name: &str) -> usize {
    // "5.1(side)", "2.1", "quad": digits before and after the point.
    let digits: Vec<usize> = name.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize).collect();
    if digits.is_empty() { 4 } else { digits.iter().sum() }
}

fn header<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}
