//! DESCRIBE (RFC 2326 section 10.2).

use super::{Connection, Outcome, Refusal, Server, Step, Target, form, v2};
use crate::headers::{Accept, UtcTime};
use crate::message::{Request, StatusCode, reply};
use crate::sdp;
use crate::session::Opened;
use catalog::index::Index;
use rtsp_types::headers::{
    ACCEPT, CONTENT_BASE, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, MTAG, USER_AGENT,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Server {
    pub(super) fn describe_target(&self, request: &Request, target: Target) -> Outcome {
        let accept = request.headers.list(ACCEPT).and_then(|list| Accept::parse(&list).ok());
        if accept.is_some_and(|accept| !accept.takes("application", "sdp")) {
            return Err(Refusal::new(StatusCode::NotAcceptable, "only application/sdp can be had")
                .field(ACCEPT, "application/sdp"));
        }
        match target {
            Target::Presentation { name, .. } => Ok(Step::Open(name)),
            Target::Server => Err(Refusal::new(StatusCode::NotFound, "the URL names no presentation")),
        }
    }

    pub(super) fn describe(&self, connection: &mut Connection, request: &Request, opened: Opened) -> Outcome {
        let index = &opened.index().clone();
        let tag = sdp::entity_tag(index);
        let has = request.headers.list(IF_NONE_MATCH).unwrap_or_default();
        // RFC 7826 18.26; there is no such field in 1.0.
        let same = v2::speaks(request) && has.split(',').map(str::trim).any(|given| given == "*" || given == tag);
        if same || not_modified(request, index) {
            return Ok(Step::done(reply(StatusCode::NotModified)));
        }
        let Ok(Target::Presentation { base, .. }) = Target::parse(&request.uri) else {
            return Err(Refusal::new(StatusCode::NotFound, "the URL names no presentation"));
        };
        let agent = request.headers.get(USER_AGENT).unwrap_or_default();
        let dialect = sdp::Dialect::of(agent);
        let local = connection.local.ip();
        let description = match &opened {
            Opened::Film(_) => sdp::describe(index, local, dialect),
            Opened::Channel(watching) => {
                let groups = self.rules.groups.as_ref().filter(|_| form::is_group(&request.uri));
                match groups.and_then(|groups| groups.group_of(watching)) {
                    Some(group) => group.address().describe_for_setup(&watching.live),
                    None => {
                        let kept = watching.window.as_ref().and_then(|window| window.clock());
                        sdp::describe_live(&watching.live.index, kept.map(|kept| UtcTime(kept.start)), local, dialect)
                    }
                }
            }
        };
        connection.described = match opened {
            Opened::Film(_) => None,
            Opened::Channel(watching) => Some(watching),
        };
        if description.len() > sdp::MAX_DESCRIPTION {
            tracing::warn!(bytes = description.len(), "the description is too long for some players");
        }
        let mut reply = reply(StatusCode::Ok);
        reply.insert_header(CONTENT_BASE, base);
        reply.insert_header(CONTENT_TYPE, "application/sdp");
        if v2::speaks(request) {
            reply.insert_header(MTAG, tag);
        }
        reply.insert_header(LAST_MODIFIED, httpdate::fmt_http_date(modified(index)));
        Ok(Step::done(reply.replace_body(description.into_bytes())))
    }
}

/// RFC 2326 12.23, of DESCRIBE and SETUP. A date that is none is passed over.
pub(super) fn not_modified(request: &Request, index: &Index) -> bool {
    let since = request.headers.get(IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| modified(index) <= since)
}

fn modified(index: &Index) -> SystemTime {
    // The date format has years of four digits: what lies beyond is damage.
    const YEAR_9999: u64 = 253_402_300_799;
    UNIX_EPOCH + Duration::from_secs(u64::try_from(index.created).unwrap_or(0).min(YEAR_9999))
}
