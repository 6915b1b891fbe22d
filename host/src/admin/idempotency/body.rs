//! A body that is hashed while somebody reads it, so that it is kept by nobody.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use sha2::{Digest as _, Sha256};

use crate::id::Digest;

/// The body.
pub(super) struct Hashed {
    body: Body,
    hash: Sha256,
    /// SHA-256 of it, once it was read to its end.
    seen: Arc<OnceLock<Digest>>,
}

impl Hashed {
    pub(super) fn new(body: Body) -> (Self, Arc<OnceLock<Digest>>) {
        let seen = Arc::<OnceLock<Digest>>::default();
        (Self { body, hash: Sha256::new(), seen: Arc::clone(&seen) }, seen)
    }

    /// Reads it to its end, or to where it breaks off.
    pub(super) async fn read(mut self) {
        while let Some(Ok(_)) = self.frame().await {}
    }
}

impl HttpBody for Hashed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.hash.update(bytes);
                }
            }
            Some(Err(_)) => {}
            None => {
                self.seen.get_or_init(|| Digest(self.hash.clone().finalize().into()));
            }
        }
        Poll::Ready(frame)
    }

    // The end is only seen by who is asked for one frame more: this never says that there is none.

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
