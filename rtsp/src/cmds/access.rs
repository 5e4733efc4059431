//! What the operator has laid down: users, redirects, TLS

use anyhow::{Context, Result, bail};
use catalog::db::{Catalog, User};
use rtsp::{
    auth::{Auth, AuthOptions, user},
    config::Config,
    net::tls,
    server::Rules,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_rustls::TlsAcceptor;

/// How often the catalog is asked for its users: `mobidic user` then works on a running server.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// The rules for a front; the users are looked at again and again until the runtime ends.
pub async fn rules(config: &Config, catalog: &Catalog) -> Result<Rules> {
    let options = AuthOptions {
        realm: config.auth.realm.clone(),
        required: config.auth.required,
        basic: config.auth.basic,
        nonce_lifetime: Duration::from_secs(config.auth.nonce_s),
        attempts: config.auth.attempts_a_minute,
    };
    let auth = Arc::new(Auth::new(options, Instant::now()));
    load(&auth, config, catalog).await?;
    let (config_of_task, catalog, of_task) = (config.clone(), catalog.clone(), auth.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            if let Err(error) = load(&of_task, &config_of_task, &catalog).await {
                tracing::warn!(%error, "the users stay as they were");
            }
        }
    });
    Ok(Rules { auth: Some(auth), redirects: config.redirects.clone(), ..Rules::default() })
}

/// The configuration's users come before the catalog's.
async fn load(auth: &Auth, config: &Config, catalog: &Catalog) -> Result<()> {
    let known = catalog.users().await?;
    let of_file = config.auth.users.iter().map(|(name, password)| {
        let publishes = config.auth.publishers.contains(name);
        User { publishes, ..user(name, auth.realm(), password) }
    });
    auth.set_users(known.into_iter().chain(of_file));
    Ok(())
}

/// TLS, where there is a certificate.
pub fn tls(config: &Config) -> Result<Option<TlsAcceptor>> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Ok(Some(tls::acceptor(certificate, key).context("TLS")?)),
        (None, None) if config.tls.listen.is_none() => Ok(None),
        _ => bail!("TLS needs both tls.certificate and tls.key"),
    }
}
