//! A channel: no end, no way back, and the same packets for all.

use super::Setting;
use crate::admission::{Admission, Budgets};
use crate::server::fake;
use crate::worker::ViewerEvent;

#[test]
fn a_channel_is_described_without_an_end() {
    let setting = Setting::new();
    let mut client = setting.client();
    client.ask("DESCRIBE news");
    let got = client.receive().expect("an answer");
    assert_eq!(got.status, 200, "{}", got.head);
    for line in ["a=range:npt=now-\r\n", "m=video 0 RTP/AVP 32\r\n", "m=audio 0 RTP/AVP 14\r\n", "a=control:track2\r\n"]
    {
        assert!(got.body.contains(line), "{}", got.body);
    }
    // Its feed goes on while somebody may still set it up.
    let watching = fake::news();
    let wanted = watching.channel.wanted();
    assert!(*wanted.borrow() >= 2);
}

#[test]
fn it_is_watched_as_it_is_now_and_not_otherwise() {
    let ssrc = format!("ssrc={:08X}", fake::news().live.sources[0].ssrc);
    let check = |name: &str, dialogue: &str| Setting::new().check(name, &dialogue.replace("$SSRC", &ssrc));
    let set_up = "
        > SETUP news/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001 \n < 200 | Transport: $SSRC
        > SETUP news/track2 | Transport: RTP/AVP;unicast;client_port=5002-5003 | Session: $S \n < 200";
    for range in ["Range: npt=now-", "Range: npt=0.000-", "X-None: 0", "Scale: 2", "Speed: 2", "Range: npt=0.000-10"] {
        check(
            range,
            &format!(
                "{set_up}
                > PLAY news | Session: $S | {range} \n < 200 | Range: = npt=now- | RTP-Info: news/track1;seq=
                = play Resume None 2 tracks, go
                > PLAY news | Session: $S | {range} \n < 200 | Range: = npt=now-
                > GET_PARAMETER news | Session: $S | body=duration\\n \n < 200 | body=duration: unknown\\n
                > PAUSE news | Session: $S | Range: npt=30- \n < 457
                > PAUSE news | Session: $S \n < 200 | Range: = npt=now- \n = pause
                > PLAY news | Session: $S \n < 200 | Range: = npt=now- \n = play Resume None 2 tracks, go
                > TEARDOWN news | Session: $S \n < 200 \n = remove bye=true"
            ),
        );
    }
    check(
        "seeks, and rates that are not asked for twice",
        &format!(
            "{set_up}
            > PLAY news | Session: $S | Range: npt=3000- \n < 457
            > PLAY news | Session: $S | Range: clock=20260101T000000Z- \n < 501
            > PLAY news | Session: $S | Scale: -4 \n < 200 | Scale: = 1.000000"
        ),
    );
    check(
        "smaller packets",
        "
        > SETUP news/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001 | Blocksize: much \n < 416 | !Session
        > SETUP news/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001 | Blocksize: 600 \n < 200
        > SETUP news/track2 | Transport: RTP/AVP;unicast;client_port=5002-5003 | Session: $S \n < 200
        > PLAY news | Session: $S \n < 200 | Range: = npt=now- \n = play Resume None 2 tracks, go
        > TEARDOWN news | Session: $S \n < 200 \n = remove bye=true",
    );
    check(
        "one track goes, the other stays",
        &format!(
            "{set_up}
            > PLAY news | Session: $S \n < 200 \n = play Resume None 2 tracks, go
            > TEARDOWN news/track2 | Session: $S \n < 200 \n = pause, play Resume None 1 tracks, go"
        ),
    );
    check(
        "RTSP 2.0",
        "
        > 2.0 SETUP news/track1 | Transport: RTP/AVP;unicast;dest_addr=\":5000\"/\":5001\" | Accept-Ranges: npt
        < 200 | Media-Properties: = No-Seeking, Time-Progressing, Time-Duration=0.0 | Media-Range: = npt=now-
        > 2.0 SETUP news/track2 | Transport: RTP/AVP;unicast;dest_addr=\":5002\"/\":5003\" | Session: $S \n < 200
        > 2.0 PLAY news | Session: $S | Range: npt=3000- \n < 457 | Media-Range: = npt=now-
        > 2.0 PLAY news | Session: $S | Range: npt=now- \n < 200 | Range: npt=0. | Seek-Style: RAP | RTP-Info: ssrc=
        > 2.0 PAUSE news | Session: $S \n < 200 | Range: npt=0.",
    );
}

#[test]
fn it_takes_of_the_front_and_of_no_node() {
    let admission = Admission::default();
    // Room for one of 2.128 Mbit/s.
    admission.set_budgets(Budgets { front_bps: Some(3_000_000), ..Budgets::default() });
    let setting = Setting::admitting(Default::default(), Default::default(), admission.clone());
    let watch = "
        > SETUP news/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001 \n < 200
        > PLAY news/track1 | Session: $S \n < 200";
    let mut first = setting.client();
    first.run("the first", watch, &setting.workers);
    assert_eq!(admission.promised().viewers, 1);
    setting.client().run("the second", &watch.replace("$S \n < 200", "$S \n < 453"), &setting.workers);
    setting.workers.tell(&ViewerEvent::EndOfStream);
    assert!(setting.until(|_| admission.promised().viewers == 0), "the end gives it back");
}

#[test]
fn it_can_be_had_as_one_transport_stream() {
    let setting = Setting::new();
    let mut client = setting.client();
    client.ask("DESCRIBE news?as=mp2t");
    let got = client.receive().expect("an answer");
    for line in ["a=range:npt=now-\r\n", "m=video 0 RTP/AVP 33\r\n", "a=control:track65537\r\n"] {
        assert!(got.body.contains(line), "{}\n{}", got.head, got.body);
    }
    for url in ["news/track65537", "news?as=mp2t"] {
        client.run(
            url,
            &format!(
                "
                > SETUP {url} | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200
                > PLAY news/ | Session: $S \n < 200 | Range: = npt=now- | RTP-Info: news"
            ),
            &setting.workers,
        );
    }
}
