//! How the bucket's requests travel: HTTP/1.1 over TCP or TLS, each exchange bounded in time and bytes.

use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect},
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// For a connection to be made; the request is tried again then.
const CONNECT: Duration = Duration::from_secs(3);
/// For a whole exchange, the largest unit included: against a store that takes a request and says nothing.
const EXCHANGE: Duration = Duration::from_secs(15);
/// An answer's bytes: far more than the largest unit or a page of a listing, so that whoever answers at the store's
/// address can't fill our memory.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Connections unused for this long are closed.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Makes the client that the bucket speaks by.
#[derive(Debug)]
pub(super) struct Connector;

#[derive(Debug)]
struct Exchange(Client<HttpsConnector<connect::HttpConnector>, HttpRequestBody>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut roots = RootCertStore::empty();
        // Without any a plain connection still works, and TLS says what is wrong.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| object_store::Error::Generic { store: "S3", source: Box::new(e) })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = connect::HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector.wrap_connector(tcp));
        Ok(HttpClient::new(Exchange(client)))
    }
}

// The trait is declared so, with a box for each future.
#[async_trait::async_trait]
impl HttpService for Exchange {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let exchange = async {
            let response = self.0.request(request).await.map_err(|e| {
                let kind = if e.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
                HttpError::new(kind, e)
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|e| HttpError::new_boxed(HttpErrorKind::Interrupted, e))?.to_bytes();
            Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body)))
        };
        let late = |e| HttpError::new(HttpErrorKind::Timeout, e);
        timeout(EXCHANGE, exchange).await.map_err(late)?
    }
}
