//! `?as=mp2t`: one line with all tracks, or a refusal that says why not.

use super::Setting;

#[test]
fn a_film_is_one_transport_stream_where_that_is_asked_for() {
    let setting = Setting::new();
    let mut client = setting.client();
    client.ask("DESCRIBE film?as=mp2t");
    let got = client.receive().expect("an answer");
    assert_eq!(got.status, 200, "{}", got.head);
    assert!(got.header("Content-Base").is_some_and(|base| base.ends_with("/film/")), "{}", got.head);
    let lines: Vec<&str> = got.body.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=video 0 RTP/AVP 33"]);
    for line in ["a=rtpmap:33 MP2T/90000\r\n", "a=control:track65537\r\n"] {
        assert!(got.body.contains(line), "{}", got.body);
    }
    // By the control behind the base, behind the query, and by the presentation's own URL.
    for url in ["film/track65537", "film?as=mp2t/track65537", "film?as=mp2t"] {
        setting.check(
            url,
            &format!(
                "
                > SETUP {url} | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200
                > PLAY film/ | Session: $S \n < 200 | RTP-Info: film \n = play Resume None 1 tracks, go
                > TEARDOWN film/ | Session: $S \n < 200 \n = remove bye=true"
            ),
        );
    }
}

#[test]
fn what_can_not_be_one_is_refused() {
    Setting::new().check(
        "refused",
        "
        > DESCRIBE asf?as=mp2t \n < 415
        > SETUP asf/track65537 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 415
        > DESCRIBE nothing?as=mp2t \n < 404
        > SETUP film/track65536 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 404",
    );
}
