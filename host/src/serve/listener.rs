//! Accepts connections for one listener: bounded in number, patient with no one, and drained on
//! shutdown. Both listeners run this; they differ in the service that answers.

use std::{
    convert::Infallible, future::Future, net::IpAddr, panic::AssertUnwindSafe, pin::pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::respond::Problem;
use crate::telemetry::Metrics;

/// A listener's bounds.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Connections open at once; one more is turned away with 503.
    pub connections: usize,
    /// Time to send a request's head, and to finish a TLS handshake.
    pub head: Duration,
    /// A request's head, in bytes.
    pub head_bytes: usize,
    /// Headers in a request.
    pub headers: usize,
    /// Time that requests under way have to finish after shutdown begins.
    pub drain: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            headers: 64,
            drain: Duration::from_secs(10),
        }
    }
}

/// Clients at once that are told why they are turned away; more are cut off.
const FAREWELLS: usize = 64;
/// Time for one of them to read it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves `listener` until `shutdown` turns true, then drains.
pub async fn run<S, F, B>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: ListenerLimits,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
    answer: S,
) where
    S: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = hyper::Response<B>> + Send + 'static,
    B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + From<bytes::Bytes>
        + Send
        + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let farewells = Arc::new(Semaphore::new(FAREWELLS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut shutdown) => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                // Out of descriptors or memory: let connections end before trying again.
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics.connections_refused.inc();
            // Without TLS only: a handshake would cost more than what is saved.
            let farewell = Arc::clone(&farewells).try_acquire_owned().ok().filter(|_| tls.is_none());
            if let Some(farewell) = farewell {
                tokio::spawn(async move {
                    turn_away(stream).await;
                    drop(farewell);
                });
            }
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (tls, answer, metrics, watcher) =
            (tls.clone(), answer.clone(), metrics.clone(), graceful.watcher());
        tokio::spawn(async move {
            metrics.connections.inc();
            match tls {
                None => serve_connection(stream, peer, limits, &metrics, watcher, answer).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(limits.head, tls.accept(stream)).await {
                        serve_connection(stream, peer, limits, &metrics, watcher, answer).await;
                    }
                }
            }
            metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy at the end of the drain time and are closed");
    }
}

async fn serve_connection<I, S, F, B>(
    stream: I,
    peer: IpAddr,
    limits: ListenerLimits,
    metrics: &Arc<Metrics>,
    watcher: hyper_util::server::graceful::Watcher,
    answer: S,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = hyper::Response<B>> + Send + 'static,
    B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + From<bytes::Bytes>
        + Send
        + 'static,
{
    let service = service_fn(move |request| {
        let (metrics, answering) = (metrics.clone(), answer(peer, request));
        async move {
            let answered = AssertUnwindSafe(answering).catch_unwind().await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|_| {
                metrics.panics.inc();
                tracing::error!("a request's handler panicked");
                Problem::internal().into_response()
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away in the middle is its own affair.
    let _ = pin!(watcher.watch(connection)).await;
}

/// Answers 503 once there is something to answer, and waits until the client has read it. Clients
/// take an answer to nothing for a broken connection; and a socket that is closed with a request
/// unread in it resets the connection, so that a reset is all that most of them get to see.
async fn turn_away(mut stream: TcpStream) {
    let (head, body) = Problem::busy("too many connections are open; try again").into_response().into_parts();
    let body: Bytes = body;
    let mut answer =
        format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", head.status, body.len());
    for (name, value) in &head.headers {
        answer += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let answer = [answer.as_bytes(), b"\r\n", &body].concat();
    let farewell = async {
        let mut unread = [0; 512];
        let _ = stream.read(&mut unread).await?;
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(FAREWELL, farewell).await;
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is as good as a stop.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
