//! The leases that a supervisor holds for its command: renewed at a third of their time, and ended with what
//! they were given for. Several at once, while one command gives way to the next: there is no moment at
//! which what a running one was given is held by nobody.

use std::{convert::Infallible, future::pending, pin::Pin, time::Duration};

use http::StatusCode;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    pace::{Pace, Random},
    watch::limits,
};
use crate::{
    cli::{connection::BootHost, output::Output},
    client::{Answer, Client, Error, Request},
};

/// Orders that wait for their keeper; one that finds no place leaves a lease to be lost.
pub(super) const ORDERS: usize = 8;
/// How long the end of a lease keeps a supervisor whose command has ended.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// A lease that came with a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    id: String,
    seconds: u64,
}

impl Held {
    /// What an answer says of a lease; a host that has none to give says nothing.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let id = answer.header("bootlace-lease")?.to_owned();
        let seconds = answer.header("bootlace-lease-seconds")?.parse().ok().filter(|seconds| *seconds > 0)?;
        Some(Self { id, seconds })
    }
}

/// What a keeper is told.
pub(super) enum Order {
    /// It is held from now on.
    Hold(Held),
    /// What it was given for is over.
    End(Held),
    /// Everything is.
    EndAll(oneshot::Sender<()>),
}

/// Renews what it holds for as long as it is let. Trouble is told to people, once each; the command goes on.
pub(super) async fn keep(
    host: &BootHost,
    mut orders: mpsc::Receiver<Order>,
    random: Random,
    output: &Output,
) -> Infallible {
    let mut keeper = Keeper { host, client: None, due: Vec::new(), random, output, is_silent: false };
    loop {
        let next = keeper.due.iter().map(|due| due.at).min();
        let until = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Hold(held)) => keeper.hold(held),
                Some(Order::End(held)) => keeper.end(held).await,
                Some(Order::EndAll(done)) => {
                    for due in std::mem::take(&mut keeper.due) {
                        keeper.end(due.held).await;
                    }
                    // Who does not wait any more has gone.
                    let _ = done.send(());
                }
                None => return pending().await,
            },
            () = until => keeper.renew().await,
        }
    }
}

/// Ends everything that is held, as far as the host is there to hear it.
pub(super) async fn release(
    keeping: Pin<&mut impl Future<Output = Infallible>>,
    orders: &mpsc::Sender<Order>,
) {
    let (done, ended) = oneshot::channel();
    if orders.try_send(Order::EndAll(done)).is_err() {
        return;
    }
    tokio::select! {
        _ = ended => {}
        () = sleep(FAREWELL) => {}
        never = keeping => match never {},
    }
}

/// What is held.
struct Due {
    held: Held,
    /// When the host is told of it next.
    at: Instant,
    /// Whether it is over, and the host could not be told yet.
    is_over: bool,
}

struct Keeper<'a> {
    host: &'a BootHost,
    client: Option<Client>,
    due: Vec<Due>,
    random: Random,
    output: &'a Output,
    is_silent: bool,
}

impl Keeper<'_> {
    fn hold(&mut self, held: Held) {
        let at = self.next(&held);
        self.due.push(Due { held, at, is_over: false });
    }

    /// At a third of its time, give or take a fifth: two more tries before it is lost.
    fn next(&self, held: &Held) -> Instant {
        Instant::now() + Pace::new(Duration::from_secs(held.seconds) / 3).pause(self.random)
    }

    async fn renew(&mut self) {
        let now = Instant::now();
        let Some(at) = self.due.iter().position(|due| due.at <= now) else { return };
        let Due { held, is_over, .. } = self.due.swap_remove(at);
        if is_over {
            return self.end(held).await;
        }
        let asked = self.ask(&held, "").await;
        match &asked {
            Err(error) if is_unknown(error) => {
                self.output.warning(
                    "the host does not know this command's lease any more: what it was given may be revoked",
                );
                return;
            }
            Err(error) if !self.is_silent => {
                self.output.warning(&format!("the lease could not be renewed: {error:#}"));
            }
            Ok(()) if self.is_silent => self.output.note("the lease is renewed again"),
            _ => {}
        }
        self.is_silent = asked.is_err();
        self.hold(held);
    }

    /// Says that what it was given for is over; again later, where nobody heard it.
    async fn end(&mut self, held: Held) {
        self.due.retain(|due| due.held != held);
        match self.ask(&held, r#"{"end":true}"#).await {
            Err(error) if !is_unknown(&error) => {
                self.output.warning(&format!("the lease {} could not be ended: {error:#}", held.id));
                let at = self.next(&held);
                self.due.push(Due { held, at, is_over: true });
            }
            _ => {}
        }
    }

    async fn ask(&mut self, held: &Held, body: &'static str) -> anyhow::Result<()> {
        // The token is read anew where it was refused: it may have been replaced meanwhile.
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(self.host.client_within(limits())?),
        };
        let request = Request::post(&["v1", "lease", &held.id]).body("application/json", body);
        let answer = client.send(&request).await;
        let refused = answer.as_ref().err().and_then(Error::refusal);
        if refused.is_some_and(|refusal| refusal.status == StatusCode::UNAUTHORIZED) {
            self.client = None;
        }
        Ok(answer.map(drop)?)
    }
}

fn is_unknown(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<Error>().and_then(Error::refusal);
    refusal.is_some_and(|refusal| refusal.status == StatusCode::NOT_FOUND)
}
