//! What a run says: for the terminal, and as JSON, JUnit XML and one HTML page.

mod html;
mod junit;
mod terminal;

pub use html::html;
pub use junit::junit;
pub use terminal::{line, list, table};

use crate::suite::{
    case::{Level, Outcome},
    record::Line,
    run::Finished,
};
use serde::Serialize;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// URLs under test.
    pub urls: Vec<String>,
    /// The server's name, as it says.
    pub server: String,
    /// Of everything random.
    pub seed: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// In the cases' order.
    pub results: Vec<Finished>,
}

/// How many passed, failed, were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Held.
    pub passed: usize,
    /// Didn't.
    pub failed: usize,
    /// Weren't tried.
    pub skipped: usize,
}

/// Chapters: the beginning of the ids, and their heading.
pub const CHAPTERS: &[(&str, &str)] = &[
    ("R1-MSG", "RTSP 1.0: messages"),
    ("R1-OPT", "RTSP 1.0: OPTIONS"),
    ("R1-REQ", "RTSP 1.0: Require"),
    ("R1-DES", "RTSP 1.0: DESCRIBE and SDP"),
    ("R1-SET", "RTSP 1.0: SETUP and Transport"),
    ("R1-PLA", "RTSP 1.0: PLAY, Range, RTP-Info"),
    ("R1-SCA", "RTSP 1.0: Scale"),
    ("R1-SPD", "RTSP 1.0: Speed"),
    ("R1-PAU", "RTSP 1.0: PAUSE"),
    ("R1-TEA", "RTSP 1.0: TEARDOWN"),
    ("R1-PAR", "RTSP 1.0: parameters"),
    ("R1-REC", "RTSP 1.0: ANNOUNCE and RECORD"),
    ("R1-SES", "RTSP 1.0: sessions"),
    ("R1-PIP", "RTSP 1.0: pipelining"),
    ("R1-INT", "RTSP 1.0: interleaving"),
    ("R1-AUT", "RTSP 1.0: authentication"),
    ("R1-BAS", "RTSP 1.0: other headers"),
    ("R1-TUN", "Tunnels"),
    ("R1-TLS", "TLS"),
    ("R1-NAT", "NAT"),
    ("R2-", "RTSP 2.0"),
    ("RTP-", "RTP"),
    ("RTCP-", "RTCP"),
    ("PAY-", "Payload formats"),
    ("MC-", "Multicast"),
    ("FUZ-", "Hostile input"),
];

/// The chapter of an id.
pub fn chapter(id: &str) -> &'static str {
    CHAPTERS.iter().find(|(start, _)| id.starts_with(start)).map_or("Other", |(_, heading)| heading)
}

impl Sum {
    /// Of these results.
    pub fn of<'a>(results: impl Iterator<Item = &'a Finished>) -> Self {
        let mut sum = Self::default();
        for finished in results {
            match finished.outcome {
                Outcome::Pass => sum.passed += 1,
                Outcome::Fail(..) => sum.failed += 1,
                Outcome::Skip(_) => sum.skipped += 1,
            }
        }
        sum
    }
}

impl Report {
    /// Failed cases.
    pub fn failures(&self) -> impl Iterator<Item = &Finished> {
        self.results.iter().filter(|finished| matches!(finished.outcome, Outcome::Fail(..)))
    }

    /// 0: everything that was tried holds; 1: a MUST doesn't; 3: only a SHOULD or what clients depend on doesn't.
    pub fn exit_status(&self) -> u8 {
        match self.failures().map(|finished| finished.case.level).min() {
            None => 0,
            Some(Level::Must) => 1,
            Some(_) => 3,
        }
    }

    /// Chapters that have results, with them.
    pub fn by_chapter(&self) -> Vec<(&'static str, Vec<&Finished>)> {
        let of = |heading: &str| self.results.iter().filter(|f| chapter(f.case.id) == heading).collect::<Vec<_>>();
        let all = CHAPTERS.iter().map(|(_, heading)| *heading).chain(["Other"]);
        all.map(|heading| (heading, of(heading))).filter(|(_, results)| !results.is_empty()).collect()
    }

