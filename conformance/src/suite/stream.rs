//! The bytes under a connection: plain TCP, TLS for `rtsps`, or what else carries them.

use super::carry::{Carry, Tunnel, WebSocket};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// A connected stream.
pub enum Stream {
    /// `rtsp:`.
    Plain(TcpStream),
    /// `rtsps:`.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// `rtsp:` within HTTP.
    Http(Tunnel),
    /// `rtsp:` within WebSocket.
    WebSocket(WebSocket),
}

impl Stream {
    /// Connects, with TLS to the named host where one is given, or within something else.
    pub fn connect(server: SocketAddr, tls: Option<&str>, carry: Carry, patience: Duration) -> io::Result<Self> {
        match carry {
            Carry::Plain => {}
            Carry::Http => return Ok(Self::Http(Tunnel::open(server, patience)?)),
            Carry::WebSocket => return Ok(Self::WebSocket(WebSocket::open(server, patience)?)),
        }
        let stream = TcpStream::connect_timeout(&server, patience)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_read_timeout(Some(patience))?;
        let Some(host) = tls else { return Ok(Self::Plain(stream)) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(any_certificate()?), name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    /// The client's own address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }

    /// Reads what comes within `wait`.
    pub fn read_for(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.tcp().set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        self.read(buffer)
    }

    /// Ends both directions.
    pub fn shutdown(&self) {
        if let Self::Http(tunnel) = self {
            tunnel.shutdown();
        }
        let _ = self.tcp().shutdown(Shutdown::Both);
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
            Self::Http(tunnel) => &tunnel.down,
            Self::WebSocket(socket) => &socket.stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Http(tunnel) => tunnel.read(buffer),
            Self::WebSocket(socket) => socket.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Http(tunnel) => tunnel.write(bytes),
            Self::WebSocket(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Http(tunnel) => tunnel.flush(),
            Self::WebSocket(socket) => socket.flush(),
        }
    }
}

fn any_certificate() -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let verifier = Arc::new(Any(provider));
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes any certificate: the suite judges the protocol, and test servers sign for themselves.
#[derive(Debug)]
struct Any(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
