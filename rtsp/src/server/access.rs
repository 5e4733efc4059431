//! Who may ask, and what lies elsewhere: the operator's rules.

use super::{Connection, Groups, Refusal, Server, Target, v2};
use crate::auth::{Auth, Verdict};
use crate::feed::{Relays, push::Pushable};
use crate::headers::FeatureTags;
use crate::message::{CHALLENGES_END, Method, Request, StatusCode};
use rtsp_types::headers::{PROXY_REQUIRE, REQUIRE, SESSION, UNSUPPORTED, WWW_AUTHENTICATE};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What the operator has laid down.
#[derive(Clone, Default)]
pub struct Rules {
    /// Who may watch; `None`: everybody.
    pub auth: Option<Arc<Auth>>,
    /// Presentations that are elsewhere: name to URL.
    pub redirects: BTreeMap<String, String>,
    /// The groups that channels are sent to; `None`: no multicast.
    pub groups: Option<Arc<dyn Groups>>,
    /// The channels that take a publisher; `None`: nobody publishes here.
    pub pushable: Option<Pushable>,
    /// Through which other fronts channels come.
    pub relays: Relays,
}

impl Server {
    /// Finds out who asks. What a server can do, anybody may ask, but not in the name of a session.
    pub(super) fn authorize(
        &self,
        connection: &mut Connection,
        request: &Request,
        now: Instant,
    ) -> Result<(), Box<Refusal>> {
        connection.user = None;
        let Some(auth) = &self.rules.auth else { return Ok(()) };
        if request.method == Method::Options && request.headers.get(SESSION).is_none() {
            return Ok(());
        }
        match auth.judge(request, connection.viewer_address(), connection.secure, now) {
            Verdict::Open => Ok(()),
            Verdict::User(name) => {
                connection.user = Some(name);
                Ok(())
            }
            Verdict::Ask { stale } => {
                let challenges = auth.challenges(stale, connection.secure, now);
                let refusal = Refusal::new(StatusCode::Unauthorized, "name and password are asked for");
                Err(refusal.field(WWW_AUTHENTICATE, challenges.join(&CHALLENGES_END.to_string())))
            }
            Verdict::Wait => Err(Refusal::new(StatusCode::Forbidden, "too many wrong passwords: wait a minute")),
            Verdict::Bad(reason) => Err(Refusal::bad(format!("Authorization: {reason}"))),
        }
    }

    /// Where the presentation is instead (RFC 2326 11.2).
    pub(super) fn redirect(&self, request: &Request, target: &Target) -> Option<&str> {
        let Target::Presentation { name, .. } = target else { return None };
        let asks = matches!(request.method, Method::Describe | Method::Setup | Method::Play);
        self.rules.redirects.get(name).filter(|_| asks).map(String::as_str)
    }
}

/// RFC 2326 12.32: what is required and not known must be refused by name, before anything happens.
pub(super) fn require(request: &Request) -> Result<(), Box<Refusal>> {
    for name in [REQUIRE, PROXY_REQUIRE] {
        let tags = request.headers.list(name).unwrap_or_default();
        let unknown = FeatureTags::parse(&tags).without(v2::FEATURES);
        if !unknown.is_empty() {
            let refusal = Refusal::new(StatusCode::OptionNotSupported, "an option is required that we don't know");
            return Err(refusal.field(UNSUPPORTED, unknown.to_string()));
        }
    }
    Ok(())
}
