//! GET_PARAMETER and SET_PARAMETER (RFC 2326 sections 10.8 and 10.9): so far they only keep alive.

use super::{Outcome, Refusal, Step};
use crate::headers::MediaType;
use crate::message::{Request, StatusCode, reply};
use rtsp_types::headers::CONTENT_TYPE;

const TEXT_PARAMETERS: &str = "text/parameters";

/// Names that an answer repeats at most.
const MAX_NAMES: usize = 32;

/// No body: a ping. A body asks for parameters, and there are none: 451 with their names.
pub(super) fn parameters(request: &Request) -> Outcome {
    if request.body.trim_ascii().is_empty() {
        return Ok(Step::done(reply(StatusCode::Ok)));
    }
    let kind = request.headers.get(CONTENT_TYPE).map(MediaType::parse);
    if !matches!(&kind, None | Some(Ok(_))) || matches!(&kind, Some(Ok(kind)) if !kind.is(TEXT_PARAMETERS)) {
        let refusal = Refusal::new(StatusCode::UnsupportedMediaType, "only text/parameters is read");
        return Err(refusal.field(rtsp_types::headers::ACCEPT, TEXT_PARAMETERS));
    }
    let body = String::from_utf8_lossy(&request.body);
    let name = |line: &str| line.split(':').next().unwrap_or_default().trim().to_owned();
    let good = |name: &String| !name.is_empty() && !name.contains(char::is_control);
    let names: Vec<String> = body.lines().map(name).filter(good).take(MAX_NAMES).collect();
    let mut refusal = Refusal::new(StatusCode::ParameterNotUnderstood, "there are no parameters yet");
    refusal.body = Some((TEXT_PARAMETERS, names.join("\r\n") + "\r\n"));
    Err(refusal)
}
