//! Lines for people at a terminal.

use super::{CHAPTERS, Report, Sum, chapter};
use crate::suite::{
    case::{Case, Outcome},
    run::Finished,
    unseen::Unseen,
};
use std::fmt::Write;

/// One result in one line, for the progress.
pub fn line(done: usize, all: usize, finished: &Finished) -> String {
    let seconds = finished.took.as_secs_f64();
    let why = match &finished.outcome {
        Outcome::Pass => String::new(),
        Outcome::Fail(expected, came) => format!(": expected {expected}; came {came}"),
        Outcome::Skip(reason) => format!(": {reason}"),
    };
    let (name, level, word) = (&finished.name, finished.case.level, finished.outcome.word());
    format!("[{done:>3}/{all}] {word} {level:<7} {name:<22} {seconds:>5.1} s  {}{why}", finished.case.title)
}

/// The table of chapters, and every failure.
pub fn table(report: &Report) -> String {
    let mut text = format!("{:<34} {:>6} {:>6} {:>6}\n", "chapter", "passed", "failed", "skipped");
    for (heading, results) in report.by_chapter() {
        let sum = Sum::of(results.into_iter());
        let _ = writeln!(text, "{heading:<34} {:>6} {:>6} {:>6}", sum.passed, sum.failed, sum.skipped);
    }
    let sum = Sum::of(report.results.iter());
    let _ = writeln!(text, "{:<34} {:>6} {:>6} {:>6}", "all", sum.passed, sum.failed, sum.skipped);
    for finished in report.failures() {
        let Outcome::Fail(expected, came) = &finished.outcome else { continue };
        let case = &finished.case;
        let _ = write!(
            text,
            "\n{} {} ({}): {}\n    expected: {expected}\n    came:     {came}\n",
            case.level, finished.name, case.source, case.title
        );
    }
    let _ = writeln!(text, "\n{:.1} s, seed {}, server {}", report.seconds, report.seed, report.server);
    text
}

/// All cases by chapter, then the statements that can't be seen from outside.
pub fn list(cases: &[Case], unseen: &[Unseen]) -> String {
    let mut text = String::new();
    for (_, heading) in CHAPTERS {
        let mine: Vec<&Case> = cases.iter().filter(|case| chapter(case.id) == *heading).collect();
        if mine.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{heading}");
        for case in mine {
            let _ = writeln!(text, "  {:<16} {:<7} {} [{}]", case.id, case.level, case.title, case.source);
        }
    }
    let _ = writeln!(text, "Not tested from outside");
    for statement in unseen {
        let _ =
            writeln!(text, "  {:<16} {} [{}]: {}", statement.id, statement.title, statement.source, statement.reason);
    }
    let _ = writeln!(text, "{} cases, {} statements that are not tested", cases.len(), unseen.len());
    text
}
