//! Which of a file's streams are sent.

use super::header::{Extended, Found, Properties, Stream};
use super::wrap::Wrapper;
use crate::container::wave::WaveFormat;
use rtp::asf::guid;

/// Bytes of a video stream's type-specific data before its BITMAPINFOHEADER.
const VIDEO_HEAD: usize = 11;

/// What becomes of a stream.
pub(super) enum Candidate {
    Sent(Box<Stream>),
    LeftOut { number: u8, reason: String },
}

impl Candidate {
    pub fn number(&self) -> u8 {
        match self {
            Candidate::Sent(stream) => stream.number,
            Candidate::LeftOut { number, .. } => *number,
        }
    }
}

/// What becomes of each stream, in the order of the header.
pub(super) fn candidates(found: &Found) -> impl Iterator<Item = Candidate> + '_ {
    let made: Vec<Result<Stream, String>> = found.streams.iter().map(|stream| sent(found, stream)).collect();
    let good = found.streams.iter().zip(&made).filter(|(_, made)| made.is_ok());
    let good: Vec<u8> = good.map(|(stream, _)| stream.number).collect();
    found.streams.iter().zip(made).map(move |(stream, made)| {
        let number = stream.number;
        match (made, better(found, &good, number)) {
            (Ok(_), Some(other)) => {
                let reason = format!("stream {other} has the same at a higher bit rate");
                Candidate::LeftOut { number, reason }
            }
            (Ok(stream), None) => Candidate::Sent(Box::new(stream)),
            (Err(reason), _) => Candidate::LeftOut { number, reason },
        }
    })
}

fn sent(found: &Found, stream: &Properties) -> Result<Stream, String> {
    if stream.encrypted {
        return Err("it is encrypted".into());
    }
    let audio = stream.kind == guid::AUDIO;
    let wrapper = match stream.kind {
        guid::AUDIO => Wrapper::audio(stream.number, &stream.type_data)?,
        guid::VIDEO => {
            Wrapper::video(stream.number, stream.type_data.get(VIDEO_HEAD..).ok_or("its description is too short")?)?
        }
        guid::COMMAND => return Err("script commands".into()),
        guid::JFIF | guid::DEGRADABLE_JPEG => return Err("pictures".into()),
        guid::FILE_TRANSFER => return Err("files".into()),
        guid::BINARY => return Err("data of another kind".into()),
        _ => return Err("its type is unknown".into()),
    };
    let extended = extended(found, stream.number);
    let language = extended.and_then(|extended| found.languages.get(usize::from(extended.language)));
    let wave = WaveFormat::read(&stream.type_data).filter(|_| audio);
    // Longer than ten seconds is no frame rate.
    let frame = extended.map(|extended| extended.frame_100ns / 10_000).filter(|frame| (1..10_000).contains(frame));
    Ok(Stream {
        number: stream.number,
        wrapper,
        audio,
        language: language.filter(|language| !language.is_empty()).cloned(),
        frame_ms: frame.and_then(|frame| i64::try_from(frame).ok()),
        byte_rate: wave.map(|wave| i64::from(wave.byte_rate)).filter(|rate| *rate > 0),
        spread: stream.spread.filter(|_| audio),
    })
}

/// The stream of those that can be sent, `good`, that is sent instead of `number`, where only one is meant to be played.
fn better(found: &Found, good: &[u8], number: u8) -> Option<u8> {
    let group = found.exclusions.iter().find(|group| group.contains(&number))?;
    let known = group.iter().filter(|number| good.contains(number));
    // The first of equals.
    let best = known.rev().max_by_key(|number| bitrate(found, **number))?;
    (*best != number).then_some(*best)
}

fn bitrate(found: &Found, number: u8) -> u32 {
    let listed = found.bitrates.iter().find(|(stream, _)| *stream == number).map(|(_, bitrate)| *bitrate);
    extended(found, number).map(|extended| extended.bitrate).filter(|bitrate| *bitrate > 0).or(listed).unwrap_or(0)
}

fn extended(found: &Found, number: u8) -> Option<Extended> {
    found.extended.iter().find(|extended| extended.number == number).copied()
}
