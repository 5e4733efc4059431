//! Who may watch, TLS, and what lies elsewhere.

use serde::Deserialize;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// What passwords are for.
    pub realm: String,
    /// Ask even while there is no user.
    pub required: bool,
    /// Basic on open connections, too.
    pub basic: bool,
    /// Seconds.
    pub nonce_s: u64,
    /// From one address.
    pub attempts_a_minute: u32,
    /// Of `users`, who may publish, too.
    pub publishers: Vec<String>,
    /// Name to password.
    pub users: BTreeMap<String, String>,
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM; `None`: no TLS.
    pub certificate: Option<PathBuf>,
    /// PEM.
    pub key: Option<PathBuf>,
    /// A port of its own.
    pub listen: Option<SocketAddr>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            realm: "mobidic".into(),
            required: false,
            basic: false,
            nonce_s: 300,
            attempts_a_minute: 20,
            publishers: Vec::new(),
            users: BTreeMap::new(),
        }
    }
}
