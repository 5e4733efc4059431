//! R1-DES: DESCRIBE.

use crate::suite::{
    case::{Case, Need, Verdict, ensure, skip},
    context::Context,
    message::{Request, Response},
    offer::resolve,
};

const TRACKS: &[Need] = &[Need::Tracks];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R1-DES-01",
        "RFC 2326 10.2, 12.1",
        "Accept: application/sdp gets a description of that type",
        TRACKS,
        |c| {
            let answer = describe(c, &[("Accept", "application/sdp")])?;
            c.status("DESCRIBE", &answer, &[200])?;
            let kind =
                answer.header("Content-Type").unwrap_or("").split(';').next().unwrap_or("").trim().to_lowercase();
            ensure(kind == "application/sdp", "Content-Type: application/sdp", answer.brief())?;
            ensure(answer.header("Content-Length").is_some(), "a Content-Length", answer.brief())?;
            ensure(answer.body.starts_with(b"v=0"), "a body that begins with v=0", answer.text())?;
            let ends = answer.body.ends_with(b"\n");
            ensure(ends, "a Content-Length that reaches the end of the last line", answer.text())
        },
    ),
    Case::must(
        "R1-DES-02",
        "RFC 2326 12.1, RFC 2068 14.1",
        "any Accept that admits SDP gets a description",
        TRACKS,
        |c| {
            let accepts = [
                "*/*",
                "application/*",
                "text/html;q=0.9, application/sdp;q=0.5, application/x-y",
                "application/sdp;level=2",
            ];
            for accept in accepts {
                let answer = describe(c, &[("Accept", accept)])?;
                c.status(&format!("Accept: {accept}"), &answer, &[200])?;
            }
            let answer = describe(c, &[])?;
            c.status("DESCRIBE without Accept", &answer, &[200])
        },
    ),
    Case::should("R1-DES-03", "RFC 2326 12.1, RFC 2068 10.4.7", "an Accept without SDP gets 406", TRACKS, |c| {
        let answer = describe(c, &[("Accept", "text/html")])?;
        c.status("Accept: text/html", &answer, &[406])
    }),
    Case::interop(
        "R1-DES-05",
        "RFC 2326 C.1.1; ffmpeg, live555, GStreamer",
        "control URLs joined by a slash are taken by SETUP",
        TRACKS,
        |c| {
            let base = c.offer.describe.header("Content-Base").or(c.offer.describe.header("Content-Location"));
            let base = base.map_or_else(|| c.url(), str::to_owned);
            for media in c.offer.description.media.clone() {
                set_up(c, &resolve(&base, media.attribute("control").unwrap_or("")), "joined with one slash")?;
            }
            Ok(())
        },
    ),
    Case::must(
        "R1-DES-05b",
        "RFC 2326 C.1.1, RFC 1808",
        "control URLs merged by RFC 1808 are taken by SETUP",
        TRACKS,
        |c| {
            let base = c.offer.describe.header("Content-Base").or(c.offer.describe.header("Content-Location"));
            let base = base.map_or_else(|| c.url(), str::to_owned);
            for media in c.offer.description.media.clone() {
                set_up(c, &merge(&base, media.attribute("control").unwrap_or("")), "merged by RFC 1808")?;
            }
            Ok(())
        },
    ),
    Case::must("R1-DES-13", "RFC 2326 12.23", "If-Modified-Since in the future gets 304 without a body", TRACKS, |c| {
        let answer = describe(c, &[("Accept", "application/sdp"), ("If-Modified-Since", FUTURE)])?;
        if answer.status == 200 && answer.header("Last-Modified").is_none() {
            return Err(skip("the server states no Last-Modified, so it needn't know when it was modified"));
        }
        c.status("If-Modified-Since in the future", &answer, &[304])?;
        ensure(answer.body.is_empty(), "no body with 304", answer.text())
    }),
    Case::must("R1-DES-13b", "RFC 2326 12.23", "If-Modified-Since long ago gets the description", TRACKS, |c| {
        let answer = describe(c, &[("Accept", "application/sdp"), ("If-Modified-Since", PAST)])?;
        c.status("If-Modified-Since long ago", &answer, &[200])?;
        ensure(!answer.body.is_empty(), "a description", answer.brief())
    }),
    Case::should(
        "R1-DES-14",
        "RFC 2326 11.2, RFC 2068 10.3; ffmpeg, live555",
        "what is elsewhere is answered by 3xx with its Location",
        &[Need::Moved],
        |c| {
            let url = c.options.moved.clone().unwrap_or_default();
            let answer = c.ask(&Request::new("DESCRIBE", &url).header("Accept", "application/sdp"))?;
            c.status("DESCRIBE of what is elsewhere", &answer, &[301, 302, 303, 305])?;
            let place = answer.header("Location").unwrap_or("");
            let absolute =
                ["rtsp://", "rtsps://"].iter().any(|scheme| place.len() > scheme.len() && place.starts_with(scheme));
            ensure(absolute && place != url, "Location: rtsp://...", answer.brief())
        },
    ),
    Case::should(
        "R1-DES-15",
        "RFC 2326 16, RFC 2068 15.5",
        "paths out of the presentations' place find nothing",
        &[],
        |c| {
            let paths = [
                "../etc/passwd",
                "..%2f..%2fetc%2fpasswd",
                "%2e%2e/%2e%2e/etc/passwd",
                "a%00b",
                "..\\..\\x",
                "/etc/passwd",
            ];
            for path in paths {
                let url = format!("{}/{path}", c.offer.root);
                let answer = c.ask(&Request::new("DESCRIBE", &url).header("Accept", "application/sdp"))?;
                c.status(path, &answer, &[400, 401, 403, 404])?;
            }
            Ok(())
        },
    ),
    Case::interop("R1-DES-16", "live555, ffmpeg", "a description is small enough for its readers", TRACKS, |c| {
        let answer = describe(c, &[("Accept", "application/sdp")])?;
        ensure(answer.raw.len() < 20_000, "an answer under 20,000 bytes", format!("{} bytes", answer.raw.len()))?;
        let longest = answer.text().lines().map(str::len).max().unwrap_or(0);
        ensure(longest < 16_384, "lines under 16,384 bytes", format!("{longest} bytes"))
    }),
];

