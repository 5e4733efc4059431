//! Presentations in ASF packets, as players expect them of Windows Media Services.

use super::{Client, Setting};

const UDP: &str = "RTP/AVP/UDP;unicast;client_port";

fn ssrc(client: &mut Client, line: &str) -> String {
    client.ask(line);
    let got = client.receive().expect("an answer");
    assert_eq!(got.status, 200, "{line}\n{}", got.head);
    client.session = got.header("Session").and_then(|field| field.split(';').next()).expect("an id").into();
    let transport = got.header("Transport").expect("a transport").to_owned();
    transport.split("ssrc=").nth(1).and_then(|rest| rest.get(..8)).unwrap_or_default().to_owned()
}

#[test]
fn players_are_answered_by_the_name_that_they_know() {
    let setting = Setting::new();
    setting.check(
        "name",
        "
        > OPTIONS film \n < 200 | Server: =mobidic/0.1.0
        > OPTIONS asf \n < 200 | Server: WMServer/9.5
        > DESCRIBE asf \n < 200 | Server: WMServer/9.5
        > OPTIONS nothing \n < 200 | Server: =mobidic/0.1.0 | Public: DESCRIBE
        > SETUP asf/track1 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200 | Server: WMServer/9.5
        > OPTIONS * | Session: $S \n < 200 | Server: WMServer/9.5
        > SETUP film/track0 | Transport: RTP/AVP/TCP;unicast;interleaved=2-3 \n < 404
        > SETUP film/track65536/rtx | Transport: RTP/AVP/TCP;unicast;interleaved=2-3 \n < 404",
    );
}

#[test]
fn tracks_on_one_port_are_one_source_and_nothing_is_sent_again() {
    let setting = Setting::new();
    let mut client = setting.client();
    // As ffmpeg does it.
    assert_eq!(ssrc(&mut client, &format!("SETUP asf/track65536/rtx | Transport: {UDP}=7000-7001")), "");
    let session = format!("Session: {}", client.session);
    let video = ssrc(&mut client, &format!("SETUP asf/track1 | Transport: {UDP}=7002-7003 | {session}"));
    let audio = ssrc(&mut client, &format!("SETUP asf/track2 | Transport: {UDP}=7002-7003 | {session}"));
    assert!(video == audio && video.len() == 8, "{video} {audio}");
    client.run(
        "play",
        "> PLAY asf | Session: $S \n < 200 | RTP-Info: track2 \n = play Resume None 2 tracks, go",
        &setting.workers,
    );
    // As those do that set up every line over TCP.
    let mut client = setting.client();
    let tcp = "RTP/AVP/TCP;unicast;interleaved";
    ssrc(&mut client, &format!("SETUP asf/track1 | Transport: {tcp}=0-1"));
    let session = format!("Session: {}", client.session);
    ssrc(&mut client, &format!("SETUP asf/track2 | Transport: {tcp}=2-3 | {session}"));
    assert_eq!(ssrc(&mut client, &format!("SETUP asf/track65536/rtx | Transport: {tcp}=4-5 | {session}")), "");
    // As VLC does it.
    let mut client = setting.client();
    let video = ssrc(&mut client, &format!("SETUP asf/track1 | Transport: {UDP}=7002-7003"));
    let session = format!("Session: {}", client.session);
    let audio = ssrc(&mut client, &format!("SETUP asf/track2 | Transport: {UDP}=7004-7005 | {session}"));
    assert_ne!(video, audio);
}

#[test]
fn one_line_plays_all_tracks() {
    let setting = Setting::new();
    let mut client = setting.client();
    client.ask("DESCRIBE asf | User-Agent: GStreamer/1.22.0");
    let together = client.receive().expect("a description").body;
    assert_eq!(together.matches("m=").count(), 2, "{together}");
    assert!(together.contains("a=control:track0\r\na=stream:5") && together.contains("m=application"), "{together}");
    client.run(
        "play",
        "
        > SETUP asf/track0 | Transport: RTP/AVP/TCP;unicast;interleaved=4-5 \n < 200 | Transport: interleaved=4-5
        > PLAY asf/track0 | Session: $S \n < 200 | RTP-Info: track0;seq=65530
        = play Resume None 2 tracks, go
        > TEARDOWN asf/track0 | Session: $S \n < 200 \n = remove bye=true",
        &setting.workers,
    );
    let channels: Vec<u8> = client.frames.iter().map(|(channel, _)| *channel).collect();
    assert_eq!(channels, [4, 4]);
}
