//! RTSPS (RFC 7826 section 19.2): TLS 1.2 and 1.3 by rustls.

use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Why TLS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or has no PEM of that kind in it.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Certificate and key don't go together.
    #[error("certificate and key: {0}")]
    Pair(#[from] tokio_rustls::rustls::Error),
}

/// Whether the first record of a handshake is here whole, or is longer than one may be (RFC 8446 section 5.1).
pub(crate) fn has_record(bytes: &[u8]) -> bool {
    const HEADER: usize = 5;
    const MAX_RECORD: usize = 16 << 10;
    let Some(&[_, _, _, high, low]) = bytes.first_chunk::<HEADER>() else { return false };
    let length = usize::from(u16::from_be_bytes([high, low]));
    length > MAX_RECORD || bytes.len() >= HEADER + length
}

/// Speaks TLS with the certificate chain and the key in these PEM files.
///
/// # Errors
/// See [`TlsError`].
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let wrong = |path: &Path, error: rustls_pki_types::pem::Error| TlsError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| wrong(certificate, error))?;
    if certificates.is_empty() {
        return Err(TlsError::File { path: certificate.to_owned(), reason: "no certificate in it".into() });
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Speaks TLS as a client; the server must prove that it is `host` (a name, or an address that may stand in brackets) to
/// whom this machine trusts (`SSL_CERT_FILE`, else the system's store).
///
/// # Errors
/// Whatever is wrong with the connection or the certificate.
pub async fn connect(stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
    static TRUSTED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = TRUSTED.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        found.errors.iter().for_each(|error| tracing::warn!(%error, "some whom this machine trusts are not known"));
        roots.add_parsable_certificates(found.certs);
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    });
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(config.clone()).connect(name, stream).await
}
