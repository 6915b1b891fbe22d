//! The yardstick: hyper, and an answer that is always the same.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

/// An answer to give again and again.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Its length on the wire.
    pub(crate) bytes: usize,
}

/// A server that runs until its runtime ends.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
}

impl Bare {
    pub(crate) async fn start(sample: Sample) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sample.clone()));
            }
        });
        Self { address }
    }
}

async fn serve(stream: TcpStream, sample: Sample) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |_: Request<Incoming>| {
        let mut response = Response::new(Full::new(sample.body.clone()));
        for (name, value) in &sample.headers {
            response.headers_mut().insert(name, value.clone());
        }
        async { Ok::<_, Infallible>(response) }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
    let _ = connection.await;
}
