//! The rows of the table: one film, each player and transport.

use super::{Played, gstreamer, gstreamer_file};
use crate::{
    client::Client,
    compare::{
        DecodeOptions, Decoded, Report, Transport, decode, difference, difference_after_seek, difference_of_start,
    },
    server::{Server, mobidic},
};
use anyhow::{Context, Result};
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longer films are played in part: their first [`PART`], and their end after a seek.
const LONG: f64 = 120.0;

/// Seconds of a long film that are played from its start.
const PART: f64 = 30.0;

/// Seconds before a long film's end that are asked for by a seek.
const TAIL: f64 = 10.0;

/// Shorter films are not sought in: a seek would be over before it was made.
const SHORT: f64 = 3.0;

/// Samples of 16 bits, over all channels, that GStreamer's decoders may give less at a stream's borders.
const BORDER: usize = 16_384;

/// A film that was added, and what its file is without us.
#[derive(Debug)]
pub struct Film {
    file: PathBuf,
    url: String,
    port: u16,
    expected: Decoded,
    gstreamer: Result<Played, String>,
    /// Tracks that were left out when it was added, in the words of that.
    left_out: Vec<String>,
}

/// What is run once for a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// ffmpeg from the start: every frame's hash and time.
    Ffmpeg(Transport),
    /// ffmpeg after a seek: the film's end, frame for frame.
    Seek(Transport),
    /// GStreamer's playbin.
    Gstreamer(Transport),
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    file: String,
    player: &'static str,
    transport: String,
    pictures: String,
    sound: String,
    result: String,
    /// Less came than the file has.
    pub short: bool,
}

impl Run {
    /// Whether the word, a player's or a transport's, is true of it.
    pub fn is(self, word: &str) -> bool {
        let (player, transport) = match self {
            Self::Ffmpeg(transport) => ("ffmpeg", transport),
            Self::Seek(transport) => ("seek", transport),
            Self::Gstreamer(transport) => ("gstreamer", transport),
        };
        word == player || word == transport.to_string()
    }
}

impl Film {
    /// Adds the file to the server and has both players read it as it is. `Err` is the row of a file that is refused.
    pub fn add(server: &Server, file: &Path, name: &str) -> Result<Self, Box<Row>> {
        let refused = |result: String, short| Box::new(Row { short, ..Row::new(file, "-", "-".into(), &result) });
        let path = file.to_string_lossy();
        let data = server.data.to_string_lossy();
        let added = mobidic(&["add", "--data", &data, "--name", name, &path]);
        let (status, out, err) = added.map_err(|error| refused(format!("{error:#}"), true))?;
        let limit = Duration::from_secs(120);
        let expected = decode(&path, &DecodeOptions::default(), limit);
        if status != 0 {
            let nothing = expected.as_ref().map_or(true, |expected| expected.span() == 0);
            let why = err.lines().find_map(|line| line.strip_prefix("mobidic: ")).unwrap_or_default();
            let why = why.rsplit(&*path).next().unwrap_or_default();
            let note = if nothing { "ffmpeg decodes nothing of it either" } else { "ffmpeg decodes it" };
            return Err(refused(format!("refused{why} ({note})"), !nothing));
        }
        let name = out.lines().find_map(|line| line.rsplit_once(", as ")).map_or(name, |(_, known)| known);
        let expected = expected.map_err(|error| refused(format!("ffmpeg can't decode the file: {error:#}"), false))?;
        let gstreamer = gstreamer_file(file, limit).map_err(|error| error.to_string());
        let notes = out.lines().chain(err.lines()).filter_map(|line| line.trim().strip_prefix("note: "));
        let left_out = notes.filter(|note| note.contains("left out") && note.contains("not supported"));
        let left_out = left_out.map(str::to_owned).collect();
        Ok(Self { file: file.to_owned(), url: server.url(name), port: server.port, expected, gstreamer, left_out })
    }

    /// Seconds that a run from the start takes at least.
    pub fn seconds(&self) -> f64 {
        let span = self.span();
        if self.is_long() { PART } else { span }
    }

    /// What can be run with it.
    pub fn runs(&self) -> Vec<Run> {
        let both = [Transport::Udp, Transport::Tcp];
        let mut runs: Vec<Run> = both.into_iter().flat_map(|t| [Run::Ffmpeg(t), Run::Gstreamer(t)]).collect();
        if self.span() > SHORT && !self.expected.pictures.is_empty() {
            runs.push(Run::Seek(Transport::Tcp));
        }
        runs
    }

    /// Runs one to its end. A player that is kept waiting for a core loses datagrams: over UDP it has a second try.
    pub fn run(&self, run: Run) -> Row {
        let first = self.try_run(run);
        match run {
            Run::Ffmpeg(Transport::Udp) | Run::Gstreamer(Transport::Udp) if first.short => {
                let second = self.try_run(run);
                Row {
                    result: format!("{}; at the second try, at the first: {}", second.result, first.result),
                    ..second
                }
            }
            _ => first,
        }
    }

    fn try_run(&self, run: Run) -> Row {
        match run {
            Run::Ffmpeg(transport) => {
                let report = self.ffmpeg(transport);
                self.row(if self.is_long() { "ffmpeg, start" } else { "ffmpeg" }, transport, report)
            }
            Run::Seek(transport) => self.row("ffmpeg, seek", transport, self.seek(transport)),
            Run::Gstreamer(transport) => self.play(transport),
        }
    }

    fn span(&self) -> f64 {
        self.expected.span() as f64 / 1e9
    }

    fn is_long(&self) -> bool {
        self.span() > LONG
    }

