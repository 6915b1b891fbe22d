//! Accepts connections for one listener: bounded in number, patient with no one, and drained on
//! shutdown. Both listeners run this; they differ in the service that answers.

use std::{
    convert::Infallible, future::Future, net::IpAddr, panic::AssertUnwindSafe, pin::pin, sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use http::{HeaderValue, header::CONNECTION};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    farewell::{FAREWELLS, Lingering, Sending, Sent, turn_away},
    respond::Problem,
};
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

/// Serves `listener` until `shutdown` turns true, then drains.
pub async fn run<S, F, B>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: ListenerLimits,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
    answer: S,
) where
    S: Fn(IpAddr, Request<Sent>) -> F + Clone + Send + 'static,
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
    S: Fn(IpAddr, Request<Sent>) -> F + Clone + Send + 'static,
    F: Future<Output = hyper::Response<B>> + Send + 'static,
    B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + From<bytes::Bytes>
        + Send
        + 'static,
{
    let sending = Sending::default();
    let stream = Lingering::new(stream, sending.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (request, sending) = sending.watch(request);
        let (metrics, answering) = (metrics.clone(), answer(peer, request));
        async move {
            let answered = AssertUnwindSafe(answering).catch_unwind().await;
            let mut response = answered.unwrap_or_else(|_| {
                metrics.panics.inc();
                tracing::error!("a request's handler panicked");
                Problem::internal().into_response()
            });
            if sending.is_some_and(|sending| sending.is_unread()) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
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

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is as good as a stop.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
