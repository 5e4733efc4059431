//! One page that needs nothing else: the sum by chapter, every case, each failure with its dialogue and packets.

use super::{Report, Sum};
use crate::suite::{case::Outcome, run::Finished};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}\
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{border-bottom:1px solid #ddd;padding:.3rem .5rem;\
text-align:left;vertical-align:top}td.n,th.n{text-align:right}pre{background:#f6f6f6;padding:.7rem;overflow:auto;\
font-size:12px;line-height:1.35;max-height:32rem}.pass{color:#186a2c}.FAIL{color:#b00020;font-weight:600}\
.skip{color:#777}.out{color:#124a8c}.in{color:#333}.note{color:#888}summary{cursor:pointer}small{color:#666}";

/// The page.
pub fn html(report: &Report) -> String {
    let sum = Sum::of(report.results.iter());
    let title = format!("Conformance of {}", escape(report.urls.first().map_or("", String::as_str)));
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>Server: {}. {} passed, {} failed, {} skipped in {:.1} s; seed {}.</p>",
        escape(&report.server),
        sum.passed,
        sum.failed,
        sum.skipped,
        report.seconds,
        report.seed
    );
    page.push_str("<table><tr><th>Chapter<th class=n>passed<th class=n>failed<th class=n>skipped</tr>");
    let chapters = report.by_chapter();
    for (place, (heading, results)) in chapters.iter().enumerate() {
        let sum = Sum::of(results.iter().copied());
        let _ = write!(
            page,
            "<tr><td><a href=\"#c{place}\">{heading}</a><td class=n>{}<td class=n>{}<td class=n>{}</tr>",
            sum.passed, sum.failed, sum.skipped
        );
    }
    page.push_str("</table>");
    for (place, (heading, results)) in chapters.iter().enumerate() {
        let _ = write!(page, "<h2 id=\"c{place}\">{heading}</h2><table>");
        for finished in results {
            case(&mut page, finished);
        }
        page.push_str("</table>");
    }
    page.push_str("</html>\n");
    page
}

fn case(page: &mut String, finished: &Finished) {
    let (case, word) = (&finished.case, finished.outcome.word());
    let _ = write!(
        page,
        "<tr><td>{}<br><small>{} {}</small><td>{}",
        escape(&finished.name),
        case.level,
        escape(case.source),
        escape(case.title)
    );
    match &finished.outcome {
        Outcome::Pass => {}
        Outcome::Skip(reason) => {
            let _ = write!(page, "<br><small>{}</small>", escape(reason));
        }
        Outcome::Fail(expected, came) => {
            let (expected, came) = (escape(expected), escape(came));
            let _ = write!(page, "<br>expected: {expected}<br>came: {came}<details><summary>dialogue</summary><pre>");
            for line in &finished.dialogue {
                let class = match line.direction {
                    '>' => "out",
                    '<' => "in",
                    _ => "note",
                };
                let text = escape(line.text.trim_end());
                let _ = writeln!(
                    page,
                    "<span class={class}>{:>6} ms #{} {} {text}</span>",
                    line.at_ms,
                    line.connection,
                    escape(&line.direction.to_string())
                );
            }
            page.push_str("</pre></details>");
        }
    }
    let _ = write!(page, "<td class={word}>{word}</tr>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
