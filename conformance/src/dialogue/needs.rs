//! What a player needs of each answer to go on, as the recordings and the players' sources show it.

use crate::client::Response;

/// A request that was said again, and what was known then.
pub(super) struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its lines as they were sent, the request line first.
    pub lines: &'a [String],
    /// Methods that the dialogue has.
    pub methods: &'a [String],
    /// URLs that were set up in this session, in their order.
    pub tracks: &'a [String],
    /// It plays already, and the request does not say that anything is to change.
    pub goes_on: bool,
}

/// How much earlier than asked a range may begin: half a second is from sync picture to sync picture of the film.
const SYNC: f64 = 0.7;

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// What the player would stumble over.
    pub fn faults(&self, answer: &Response) -> Vec<String> {
        let mut faults = Vec::new();
        let mut want = |holds: bool, what: &str| {
            if !holds {
                let first = self.lines.first().map_or("", String::as_str);
                faults.push(format!("{first}: {what}: {}", answer.head.replace("\r\n", " | ")));
            }
        };
        // MPlayer compares it, ffmpeg and live555 go by it.
        want(answer.header("CSeq") == self.header("CSeq"), "another CSeq");
        let version =
            |line: Option<&str>| line.and_then(|line| line.split("RTSP/").nth(1)?.get(..3).map(str::to_owned));
        let (asked, came) = (version(self.lines.first().map(String::as_str)), version(answer.head.lines().next()));
        want(asked == came, "another version");
        if answer.status != 200 {
            return faults;
        }
        let id = |value: Option<&str>| value.and_then(|value| value.split(';').next().map(str::to_owned));
        let (sent, back) = (id(self.header("Session")), id(answer.header("Session")));
        let in_session = ["SETUP", "PLAY", "PAUSE", "RECORD", "GET_PARAMETER"].contains(&self.method);
        want(!in_session || sent.is_none() || sent == back, "another session");
        match self.method {
            "OPTIONS" => {
                let public = answer.header("Public").unwrap_or("");
                let listed = |method: &&String| !public.split(',').any(|listed| listed.trim() == method.as_str());
                // Players leave out what isn't listed: keep-alive by GET_PARAMETER, for one.
                let missing = self.methods.iter().find(listed);
                want(missing.is_none(), &format!("no {} in Public", missing.map_or("", String::as_str)));
            }
            "DESCRIBE" => {
                want(answer.header("Content-Type") == Some("application/sdp"), "no application/sdp");
                let base = answer.header("Content-Base").unwrap_or("");
                want(base.ends_with('/'), "players join control URLs to Content-Base as it stands");
                // Both ends, or VLC and ffmpeg take it for live and never seek.
                let range = answer.body.lines().find_map(|line| line.trim().strip_prefix("a=range:npt="));
                let ends = range.and_then(|range| range.split_once('-')).map(|(_, end)| end.trim().parse::<f64>());
                want(matches!(ends, Some(Ok(_))), "no a=range with an end");
                want(answer.body.contains("a=rtpmap:"), "no a=rtpmap");
            }
            "SETUP" => self.transport(answer, &mut want),
            "PLAY" => self.play(answer, &mut want),
            _ => {}
        }
        faults
    }

    /// ffmpeg gives up where the lower transport is another one, or `server_port` is missing.
    fn transport(&self, answer: &Response, want: &mut impl FnMut(bool, &str)) {
        let (asked, came) = (self.header("Transport").unwrap_or(""), answer.header("Transport").unwrap_or(""));
        let tcp = |transport: &str| transport.split(';').next().is_some_and(|first| first.ends_with("/TCP"));
        want(tcp(asked) == tcp(came), "another lower transport");
        want(!came.contains(','), "more than one transport");
        want(answer.header("Session").is_some(), "no session");
        for name in ["interleaved", "client_port"] {
            let of = |transport: &str| {
                let value = transport.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
                value.map(str::to_owned)
            };
            want(of(asked).is_none() || of(asked) == of(came), &format!("another {name}"));
        }
        want(!asked.contains("client_port") || came.contains("server_port="), "no server_port");
        // rtspsrc errors out without it.
        let two = self.lines.first().is_some_and(|line| line.ends_with("RTSP/2.0"));
        want(!two || answer.header("Media-Properties").is_some(), "no Media-Properties");
    }

    fn play(&self, answer: &Response, want: &mut impl FnMut(bool, &str)) {
        let number = |value: Option<&str>| value.and_then(|value| value.trim().parse::<f64>().ok());
        let range = |value: Option<&str>| -> Option<f64> {
            number(Some(value?.trim().strip_prefix("npt=")?.split('-').next()?))
        };
        let said = answer.header("Range");
        want(said.is_some(), "no Range");
        let scale = number(self.header("Scale"));
        if let Some(asked) = range(self.header("Range"))
            && scale.is_none_or(|scale| scale > 0.0)
        {
            let near = range(said).is_some_and(|start| (asked - SYNC..=asked + 0.1).contains(&start));
            want(near, "a range that begins elsewhere");
        }
        // VLC takes it as the true rate.
        want(scale.is_none() || number(answer.header("Scale")) == scale, "another Scale");
        // VLC echoes each Speed that it sees, and both multiply.
        want(answer.header("Speed").is_some() == self.header("Speed").is_some(), "Speed");
        let info = answer.header("RTP-Info");
        if self.goes_on && info.is_none() {
            return;
        }
        let entries: Vec<&str> = info.unwrap_or("").split("url=").skip(1).collect();
        let url = |entry: &&str| entry.trim_start_matches('"').split([';', '"']).next().unwrap_or("").to_owned();
        // live555 goes by their order, ffmpeg compares them byte by byte.
        let urls: Vec<String> = entries.iter().map(url).collect();
        want(urls == self.tracks, &format!("RTP-Info of {urls:?} where {:?} were set up", self.tracks));
        for entry in entries {
            let value = |name: &str| {
                let digits = entry.split(name).nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?;
                digits.parse::<u32>().ok()
            };
            want(value("seq=").is_some(), "RTP-Info without seq");
            // ffmpeg takes 0 for none.
            want(value("rtptime=").is_some_and(|time| time > 0), "RTP-Info without rtptime");
        }
    }
}
