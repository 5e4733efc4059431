//! The way back: what a session description says of a track, as a [`Format`]. What it leaves open is learned from the
//! first units ([`Format::learn`]).

use super::{Format, Media, PcmCoding};
use crate::codec::{aac::AudioSpecificConfig, h264, h265, mpeg4_visual};
use crate::payload::{latm, vorbis};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Parameter sets of one kind in a description: H.264 knows 32 and 256, encoders send one or two; more is a flood.
const MAX_SETS: usize = 64;

/// Why what a description says of a track is no format that can be received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// A dynamic payload type that no `a=rtpmap` explains.
    #[error("payload type {0} without a=rtpmap; only 0, 8, 10, 11, 14, 26, 32 and 33 need none")]
    NoRtpmap(u8),
    /// `a=rtpmap` itself is malformed.
    #[error("a=rtpmap \"{0}\": expected NAME/CLOCK or NAME/CLOCK/CHANNELS")]
    Rtpmap(String),
    /// A payload format that is not among ours.
    #[error(
        "payload format {0}: one of MPV, MPA, H264, H265, MP4V-ES, MPEG4-GENERIC, MP4A-LATM, AC3, EAC3, PCMU, PCMA, \
         L16, L24, AMR, AMR-WB, H263-1998, VP8, VP9, opus, vorbis, JPEG, t140 can be taken"
    )]
    Encoding(String),
    /// A clock that the payload format never has.
    #[error("{encoding} with a clock of {clock} Hz; it has {expected}")]
    Clock {
        /// The payload format.
        encoding: &'static str,
        /// As described.
        clock: u32,
        /// What would be right.
        expected: u32,
    },
    /// A parameter that can't be served or read.
    #[error("{encoding}: {parameter}: {expected}")]
    Parameter {
        /// The payload format.
        encoding: &'static str,
        /// Its name and value, cut where it is long.
        parameter: String,
        /// What could be taken.
        expected: &'static str,
    },
}

/// What follows the payload type in `a=rtpmap`, taken apart.
struct Rtpmap<'a> {
    name: &'a str,
    clock: u32,
    channels: Option<u8>,
}

impl<'a> Rtpmap<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.trim().split('/').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let clock = parts.next()?.parse().ok().filter(|clock| *clock > 0)?;
        let channels = match parts.next() {
            // Some write an empty one.
            None | Some("") => None,
            Some(channels) => Some(channels.parse().ok().filter(|channels| *channels > 0)?),
        };
        Some(Self { name, clock, channels })
    }
}

/// RFC 3551 section 6, as far as we have the formats.
fn static_type(payload_type: u8) -> Option<&'static str> {
    Some(match payload_type {
        0 => "PCMU/8000",
        8 => "PCMA/8000",
        10 => "L16/44100/2",
        11 => "L16/44100/1",
        14 => "MPA/90000",
        26 => "JPEG/90000",
        32 => "MPV/90000",
        33 => "MP2T/90000",
        _ => return None,
    })
}

/// `a=fmtp`'s parameters; names are compared without case (RFC 3640 section 4.1).
struct Parameters<'a>(Option<&'a str>);

impl<'a> Parameters<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let mut all = self.0.unwrap_or_default().split(';').filter_map(|part| part.split_once('='));
        all.find(|(have, _)| have.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The parameter is not there, or one of `allowed`.
    fn check(
        &self,
        encoding: &'static str,
        name: &str,
        allowed: &[&str],
        expected: &'static str,
    ) -> Result<(), OfferError> {
        match self.get(name) {
            Some(value) if !allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)) => {
                Err(refused(encoding, name, value, expected))
            }
            _ => Ok(()),
        }
    }
}

fn refused(encoding: &'static str, name: &str, value: &str, expected: &'static str) -> OfferError {
    /// A configuration may be thousands of digits.
    const SHOWN: usize = 40;
    let value: String = value.chars().take(SHOWN).collect();
    OfferError::Parameter { encoding, parameter: format!("{name}={value}"), expected }
}

