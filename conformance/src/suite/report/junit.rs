//! JUnit XML, as continuous integration reads it.

use super::Report;
use crate::suite::case::Outcome;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// One test suite a chapter.
pub fn junit(report: &Report) -> anyhow::Result<String> {
    let mut whole = quick_junit::Report::new("mobidic-conformance");
    for (heading, results) in report.by_chapter() {
        let mut suite = TestSuite::new(heading);
        for finished in results {
            let status = match &finished.outcome {
                Outcome::Pass => TestCaseStatus::success(),
                Outcome::Skip(reason) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(reason);
                    status
                }
                Outcome::Fail(expected, came) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_type(finished.case.level.to_string());
                    status.set_message(format!("expected {expected}; came {came}"));
                    status
                }
            };
            let mut case = TestCase::new(format!("{} {}", finished.name, finished.case.title), status);
            case.set_classname(finished.case.source);
            case.set_time(finished.took);
            if !finished.dialogue.is_empty() {
                let lines = finished.dialogue.iter();
                let lines = lines.map(|l| format!("{} #{} {} {}", l.at_ms, l.connection, l.direction, l.text));
                case.set_system_out(lines.collect::<Vec<_>>().join("\n"));
            }
            suite.add_test_case(case);
        }
        whole.add_test_suite(suite);
    }
    Ok(whole.to_string()?)
}
