//! How a connection ends so that its client gets to read the last answer. A socket that is closed with something
//! unread in it resets the connection, and a reset is then all that a client sees who was still sending: a body
//! that is too large, or a stranger's, or a request of one too many. So the host says that it is done, and takes
//! and drops what comes for a while.

use std::{
    future::Future as _,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};

use super::respond::Problem;

/// Clients at once that are told why they are turned away; more are cut off.
pub(super) const FAREWELLS: usize = 64;
/// Time for one of them to read it.
const FAREWELL: Duration = Duration::from_secs(1);
/// Time for a client to stop sending once its last answer is written.
const LINGER: Duration = Duration::from_secs(5);

/// Whether the client may be sending yet when its connection ends: a request's head that did not come to its end, or
/// a body that nobody read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    sends: AtomicBool,
    /// Of the request that is being answered.
    is_unread: AtomicBool,
}

impl Sending {
    fn set(&self, sends: bool) {
        self.0.sends.store(sends, Ordering::Relaxed);
    }

    /// Whether nobody will read the rest of a request, so that its connection is good for no other.
    pub(super) fn is_unread(&self) -> bool {
        self.0.is_unread.load(Ordering::Relaxed)
    }

    /// A request whose head was read; what tells whether its body was, where it has one.
    pub(super) fn watch(&self, request: Request<Incoming>) -> (Request<Sent>, Option<Self>) {
        let has_body = !request.body().is_end_stream();
        self.set(has_body);
        let watching = || has_body.then(|| self.clone());
        (request.map(|body| Sent { body, sending: watching() }), watching())
    }
}

/// A request's body, as it is sent.
pub struct Sent {
    body: Incoming,
    /// To be told when all of it was read.
    sending: Option<Sending>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if (frame.is_none() || self.body.is_end_stream())
            && let Some(sending) = self.sending.take()
        {
            sending.set(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            sending.0.is_unread.store(true, Ordering::Relaxed);
        }
    }
}

/// A connection that ends so.
pub(super) struct Lingering<I> {
    connection: I,
    sending: Sending,
    /// Runs once the host's own side is shut.
    until: Option<Pin<Box<Sleep>>>,
}

impl<I> Lingering<I> {
    pub(super) fn new(connection: I, sending: Sending) -> Self {
        Self { connection, sending, until: None }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<I> {
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, sending, until } = &mut *self;
        let until = match until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut *connection).poll_shutdown(context))?;
                until.insert(Box::pin(sleep(LINGER)))
            }
        };
        if !sending.0.sends.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let mut dropped = [0; 8 * 1024];
        while until.as_mut().poll(context).is_pending() {
            let mut unread = ReadBuf::new(&mut dropped);
            // A client that goes away has read what it wanted.
            let more = ready!(Pin::new(&mut *connection).poll_read(context, &mut unread));
            if more.is_err() || unread.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Lingering<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = bytes.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(context, bytes);
        if bytes.filled().len() > before {
            self.sending.set(true);
        }
        read
    }
}

/// Answers 503 once there is something to answer, and waits until the client has read it: clients take an answer
/// to nothing for a broken connection.
pub(super) async fn turn_away(mut stream: TcpStream) {
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
        io::Result::Ok(())
    };
    let _ = timeout(FAREWELL, farewell).await;
}
