//! What ffmpeg packetizes we put together, and what we packetize of it ffmpeg decodes to the same pictures and samples.

use rtp::access_unit::AccessUnit;
use rtp::clock::RtpTimestamp;
use rtp::codec::nal::length_prefixed;
use rtp::codec::{ac3, amr, h265};
use rtp::depacketizer::{Depacketizer, ReceivedUnit};
use rtp::format::{Bundling, Format, Media, PcmCoding};
use rtp::packet::{HEADER_LEN, RtpPacket};
use rtp::packetizer::Packetizer;
use rtp::train::{Framing, Train};
use std::error::Error;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const VIDEO: [&str; 6] = ["-f", "lavfi", "-i", "testsrc2=size=352x288:rate=25:duration=1.6", "-threads", "1"];
const AUDIO: [&str; 6] = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1.6", "-threads", "1"];

/// A stream to be sent around.
struct Case<'a> {
    name: &'a str,
    /// How ffmpeg makes it.
    input: &'a [&'a str],
    encode: &'a [&'a str],
    format: Format,
    /// For what ffmpeg can't send: the muxer of a plain file, how it is cut into units, and their ticks.
    plain: Option<Plain>,
    /// Bytes of sound that come before what the file begins with: files say how much to leave out, RTP can't.
    lead: usize,
}

const SIZE: (u32, u32) = (352, 288);

type Plain = (&'static str, fn(&[u8]) -> Vec<Vec<u8>>, u32);

const AC3: Plain = ("ac3", |file| ac3::frames(file).map(|frame| frame.data.to_vec()).collect(), 1536);
const AMR: Plain = ("amr", amr_frames, 160);

fn amr_frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = file.strip_prefix(b"#!AMR\n").unwrap_or_default();
    std::iter::from_fn(|| {
        let (frame, after) = rest.split_at_checked(amr::frame_len(false, *rest.first()?)?)?;
        rest = after;
        Some(frame.to_vec())
    })
    .collect()
}

#[test]
fn ffmpeg_decodes_what_it_would_have_decoded_from_the_file() -> Outcome {
    if Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: no ffmpeg");
        return Ok(());
    }
    let (width, height) = SIZE;
    let pcm = |coding, sample_rate, channels| Format::Pcm { coding, sample_rate, channels };
    let case = |name, input, encode, format| Case { name, input, encode, format, plain: None, lead: 0 };
    let mut cases = vec![
        case(
            "H.265",
            &VIDEO,
            &["-c:v", "libx265", "-x265-params", "log-level=none:repeat-headers=1:pools=1:keyint=10:bframes=2"],
            Format::H265 { vps: vec![], sps: vec![], pps: vec![], width, height },
        ),
        case("L16", &AUDIO, &["-ar", "44100", "-ac", "2", "-c:a", "pcm_s16be"], pcm(PcmCoding::L16, 44_100, 2)),
        case("L24", &AUDIO, &["-ar", "48000", "-ac", "2", "-c:a", "pcm_s24be"], pcm(PcmCoding::L24, 48_000, 2)),
        case("PCMU", &AUDIO, &["-ar", "8000", "-c:a", "pcm_mulaw"], pcm(PcmCoding::Mulaw, 8000, 1)),
        case("PCMA", &AUDIO, &["-ar", "8000", "-c:a", "pcm_alaw"], pcm(PcmCoding::Alaw, 8000, 1)),
        case("H.263", &VIDEO, &["-c:v", "h263", "-b:v", "800k"], Format::H263 { width, height }),
        case("H.263+", &VIDEO, &["-c:v", "h263p", "-b:v", "800k"], Format::H263 { width, height }),
        case("VP8", &VIDEO, &["-c:v", "libvpx", "-b:v", "1M"], Format::Vp8 { width, height }),
        case("VP9", &VIDEO, &["-c:v", "libvpx-vp9", "-b:v", "1M", "-cpu-used", "8"], Format::Vp9 { width, height }),
        case(
            "Vorbis",
            &AUDIO,
            &["-ac", "2", "-c:a", "libvorbis"],
            Format::Vorbis { headers: vec![], sample_rate: 44_100, channels: 2 },
        ),
        case(
            "JPEG",
            &VIDEO,
            &["-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p", "-q:v", "3"],
            Format::Jpeg { width, height },
        ),
    ];
    // 312 samples of two channels, 16 bits each.
    cases.push(Case {
        lead: 312 * 4,
        ..case("Opus", &AUDIO, &["-ar", "48000", "-ac", "2", "-c:a", "libopus"], Format::Opus { channels: 2 })
    });
    for (name, channels, encode) in [
        ("AC-3", 6, &["-ar", "48000", "-ac", "6", "-b:a", "448k", "-c:a", "ac3"][..]),
        ("AC-3 small", 1, &["-ar", "48000", "-b:a", "32k", "-c:a", "ac3"]),
    ] {
        let format = Format::Ac3 { sample_rate: 48_000, channels };
        cases.push(Case { plain: Some(AC3), ..case(name, &AUDIO, encode, format) });
    }
    let phone = media_folder().join("3gp_phone_h263_amr.3gp");
    let phone = ["-i", phone.to_str().unwrap_or_default()];
    if Path::new(phone[1]).exists() {
        let format = Format::Amr { wide: false, channels: 1 };
        cases.push(Case { plain: Some(AMR), ..case("AMR", &phone, &["-vn", "-c:a", "copy"], format) });
    } else {
        println!("skipped: no media folder");
    }
    let folder = std::env::temp_dir().join(format!("rtp-receivers-{}", std::process::id()));
    let mut failed = Vec::new();
    for cases in cases.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let checks: Vec<_> = cases.iter().map(|case| scope.spawn(|| told(case, &folder))).collect();
            failed.extend(checks.into_iter().filter_map(|check| check.join().unwrap_or(Some("panicked".into()))));
        });
    }
    std::fs::remove_dir_all(&folder)?;
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// Cases side by side; most of each one's time is waiting.
const AT_ONCE: usize = 3;