    /// Half as long again as it should take, and time to start.
    fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.seconds() * 1.5 + 20.0)
    }

    fn ffmpeg(&self, transport: Transport) -> Result<Report> {
        let options = DecodeOptions::receive(transport).like(&self.expected);
        let mut report = if self.is_long() {
            let received = decode(&self.url, &options.at_most(PART), self.limit())?;
            difference_of_start(&self.expected, &received, PART)
        } else {
            difference(&self.expected, &decode(&self.url, &options, self.limit())?)
        };
        let (said, span) = (self.said_duration()?, self.span());
        let gaps =
            self.expected.sound.iter().flat_map(|sound| sound.times.windows(2).map(|pair| pair[1].1 - pair[0].1));
        let frame = gaps.chain([self.expected.picture_gap()]).max().unwrap_or(0) as f64 / 1e9;
        if (said - span).abs() > frame + 0.001 && self.expected.messages.is_empty() {
            report.notes.push(format!("described as {said:.3} s long, ffmpeg decodes {span:.3} s"));
        }
        Ok(report)
    }

    fn seek(&self, transport: Transport) -> Result<Report> {
        let to = if self.is_long() { self.span() - TAIL } else { self.span() * 0.6 };
        let options = DecodeOptions::receive(transport).like(&self.expected).after_seek(to);
        Ok(difference_after_seek(&self.expected, &decode(&self.url, &options, self.limit())?, to))
    }

    /// The end of `a=range`, seconds.
    fn said_duration(&self) -> Result<f64> {
        let mut client = Client::connect(([127, 0, 0, 1], self.port).into())?;
        let answer = client.request("DESCRIBE", &self.url, &[("Accept", "application/sdp")])?;
        let range = answer.body.lines().find_map(|line| line.strip_prefix("a=range:npt=0-")).context("no a=range")?;
        Ok(range.trim().parse()?)
    }

    fn row(&self, player: &'static str, transport: Transport, report: Result<Report>) -> Row {
        let row = Row::new(&self.file, player, transport.to_string(), "");
        let report = match report {
            Ok(report) => report,
            Err(error) => return Row { result: format!("{error:#}"), short: true, ..row },
        };
        let mut report = report;
        if report.differences == ["no audio came"] && !self.left_out.is_empty() {
            report.differences.clear();
            report.notes.extend(self.left_out.iter().cloned());
        }
        let mut words = if report.is_exact() { vec!["exact".to_owned()] } else { report.differences.clone() };
        words.extend(report.notes.iter().cloned());
        let guesses = [
            (report.first_picture_error, "first picture"),
            (report.first_sound_error, "first sound"),
            (report.last_picture_error, "last picture"),
        ];
        for (error, what) in guesses.into_iter().filter(|(error, _)| *error > 1_000_000) {
            words.push(format!("ffmpeg guesses the {what} {:.1} ms off", error as f64 / 1e6));
        }
        Row {
            pictures: format!("{} of {}", report.pictures.1, report.pictures.0),
            sound: format!("{} of {}", report.samples.1, report.samples.0),
            result: words.join("; "),
            short: !report.is_exact(),
            ..row
        }
    }

    fn play(&self, transport: Transport) -> Row {
        let row = Row::new(&self.file, "GStreamer", transport.to_string(), "");
        if self.is_long() {
            return Row { result: "not run: too long".into(), ..row };
        }
        // Its decoders may give less than ffmpeg's: what counts is what it makes of the file.
        let (expected, whose) = match &self.gstreamer {
            Ok(played) if played.pictures > 0 || played.sound > 0 => {
                // A place holder in a packed bitstream counts as a picture with some.
                let pictures = played.pictures.min(self.expected.pictures.len());
                (Played { pictures, ..*played }, "the file")
            }
            _ => (Played { pictures: self.expected.pictures.len(), sound: 0 }, "ffmpeg's of the file"),
        };
        match gstreamer(&self.url, transport, self.limit()) {
            Ok(seen) => {
                let silent = self.expected.sound.is_some() && seen.sound == 0;
                let short = seen.pictures < expected.pictures || seen.sound + 2 * BORDER < expected.sound || silent;
                let result = if short { format!("less than {whose}") } else { "to the end".into() };
                Row {
                    pictures: format!("{} of {}", seen.pictures, expected.pictures),
                    sound: format!("{} of {}", seen.sound / 2, expected.sound / 2),
                    result,
                    short,
                    ..row
                }
            }
            Err(error) => match &self.gstreamer {
                // Its ASF demuxer knows fewer codecs than it has decoders.
                _ if error.to_string().contains("missing a plug-in") => {
                    Row { result: "GStreamer says that it has no plug-in for the codec in ASF".into(), ..row }
                }
                Err(own) => Row { result: format!("{error:#}; so it does with the file: {own}"), ..row },
                Ok(_) => Row { result: format!("{error:#}"), short: true, ..row },
            },
        }
    }
}

impl Row {
    /// What stands above the rows.
    pub const HEAD: &str = "| file | player | transport | pictures seen | samples seen | result |\n\
                            | --- | --- | --- | --- | --- | --- |";

    fn new(file: &Path, player: &'static str, transport: String, result: &str) -> Self {
        let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let dash = || "-".to_owned();
        Self { file, player, transport, pictures: dash(), sound: dash(), result: result.into(), short: false }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_RESULT: usize = 240;
        let Row { file, player, transport, pictures, sound, result, .. } = self;
        let result: String = result.replace(['|', '\n'], " ").chars().take(MAX_RESULT).collect();
        let mark = if self.short { "**short** " } else { "" };
        write!(f, "| {file} | {player} | {transport} | {pictures} | {sound} | {mark}{result} |")
    }
}
