//! Requests as a client that knows nothing of the host's code sends them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::unconstrained,
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Itself, if what was asked for is done.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// The stable code of a problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        self.json()["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `env` of a boot's answer.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        serde_json::from_value(self.json()["env"].clone()).unwrap()
    }
}

/// How long the host leaves a connection open on which nothing comes.
const HOSTS_PATIENCE: Duration = Duration::from_secs(10);

/// A connection that stays open between requests.
pub(crate) struct Connection {
    /// Where to ask again when the host has ended it; none where it matters who asks.
    address: Option<SocketAddr>,
    sender: http1::SendRequest<Full<Bytes>>,
    /// When it was opened, or the last request was begun.
    last: Instant,
    /// Nothing is ever sent: it closes when the connection has ended.
    ended: watch::Receiver<()>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.unwrap()
    }

    /// From an address of this machine, as another instance.
    pub(crate) async fn open_from(from: SocketAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from).unwrap();
        Self::over(socket.connect(address).await.unwrap(), None).await.unwrap()
    }

    /// Nothing when nobody listens.
    pub(crate) async fn try_open(address: SocketAddr) -> Option<Self> {
        Self::over(TcpStream::connect(address).await.ok()?, Some(address)).await
    }

    async fn over(stream: TcpStream, address: Option<SocketAddr>) -> Option<Self> {
        let last = Instant::now();
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let (open, ended) = watch::channel(());
        tokio::spawn(async move {
            let _ = connection.await;
            drop(open);
        });
        Some(Self { address, sender, last, ended })
    }

    /// Sent on another connection if the host ended this one before, because it heard nothing for so long; a
    /// machine that gives a thread no time makes that happen between two requests.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let asked = format!("{} {}", request.method(), request.uri());
        let (again, last) = (request.clone(), self.last);
        let mut answer = self.ask(request).await;
        let idle = last.elapsed();
        if let (Err(broken), Some(address)) = (&answer, self.address)
            && broken.as_ref().is_none_or(|broken| broken.is_canceled() || broken.is_closed())
            && idle >= HOSTS_PATIENCE
        {
            *self = Self::open(address).await;
            answer = self.ask(again).await;
        }
        answer.unwrap_or_else(|broken| panic!("{broken:?} in place of an answer to {asked}, after {idle:?}"))
    }

    /// Nothing when the connection breaks before the whole answer is here.
    pub(crate) async fn try_send(&mut self, request: Request<Full<Bytes>>) -> Option<Answer> {
        self.ask(request).await.ok()
    }

    /// The error, if there is one, when it breaks before that; it was not sent where there is none.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Option<hyper::Error>> {
        self.last = Instant::now();
        let mut answered = pin!(async {
            // An answer may be here before the connection takes the next request.
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        });
        // A request that is handed over while the connection ends may be neither sent nor refused:
        // the channel keeps it as long as its sender lives, and that one waits.
        tokio::select! {
            biased;
            answer = &mut answered => answer.map_err(Some),
            // What came before it ended is here by now, if it came since it was looked for.
            _ = self.ended.changed() => {
                match pin!(unconstrained(answered)).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => answer.map_err(Some),
                    Poll::Pending => Err(None),
                }
            }
        }
    }
}

pub(crate) fn prepared(
    method: &str,
    path: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from(body))).unwrap()
}

pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.send(prepared(method, path, token, headers, body)).await
}