impl Format {
    /// What a description says of a payload type, by `a=rtpmap` and `a=fmtp` (what follows the payload type there), or by
    /// the type alone where it is static. The inverse of [`Format::rtpmap`] and [`Format::fmtp`]; what those don't say is
    /// zero or empty here: see [`Format::is_complete`]. Of `MP4A-LATM` (RFC 6416 section 7.3) it gives the AAC within.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn from_sdp(payload_type: u8, rtpmap: Option<&str>, fmtp: Option<&str>) -> Result<Self, OfferError> {
        let text = rtpmap.or(static_type(payload_type)).ok_or(OfferError::NoRtpmap(payload_type))?;
        let map = Rtpmap::parse(text).ok_or_else(|| OfferError::Rtpmap(text.chars().take(80).collect()))?;
        let parameters = Parameters(fmtp);
        let (width, height, channels) = (0, 0, map.channels.unwrap_or(1));
        let pcm = |coding| Format::Pcm { coding, sample_rate: map.clock, channels };
        let format = match map.name.to_ascii_uppercase().as_str() {
            "MPV" => Format::Mpv { mpeg2: false, width, height },
            "MPA" => Format::Mpa { layer: 0, sample_rate: 0, channels: 0 },
            "H264" => h264(&parameters)?,
            "H265" | "HEVC" => h265(&parameters)?,
            "MP4V-ES" => mp4v(&parameters)?,
            "MPEG4-GENERIC" => mpeg4_generic(&parameters)?,
            "MP4A-LATM" => latm(&parameters)?,
            "AC3" => Format::Ac3 { sample_rate: map.clock, channels: map.channels.unwrap_or(0) },
            "EAC3" => Format::Eac3 { sample_rate: map.clock, channels: map.channels.unwrap_or(0) },
            "PCMU" => pcm(PcmCoding::Mulaw),
            "PCMA" => pcm(PcmCoding::Alaw),
            "L16" => pcm(PcmCoding::L16),
            "L24" => pcm(PcmCoding::L24),
            "AMR" => amr(&parameters, false, channels)?,
            "AMR-WB" => amr(&parameters, true, channels)?,
            "H263-1998" | "H263-2000" => Format::H263 { width, height },
            "VP8" => Format::Vp8 { width, height },
            "VP9" => Format::Vp9 { width, height },
            // RFC 7587 section 7: the map always says 2.
            "OPUS" => Format::Opus { channels: if parameters.get("sprop-stereo") == Some("1") { 2 } else { 1 } },
            "VORBIS" => vorbis(&parameters, map.clock, channels)?,
            // More channels are told in band, which nothing here looks for.
            "SPEEX" => Format::Speex { sample_rate: map.clock },
            "JPEG" => Format::Jpeg { width, height },
            "T140" => Format::T140 {},
            _ => return Err(OfferError::Encoding(map.name.chars().take(40).collect())),
        };
        let expected = format.clock_rate().hz();
        // The rate of MPEG audio is another than its clock, and the core's of HE-AAC another than what comes out.
        match expected == map.clock || matches!(format, Format::Aac { .. }) {
            true => Ok(format),
            false => Err(OfferError::Clock { encoding: format.encoding_name(), clock: map.clock, expected }),
        }
    }

    /// Which kind of `m=` line the word is.
    pub fn media_of(word: &str) -> Option<Media> {
        let all = [("audio", Media::Audio), ("video", Media::Video), ("text", Media::Text)];
        all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, media)| media)
    }
}

fn h264(parameters: &Parameters<'_>) -> Result<Format, OfferError> {
    parameters.check(
        "H264",
        "packetization-mode",
        &["0", "1"],
        "0 or 1; NAL units out of their order (mode 2) can't be taken",
    )?;
    let all = sets(parameters.get("sprop-parameter-sets"));
    let of = |kind| all.iter().filter(|set| h264::unit_type(set) == kind).cloned().collect::<Vec<_>>();
    let (sps, pps) = (of(h264::SPS), of(h264::PPS));
    let size = sps.first().and_then(|set| h264::Sps::parse(set).ok()).map_or((0, 0), |sps| (sps.width, sps.height));
    Ok(Format::H264 { sps, pps, width: size.0, height: size.1 })
}

