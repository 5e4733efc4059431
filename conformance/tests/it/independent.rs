//! retina, an independent client in Rust, receives every frame of the codecs that it knows.

use conformance::{compare::tempdir, films::Recipe, server::Server};
use futures_util::StreamExt;
use retina::{
    client::{PlayOptions, Session, SessionOptions, SetupOptions, TcpTransportOptions, Transport, UdpTransportOptions},
    codec::CodecItem,
};
use std::time::Duration;

/// retina doesn't take RTCP BYE for the end: after so long without a frame the film is over.
const SILENCE: Duration = Duration::from_secs(3);

#[derive(Debug, PartialEq, Eq)]
struct Received {
    pictures: usize,
    sync: usize,
    frames_of_audio: usize,
    lost: u32,
}

async fn receive(url: &str, transport: Transport) -> Result<Received, retina::Error> {
    let mut session = Session::describe(url.parse().unwrap(), SessionOptions::default()).await?;
    for stream in 0..session.streams().len() {
        session.setup(stream, SetupOptions::default().transport(transport.clone())).await?;
    }
    let mut session = session.play(PlayOptions::default()).await?.demuxed()?;
    let mut received = Received { pictures: 0, sync: 0, frames_of_audio: 0, lost: 0 };
    while let Ok(Some(item)) = tokio::time::timeout(SILENCE, session.next()).await {
        match item? {
            CodecItem::VideoFrame(frame) => {
                received.pictures += 1;
                received.sync += usize::from(frame.is_random_access_point());
                received.lost += u32::from(frame.loss());
            }
            CodecItem::AudioFrame(frame) => {
                received.frames_of_audio += 1;
                received.lost += u32::from(frame.loss());
            }
            _ => {}
        }
    }
    Ok(received)
}

#[test]
fn retina_receives_every_frame() {
    let folder = tempdir().unwrap();
    // 75 pictures, a sync one every 25; of AAC 130 frames and one of priming.
    let film = Recipe {
        file: "retina.mp4",
        length: 3,
        options: "-c:v libx264 -bf 2 -g 25 -keyint_min 25 -sc_threshold 0 -c:a aac",
    };
    let film = film.make(&folder).unwrap();
    let server = Server::start(&[&film]).unwrap();
    let url = server.url("retina");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for transport in [Transport::Tcp(TcpTransportOptions::default()), Transport::Udp(UdpTransportOptions::default())] {
        let received = runtime.block_on(receive(&url, transport.clone())).unwrap();
        println!("{transport:?}: {received:?}");
        assert_eq!(received, Received { pictures: 75, sync: 3, frames_of_audio: 131, lost: 0 });
    }
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
