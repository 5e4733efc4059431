//! How far a task is: a bar for people, lines for programs.

use ::catalog::db::JobProgress;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// How often a line is written where nobody looks at a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// And how often for programs.
const JSON_EVERY: Duration = Duration::from_secs(1);

pub struct Progress {
    json: bool,
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Option<Instant>,
}

impl Progress {
    pub fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { json, bar, begun: Instant::now(), told: None }
    }

    pub fn show(&mut self, now: JobProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(now.total);
            bar.set_position(now.done);
            return;
        }
        let every = if self.json { JSON_EVERY } else { LINE_EVERY };
        if now.total == 0 || self.told.is_some_and(|told| told.elapsed() < every) {
            return;
        }
        self.told = Some(Instant::now());
        let left = left_s(now, self.begun.elapsed());
        if self.json {
            let value = json!({
                "bytes": now.done, "total_bytes": now.total, "left_s": left, "bad_units": now.bad,
                "repaired_units": now.repaired,
            });
            println!("{value}");
        } else {
            let (done, total) = (super::super::list::bytes(now.done), super::super::list::bytes(now.total));
            let left = left.map(|left| format!(", about {left} s left")).unwrap_or_default();
            println!("{done} of {total}{left}");
        }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Seconds left, if it goes on as it went.
fn left_s(now: JobProgress, passed: Duration) -> Option<u64> {
    if now.done == 0 {
        return None;
    }
    let left = passed.as_secs_f64() * (now.total.saturating_sub(now.done)) as f64 / now.done as f64;
    Some(left.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_as_what_went() {
        for (done, total, seconds, left) in
            [(0, 10, 5, None), (5, 10, 5, Some(5)), (1, 100, 2, Some(198)), (10, 10, 7, Some(0)), (11, 10, 7, Some(0))]
        {
            let progress = JobProgress { done, total, ..JobProgress::default() };
            assert_eq!(left_s(progress, Duration::from_secs(seconds)), left, "{done} of {total}");
        }
    }
}