/// What is wrong, if anything.
fn told(case: &Case<'_>, folder: &Path) -> Option<String> {
    let folder = folder.join(case.name);
    let made = std::fs::create_dir_all(&folder).map_err(Into::into);
    let outcome = made.and_then(|()| check(case, &folder));
    outcome.err().map(|error| format!("{}: {error}", case.name))
}

fn media_folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
    std::env::var_os("MOBIDIC_MEDIA").map_or_else(beside, PathBuf::from)
}

fn check(case: &Case<'_>, folder: &Path) -> Outcome {
    let file = folder.join(case.plain.map_or("stream.nut".to_owned(), |(muxer, ..)| format!("stream.{muxer}")));
    let file = file.to_str().ok_or("a folder that is not UTF-8")?;
    let encoded = ffmpeg().args(case.input).args(case.encode).args(["-t", "1.6", "-y", file]).output()?;
    if !encoded.status.success() {
        return Err(String::from_utf8_lossy(&encoded.stderr).into());
    }
    let expected = ffmpeg().args(["-i", file]).args(raw(&case.format)).output()?.stdout;
    let (units, sdp) = match case.plain {
        Some(plain) => (cut(plain, file)?, String::new()),
        None => received(case, file)?,
    };
    if units.is_empty() || units.iter().any(|unit| unit.lost) {
        return Err(format!(
            "{} units, of which {} damaged",
            units.len(),
            units.iter().filter(|unit| unit.lost).count()
        )
        .into());
    }
    let format = completed(&case.format, &units, &sdp)?;
    let seen = played(&format, &units, folder)?;
    let seen = seen.get(case.lead..).unwrap_or_default();
    // What ffmpeg holds back at the end to fill packets or to put them in order, it may never give out.
    let same = seen.iter().zip(&expected).take_while(|(a, b)| a == b).count();
    match same * 10 >= expected.len() * 8 && same == seen.len().min(expected.len()) {
        true => Ok(()),
        false => {
            Err(format!("{} bytes expected, {} came, of which {same} the same", expected.len(), seen.len()).into())
        }
    }
}

fn ffmpeg() -> Command {
    let mut command = Command::new("timeout");
    command.args(["30", "ffmpeg", "-v", "error", "-nostdin"]).stdin(Stdio::null());
    command
}

fn raw(format: &Format) -> &'static [&'static str] {
    match format.media() {
        Media::Video => &["-map", "v", "-fps_mode", "passthrough", "-f", "rawvideo", "-"],
        _ => &["-map", "a", "-f", "s16le", "-"],
    }
}

/// Sockets at an even port and the next.
fn pair() -> Outcome<[UdpSocket; 2]> {
    for _ in 0..100 {
        let first = UdpSocket::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port % 2 == 0
            && let Ok(second) = UdpSocket::bind(("127.0.0.1", port + 1))
        {
            return Ok([first, second]);
        }
    }
    Err("no pair of ports".into())
}

/// The units of a plain file.
fn cut((_, cut, step): Plain, file: &str) -> Outcome<Vec<ReceivedUnit>> {
    let plain = std::fs::read(file)?;
    let timestamps = (0u32..).step_by(step as usize).map(RtpTimestamp);
    let unit = |(data, timestamp)| ReceivedUnit { data, timestamp, sync: true, lost: false };
    Ok(cut(&plain).into_iter().zip(timestamps).map(unit).collect())
}

