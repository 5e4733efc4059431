//! The conformance suite: the statements of the standards as cases, put to any RTSP server from outside.
//!
//! What a run does: [`Offer::discover`] finds out what the server offers; [`run::run`] puts each [`Case`] to it, skips
//! with a reason what is not offered, and keeps the dialogue of what fails; a [`Report`] writes it down.
//!
//! - [`Case`]: one statement, with its source, level and needs. [`Verdict`], [`Outcome`]: how it ends.
//! - [`Offer`]: what the server was found to offer. [`Options`]: what the user chose.
//! - [`Context`]: what a case is given. [`capture::Capture`]: the presentation played, every packet kept.
//! - [`wire::Wire`]: a connection that sends any bytes. [`session::Session`]: a viewer.
//! - [`publish::Publisher`]: one who brings a presentation.
//! - [`carry::Carry`]: within what a connection goes. [`control`]: what the machine itself keeps everybody waiting.
//! - [`message::Request`], [`message::Response`]: messages as bytes. [`description::Description`]: SDP.
//! - [`packets::Rtp`], [`packets::compound`]: packets, read by two parsers that must agree.
//! - [`digest::Credentials`]: what is said to a 401. [`record::Record`]: the dialogue kept for the report.
//! - [`Report`]: table, JSON, JUnit XML, HTML; and the exit status.
//! - [`unseen::UNSEEN`]: the statements that can't be tested from outside, and why.
//! - [`rtsp10`], [`rtsp20`], [`rtp`], [`payload`], [`multicast`], [`hostile`]: the cases, by chapter.
#![doc = include_str!("suite/gst-rtsp-server.md")]

pub mod capture;
pub mod carry;
pub mod case;
pub mod context;
pub mod control;
pub mod description;
pub mod digest;

pub mod hostile;
pub mod message;
pub mod multicast;
pub mod offer;
pub mod packets;

pub mod payload;
pub mod publish;
pub mod record;
pub mod report;
pub mod rtp;
pub mod rtsp10;
pub mod rtsp20;
pub mod run;
pub mod session;
pub mod stream;
pub mod unseen;
pub mod wire;

pub use case::{Case, Level, Need, Outcome, Verdict};
pub use context::{Context, Options};
pub use offer::Offer;
pub use report::Report;

/// All cases, by chapter.
pub fn cases() -> Vec<Case> {
    let chapters =
        [rtsp10::cases(), rtsp20::cases(), rtp::cases(), payload::cases(), multicast::cases(), hostile::cases()];
    chapters.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_every_case_says_what_it_is() {
        let mut ids = HashSet::new();
        for case in cases() {
            assert!(ids.insert(case.id), "{} twice", case.id);
            assert!(!case.title.is_empty() && !case.source.is_empty(), "{}", case.id);
            assert_ne!(report::chapter(case.id), "Other", "{}", case.id);
        }
        for statement in unseen::UNSEEN {
            assert!(ids.insert(statement.id), "{} twice", statement.id);
        }
    }
}