fn h265(parameters: &Parameters<'_>) -> Result<Format, OfferError> {
    parameters.check("H265", "sprop-max-don-diff", &["0"], "0; NAL units out of their order can't be taken")?;
    parameters.check("H265", "tx-mode", &["SRST"], "SRST")?;
    let of = |name| sets(parameters.get(name));
    let (vps, sps, pps) = (of("sprop-vps"), of("sprop-sps"), of("sprop-pps"));
    let size = sps.first().and_then(|set| h265::Sps::parse(set).ok()).map_or((0, 0), |sps| (sps.width, sps.height));
    Ok(Format::H265 { vps, sps, pps, width: size.0, height: size.1 })
}

fn mp4v(parameters: &Parameters<'_>) -> Result<Format, OfferError> {
    let Some(text) = parameters.get("config") else {
        return Ok(Format::Mp4vEs { config: Vec::new(), width: 0, height: 0 });
    };
    let config = unhex(text).ok_or_else(|| refused("MP4V-ES", "config", text, "hexadecimal digits"))?;
    let size = mpeg4_visual::Config::parse(&config).map_or((0, 0), |found| (found.layer.width, found.layer.height));
    Ok(Format::Mp4vEs { config, width: size.0, height: size.1 })
}

fn mpeg4_generic(parameters: &Parameters<'_>) -> Result<Format, OfferError> {
    const NAME: &str = "mpeg4-generic";
    parameters.check(NAME, "mode", &["AAC-hbr"], "AAC-hbr")?;
    for (name, bits) in [("sizelength", "13"), ("indexlength", "3"), ("indexdeltalength", "3")] {
        parameters.check(NAME, name, &[bits], "13, 3 and 3 bits, as AAC-hbr has them")?;
    }
    let text = parameters.get("config").unwrap_or_default();
    let config = unhex(text).ok_or_else(|| refused(NAME, "config", text, "hexadecimal digits"))?;
    aac(NAME, text, config)
}

fn latm(parameters: &Parameters<'_>) -> Result<Format, OfferError> {
    const NAME: &str = "MP4A-LATM";
    parameters.check(NAME, "cpresent", &["0"], "0: the configuration in the description, not in the packets")?;
    let text = parameters.get("config").unwrap_or_default();
    let config = unhex(text).and_then(|config| latm::stream_mux(&config));
    let config = config.ok_or_else(|| refused(NAME, "config", text, "one program of one layer of AAC"))?;
    aac(NAME, text, config)
}

fn aac(name: &'static str, text: &str, config: Vec<u8>) -> Result<Format, OfferError> {
    let parsed = AudioSpecificConfig::parse(&config);
    let parsed = parsed.map_err(|_| refused(name, "config", text, "an AudioSpecificConfig of AAC"))?;
    Ok(Format::Aac { config, sample_rate: parsed.sample_rate, channels: parsed.channels })
}

fn amr(parameters: &Parameters<'_>, wide: bool, channels: u8) -> Result<Format, OfferError> {
    let name = if wide { "AMR-WB" } else { "AMR" };
    if parameters.get("octet-align") != Some("1") {
        let value = parameters.get("octet-align").unwrap_or("0");
        return Err(refused(name, "octet-align", value, "1; the bandwidth-efficient form can't be taken"));
    }
    for parameter in ["crc", "robust-sorting", "interleaving"] {
        parameters.check(name, parameter, &["0"], "0")?;
    }
    Ok(Format::Amr { wide, channels })
}

fn vorbis(parameters: &Parameters<'_>, sample_rate: u32, channels: u8) -> Result<Format, OfferError> {
    let text = parameters.get("configuration").unwrap_or_default();
    let headers = base64_engine().decode(text).ok().and_then(|packed| vorbis::unpacked_headers(&packed));
    let headers = headers.ok_or_else(|| refused("vorbis", "configuration", text, "packed headers in base64"))?;
    Ok(Format::Vorbis { headers, sample_rate, channels })
}

/// NAL units in base64 between commas; cameras write some that are none: what can't be read comes in band.
fn sets(text: Option<&str>) -> Vec<Vec<u8>> {
    let all = text.unwrap_or_default().split(',').map(str::trim).filter(|set| !set.is_empty()).take(MAX_SETS);
    all.filter_map(|set| base64_engine().decode(set).ok()).filter(|set| !set.is_empty()).collect()
}

/// With or without padding: both are met.
fn base64_engine() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config.with_decode_allow_trailing_bits(true))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_matches('"').as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pair = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}
