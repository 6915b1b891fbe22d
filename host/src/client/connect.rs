use std::{
    error::Error,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Who may be spoken to in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plaintext {
    LoopbackOnly,
    Anywhere,
}

/// Opens connections: TCP, and TLS where the URL says so, all within one deadline.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) plaintext: Plaintext,
    pub(super) deadline: Duration,
}

/// Whether `error` comes from the plaintext rule, anywhere in its chain.
pub(super) fn is_plaintext_refusal(error: &(dyn Error + 'static)) -> bool {
    let chain = std::iter::successors(Some(error), |error| (**error).source());
    chain.into_iter().any(|error| matches!(error.downcast_ref(), Some(ConnectError::Plaintext)))
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("no connection within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("its name has no address")]
    Lookup(#[source] io::Error),
    #[error(transparent)]
    Tcp(io::Error),
    #[error("its name cannot stand in a certificate")]
    Name,
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("plaintext is for loopback addresses only")]
    Plaintext,
}

impl tower::Service<Uri> for Connector {
    type Response = Stream;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let connected = timeout(this.deadline, this.open(&url)).await;
            Ok(connected.unwrap_or(Err(ConnectError::TimedOut(this.deadline)))?)
        })
    }
}

impl Connector {
    async fn open(&self, url: &Uri) -> Result<Stream, ConnectError> {
        // `Uri::host` keeps the brackets of an IPv6 address; nothing else wants them.
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let addresses: Vec<SocketAddr> =
            lookup_host((host, port)).await.map_err(ConnectError::Lookup)?.collect();
        let Some(tls) = &self.tls else {
            let loopback = addresses.iter().all(|address| address.ip().is_loopback());
            if !loopback && self.plaintext == Plaintext::LoopbackOnly {
                return Err(ConnectError::Plaintext);
            }
            return Ok(Stream::new(connect(&addresses).await?));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name)?;
        let stream = connect(&addresses).await?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        Ok(Stream::new(stream.map_err(ConnectError::Tls)?))
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let stream = TcpStream::connect(addresses).await.map_err(ConnectError::Tcp)?;
    stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
    Ok(stream)
}

/// A connection, with or without TLS.
pub(super) struct Stream(TokioIo<Box<dyn Duplex>>);

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Stream {
    fn new(stream: impl Duplex + 'static) -> Self {
        Self(TokioIo::new(Box::new(stream)))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
