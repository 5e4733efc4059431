//! A refusal: one line for people, one word for programs.

use crate::{
    store::StoreError,
    wire::{REFUSAL_HEADER, Refusal},
};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub refusal: Refusal,
    pub status: StatusCode,
    pub text: String,
}

impl Refused {
    pub fn new(refusal: Refusal, text: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { refusal, status, text: text.into() }
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(Refusal::Bad, text)
    }

    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub fn no_such_path() -> Self {
        Self::bad("no such path; there are /objects, /objects/ID, /objects/ID/manifest, /objects/ID/units, /objects/ID/units/ROW.POSITION, /health, /statistics")
            .with_status(StatusCode::NOT_FOUND)
    }

    pub fn no_such_method() -> Self {
        Self::bad("this path has not that method; see Allow").with_status(StatusCode::METHOD_NOT_ALLOWED)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::new(error.refusal(), error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE.as_str(), "text/plain"), (REFUSAL_HEADER, self.refusal.word())];
        let mut response = (self.status, headers, format!("{}\n", self.text)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
