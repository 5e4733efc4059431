//! RTP as an SDP file says: to ports of this machine or to groups, without any RTSP.

use super::description::{Description, DescriptionError, OfferedMedia};
use super::intake::Intake;
use super::rtp::{FeedCounts, RtpTrack};
use crate::channel::Channel;
use crate::feed::receive::{ReportWay, Senders, TrackSockets, tend};
use crate::net::task::Task;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

/// A sender that is silent for so long is away.
const SILENCE: Duration = Duration::from_secs(3);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Why nothing comes in, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum SdpFeedError {
    /// The file can't be read.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// A line of it can't be taken.
    #[error("sdp: line {0}: {1}")]
    Line(usize, String),
    /// A port or group can't be had.
    #[error("{0}: {1}")]
    Io(SocketAddr, std::io::Error),
    /// The sender is away.
    #[error("nothing has come for {s} s", s = SILENCE.as_secs())]
    Silent,
    /// The channel takes no more of it.
    #[error("{0}")]
    Over(String),
}

/// Takes in what comes until the sender is silent, or the channel takes no more; waits for the first packet as long as it
/// takes. `told` hears now and then what has come.
pub async fn receive(text: &str, channel: &Arc<Channel>, told: &(dyn Fn(FeedCounts) + Send + Sync)) -> SdpFeedError {
    let (intake, _tasks) = match listen(text, channel) {
        Ok(listening) => listening,
        Err(error) => return error,
    };
    loop {
        tokio::time::sleep(LOOK).await;
        told(intake.counts());
        if let Some(reason) = intake.over() {
            return SdpFeedError::Over(reason);
        }
        if intake.last_packet().is_some_and(|last| last.elapsed() >= SILENCE) {
            return SdpFeedError::Silent;
        }
    }
}

fn listen(text: &str, channel: &Arc<Channel>) -> Result<(Arc<Intake>, Vec<Task>), SdpFeedError> {
    let description = Description::parse(text.as_bytes())?;
    let (mut tracks, mut sockets) = (Vec::new(), Vec::new());
    for media in &description.media {
        let track = match (media.track(), &media.format) {
            (Some(track), _) => track,
            (None, format) => {
                let reason = format.as_ref().err().map(ToString::to_string).unwrap_or_default();
                return Err(SdpFeedError::Line(media.line, reason));
            }
        };
        tracks.push(RtpTrack {
            description: track,
            payload_type: media.payload_type,
            latm: media.latm,
            ordered: false,
        });
        sockets.push(open(media)?);
    }
    let intake = Intake::waiting(channel.clone(), tracks, Instant::now());
    let (mut tasks, mut ways) = (Vec::new(), Vec::new());
    for (track, (sockets, senders, way)) in sockets.into_iter().enumerate() {
        tasks.extend(sockets.receive(senders, &intake, track));
        ways.push(way);
    }
    tasks.push(tend(&intake, ways));
    Ok((intake, tasks))
}

/// The ports of a line. An address that is neither a group nor this machine's is the sender's: then it may come to any of
/// ours, from there alone.
fn open(media: &OfferedMedia) -> Result<(TrackSockets, Senders, ReportWay), SdpFeedError> {
    if media.port == 0 {
        return Err(SdpFeedError::Line(media.line, "the port of m= is 0: where is it sent to?".to_owned()));
    }
    let Some(rtcp) = media.rtcp_port.or(media.port.checked_add(1)) else {
        return Err(SdpFeedError::Line(media.line, "no port for RTCP behind the last: expected a=rtcp".to_owned()));
    };
    let address = media.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let senders = match media.sources.as_slice() {
        [only] => Senders::Only(*only),
        _ => Senders::All,
    };
    let at = |address| SocketAddr::new(address, media.port);
    let opened = TrackSockets::listen(address, (media.port, rtcp), &media.sources);
    let opened = opened.or_else(|error| match error.kind() {
        std::io::ErrorKind::AddrNotAvailable => {
            let any = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
            TrackSockets::listen(any, (media.port, rtcp), &[])
        }
        _ => Err(error),
    });
    let sockets = opened.map_err(|error| SdpFeedError::Io(at(address), error))?;
    let way = match address.is_multicast() {
        true => ReportWay::Udp(sockets.clone(), SocketAddr::new(address, rtcp)),
        false => ReportWay::Nowhere,
    };
    Ok((sockets, senders, way))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelOptions;
    use std::net::UdpSocket;

    #[tokio::test]
    async fn what_is_sent_to_the_ports_reaches_the_channel() {
        // A pair that was free a moment ago.
        let (pair, (rtp, _)) = TrackSockets::bind([127, 0, 0, 1].into()).unwrap();
        drop(pair);
        let text = format!("v=0\nc=IN IP4 127.0.0.1\nm=audio {rtp} RTP/AVP 0\n");
        let channel = Channel::new("radio", ChannelOptions::default());
        let (of_task, sender) = (channel.clone(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let task = tokio::spawn(async move { receive(&text, &of_task, &|_| ()).await.to_string() });
        let mut number = 0;
        while !channel.is_fed() {
            number += 1;
            assert!(number < 500, "nothing came in");
            let mut packet = Vec::new();
            let timestamp = rtp::clock::RtpTimestamp(u32::from(number) * 160);
            rtp::packet::write_header(&mut packet, 0, false, rtp::seq::Sequence(number), timestamp, 7);
            packet.extend([0xFF; 160]);
            sender.send_to(&packet, ("127.0.0.1", rtp)).unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(task.await.unwrap(), "nothing has come for 3 s");
        assert!(!channel.is_fed() && channel.live().is_some());
    }

    #[tokio::test]
    async fn a_file_that_says_nothing_usable_is_refused_with_its_line() {
        let channel = Channel::new("radio", ChannelOptions::default());
        for (text, expected) in [
            ("x", "sdp: line 1: expected a letter and ="),
            ("v=0\nm=audio 0 RTP/AVP 0", "sdp: line 2: the port of m= is 0"),
            ("v=0\nm=audio 65535 RTP/AVP 0", "sdp: line 2: no port for RTCP"),
            ("v=0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 x-asf-pf/1000", "sdp: line 2: payload format x-asf-pf"),
        ] {
            let seen = receive(text, &channel, &|_| ()).await.to_string();
            assert!(seen.starts_with(expected), "{seen}");
        }
    }
}