    /// Everything, as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            urls: &'a [String],
            server: &'a str,
            seed: u64,
            seconds: f64,
            exit_status: u8,
            sum: Sum,
            results: Vec<One<'a>>,
        }
        #[derive(Serialize)]
        struct One<'a> {
            name: &'a str,
            id: &'a str,
            source: &'a str,
            level: Level,
            title: &'a str,
            url: &'a str,
            outcome: &'a str,
            expected: Option<&'a str>,
            came: Option<&'a str>,
            reason: Option<&'a str>,
            took_ms: u128,
            dialogue: &'a [Line],
        }
        let results = self.results.iter().map(|finished| {
            let (expected, came, reason) = match &finished.outcome {
                Outcome::Pass => (None, None, None),
                Outcome::Fail(expected, came) => (Some(expected.as_str()), Some(came.as_str()), None),
                Outcome::Skip(reason) => (None, None, Some(reason.as_str())),
            };
            One {
                name: &finished.name,
                id: finished.case.id,
                source: finished.case.source,
                level: finished.case.level,
                title: finished.case.title,
                url: &finished.url,
                outcome: finished.outcome.word(),
                expected,
                came,
                reason,
                took_ms: finished.took.as_millis(),
                dialogue: &finished.dialogue,
            }
        });
        let whole = Whole {
            urls: &self.urls,
            server: &self.server,
            seed: self.seed,
            seconds: self.seconds,
            exit_status: self.exit_status(),
            sum: Sum::of(self.results.iter()),
            results: results.collect(),
        };
        serde_json::to_string_pretty(&whole)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::suite::case::Case;
    use std::time::Duration;

    pub(crate) fn example(outcomes: &[(Level, Outcome)]) -> Report {
        let case = Case::must("R1-MSG-01", "RFC 2326 4", "a <title>", &[], |_| Ok(()));
        let results = outcomes.iter().map(|(level, outcome)| Finished {
            case: Case { level: *level, ..case },
            name: "R1-MSG-01".into(),
            url: "rtsp://h/a".into(),
            outcome: outcome.clone(),
            took: Duration::from_millis(5),
            dialogue: vec![Line { at_ms: 1, connection: 1, direction: '>', text: "OPTIONS <*>".into() }],
        });
        let urls = vec!["rtsp://h/a".into()];
        Report { urls, server: "S".into(), seed: 1, seconds: 0.5, results: results.collect() }
    }

    #[test]
    fn the_exit_status_is_that_of_the_worst_level() {
        let failed = || Outcome::Fail("a".into(), "b".into());
        let cases = [
            (vec![(Level::Must, Outcome::Pass), (Level::Must, Outcome::Skip("x".into()))], 0),
            (vec![(Level::Interop, failed()), (Level::Must, Outcome::Pass)], 3),
            (vec![(Level::Should, failed()), (Level::Must, failed())], 1),
        ];
        for (outcomes, status) in cases {
            assert_eq!(example(&outcomes).exit_status(), status, "{outcomes:?}");
        }
    }

    #[test]
    fn every_form_names_the_failure() {
        let report = example(&[(Level::Must, Outcome::Fail("200 & more".into(), "404 <x>".into()))]);
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["results"][0]["came"], "404 <x>");
        assert_eq!(json["sum"]["failed"], 1);
        let html = html(&report);
        assert!(
            html.contains("200 &amp; more") && html.contains("404 &lt;x&gt;") && html.contains("OPTIONS &lt;*&gt;")
        );
        let xml = junit(&report).unwrap();
        assert!(xml.contains("failures=\"1\"") && xml.contains("404 &lt;x&gt;"), "{xml}");
        let table = table(&report);
        assert!(table.contains("R1-MSG-01") && table.contains("404 <x>"), "{table}");
    }
}