/// Later than anything that is there.
const FUTURE: &str = "Fri, 31 Dec 2100 23:59:59 GMT";
/// Earlier than anything that is there.
const PAST: &str = "Thu, 01 Jan 1970 00:00:01 GMT";

fn describe(c: &Context, headers: &[(&str, &str)]) -> Verdict<Response> {
    let request = Request::new("DESCRIBE", &c.url());
    c.ask(&headers.iter().fold(request, |request, (name, value)| request.header(name, *value)))
}

fn set_up(c: &Context, url: &str, how: &str) -> Verdict {
    let mut wire = c.connect()?;
    let answer = wire.ask(&Request::new("SETUP", url).header("Transport", c.transport()))?;
    c.status(&format!("SETUP {url} ({how})"), &answer, &[200])?;
    super::end(c, &mut wire, answer.session().unwrap_or(""));
    Ok(())
}

/// A relative URL merged with its base (RFC 1808 4): what follows the base's last slash is replaced.
fn merge(base: &str, control: &str) -> String {
    if control.is_empty() || control == "*" || control.contains("://") {
        return resolve(base, control);
    }
    let path = base.find("://").and_then(|at| base.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
    let (root, path) = base.split_at(path.unwrap_or(base.len()));
    if control.starts_with('/') {
        return format!("{root}{control}");
    }
    let path = path.split('?').next().unwrap_or("");
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{root}{folder}/{control}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn relative_urls_are_merged_by_the_rfc() {
        let cases = [
            ("rtsp://h/a/", "t=1", "rtsp://h/a/t=1"),
            ("rtsp://h/a", "t=1", "rtsp://h/t=1"),
            ("rtsp://h/a/b", "/t", "rtsp://h/t"),
            ("rtsp://h", "t", "rtsp://h/t"),
            ("rtsp://h/a", "*", "rtsp://h/a"),
        ];
        for (base, control, url) in cases {
            assert_eq!(super::merge(base, control), url);
        }
    }
}