/// The units that we find in what ffmpeg sends, and its description.
fn received(case: &Case<'_>, file: &str) -> Outcome<(Vec<ReceivedUnit>, String)> {
    let [socket, _rtcp] = pair()?;
    let to = format!("rtp://127.0.0.1:{}?pkt_size=1000", socket.local_addr()?.port());
    let mut sender = ffmpeg();
    sender.args(["-readrate", "4", "-i", file, "-c", "copy", "-strict", "experimental", "-f", "rtp", &to]);
    let mut sender = sender.stdout(Stdio::piped()).spawn()?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut depacketizer = Depacketizer::new(&case.format);
    let (mut units, mut buffer, mut ended) = (Vec::new(), vec![0; 65_536], false);
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => depacketizer.handle(&RtpPacket::parse(&buffer[..length])?)?,
            Err(_) if ended => break,
            Err(_) => ended = sender.try_wait()?.is_some(),
        }
        units.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    depacketizer.finish();
    units.extend(std::iter::from_fn(|| depacketizer.poll()));
    let sdp = sender.wait_with_output()?.stdout;
    Ok((units, String::from_utf8(sdp)?))
}

/// With what only the stream or its description tells.
fn completed(format: &Format, units: &[ReceivedUnit], sdp: &str) -> Outcome<Format> {
    let mut format = format.clone();
    match &mut format {
        Format::H265 { vps, sps, pps, .. } => {
            for nal in length_prefixed(&units[0].data, 4) {
                let nal = nal?;
                match h265::unit_type(nal) {
                    h265::VPS => vps.push(nal.to_vec()),
                    h265::SPS => sps.push(nal.to_vec()),
                    h265::PPS => pps.push(nal.to_vec()),
                    _ => {}
                }
            }
            let size = h265::Sps::parse(sps.first().ok_or("no sequence parameter set")?)?;
            assert_eq!((size.width, size.height), SIZE);
        }
        Format::Vorbis { headers, .. } => {
            use base64::Engine as _;
            let text = sdp.split_once("configuration=").ok_or("no configuration")?.1;
            let text = text.split([';', '\r', '\n']).next().unwrap_or_default();
            let packed = base64::engine::general_purpose::STANDARD.decode(text)?;
            // Behind 4 + 3 + 2 + 1 bytes come two lengths of 7 bits a byte.
            let mut at = 10;
            for _ in 0..2 {
                let mut length = 0;
                loop {
                    length = length << 7 | usize::from(packed[at] & 0x7F);
                    at += 1;
                    if packed[at - 1] & 0x80 == 0 {
                        break;
                    }
                }
                headers.push(vec![0; length]);
            }
            for header in headers.iter_mut() {
                let length = header.len();
                header.copy_from_slice(&packed[at..at + length]);
                at += length;
            }
            headers.push(packed[at..].to_vec());
        }
        _ => {}
    }
    Ok(format)
}

/// What ffmpeg decodes of our packets.
fn played(format: &Format, units: &[ReceivedUnit], folder: &Path) -> Outcome<Vec<u8>> {
    let mut stored = vec![Vec::new(); units.len()];
    for (unit, stored) in units.iter().zip(&mut stored) {
        format.store(&unit.data, unit.sync, stored)?;
    }
    let units: Vec<_> = (units.iter().zip(&stored))
        .map(|(unit, data)| AccessUnit { data, timestamp: RtpTimestamp(unit.timestamp.0), sync: unit.sync })
        .collect();
    let payload_type = format.static_payload_type().unwrap_or(96);
    let mut train = Train::new(Framing::Datagram);
    let mut packetizer = Packetizer::new(format, payload_type, 7, 65_500, HEADER_LEN + 1200);
    match format.bundling() {
        Bundling::Many => packetizer.packetize(&units, &mut train)?,
        Bundling::One => units.iter().try_for_each(|unit| packetizer.packetize(&[*unit], &mut train))?,
    }
    let port = pair()?[0].local_addr()?.port();
    let media = if format.media() == Media::Video { "video" } else { "audio" };
    let mut sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m={media} {port} RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {}\r\n",
        format.rtpmap()
    );
    if let Some(parameters) = format.fmtp() {
        sdp += &format!("a=fmtp:{payload_type} {parameters}\r\n");
    }
    let description = folder.join("stream.sdp");
    std::fs::write(&description, sdp)?;
    let mut receiver = ffmpeg();
    receiver.args(["-protocol_whitelist", "file,udp,rtp", "-i"]).arg(&description).args(raw(format));
    let receiver = receiver.stdout(Stdio::piped()).spawn()?;
    // While nobody reads what it decodes, it reads no packets.
    let receiver = std::thread::spawn(|| receiver.wait_with_output());
    let [socket, rtcp] = pair()?;
    // It has bound its ports when a datagram there is no longer refused.
    socket.connect(("127.0.0.1", port))?;
    rtcp.connect(("127.0.0.1", port + 1))?;
    for _ in 0..200 {
        let _ = rtcp.send(&[0]);
        std::thread::sleep(Duration::from_millis(20));
        if rtcp.send(&[0]).is_ok() {
            break;
        }
    }
    for index in 0..train.len() {
        socket.send(train.packet(index))?;
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(500));
    // An empty receiver report and BYE.
    rtcp.send(&[0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7])?;
    Ok(receiver.join().map_err(|_| "the reading thread panicked")??.stdout)
}
