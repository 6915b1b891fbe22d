//! What is asked of the host while the command runs.
//!
//! What a host grants to a running instance for a time, a lease, is renewed beside it ([`super::lease`]).

use std::{cell::Cell, convert::Infallible, time::Duration};

use tokio::{sync::mpsc, time::sleep};

use super::{
    conversation::{Boot, Changed, Conversation},
    lease::Order,
    pace::{Pace, Random, within},
};
use crate::{
    cli::output::Output,
    client::{Error, Limits},
};

/// What the command's keeper has to know.
pub(super) enum News {
    /// The configuration is another one now: this.
    Changed(Boot),
}

/// How to watch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watching {
    pub(super) interval: Duration,
    pub(super) spread: Duration,
    pub(super) random: Random,
}

/// Where the leases of answers go.
#[derive(Clone, Copy)]
pub(super) struct Leases<'a> {
    pub(super) orders: &'a mpsc::Sender<Order>,
    /// Whether an answer may be on its way whose lease nobody knows of yet.
    pub(super) is_asking: &'a Cell<bool>,
}

impl Leases<'_> {
    async fn while_asking<T>(
        self,
        asked: impl Future<Output = Result<T, Error>>,
        order: impl Fn(&T) -> Option<Order>,
    ) -> Result<T, Error> {
        self.is_asking.set(true);
        let answer = asked.await;
        if let Some(order) = answer.as_ref().ok().and_then(order) {
            let _ = self.orders.try_send(order);
        }
        self.is_asking.set(false);
        answer
    }
}

/// One question is short, and is not repeated at once: the next one comes anyway.
pub(super) fn limits() -> Limits {
    let patience = Duration::from_secs(10);
    Limits { attempt: patience, total: patience, retries: 0, ..Limits::default() }
}

/// Asks for as long as it is let. Whatever the host says or does not say, the command goes on:
/// trouble is told to people, once each, and only news to the keeper.
pub(super) async fn attend(
    mut conversation: Conversation<'_>,
    watching: Watching,
    output: &Output,
    (tell, leases): (mpsc::Sender<News>, Leases<'_>),
) -> Infallible {
    let mut pace = Pace::new(watching.interval);
    let mut trouble = Trouble::default();
    loop {
        sleep(pace.pause(watching.random)).await;
        let news = ask(&mut conversation, &watching, (leases, output)).await;
        match &news {
            Err(Error::Unreachable { .. } | Error::TimedOut { .. }) => pace.silent(),
            _ => pace.heard(),
        }
        trouble.report(news.as_ref().err(), output);
        if let Ok(Some(boot)) = news {
            // Waits while the last change is still being acted upon.
            let _ = tell.send(News::Changed(boot)).await;
        }
    }
}

/// The configuration, if it is another one. It is fetched after the fleet was spread and not
/// before: what is started then is what is true then, and no value waits in our memory.
async fn ask(
    conversation: &mut Conversation<'_>,
    watching: &Watching,
    (leases, output): (Leases<'_>, &Output),
) -> Result<Option<Boot>, Error> {
    let changed = leases.while_asking(conversation.has_changed(), |changed| match changed {
        // Nothing was started with what that answer held.
        Changed::Yes(Some(held)) => Some(Order::End(held.clone())),
        Changed::Yes(None) | Changed::No => None,
    });
    if let Changed::No = changed.await? {
        return Ok(None);
    }
    let pause = within(watching.spread, watching.random);
    output.note(&format!("the configuration changed; acting on it in {} s", pause.as_secs()));
    sleep(pause).await;
    let fetched = leases.while_asking(conversation.fetch(), |boot| boot.lease.clone().map(Order::Hold));
    fetched.await.map(Some)
}

/// What is wrong just now, so that it is said once and not at every question.
#[derive(Default)]
struct Trouble(Option<String>);

impl Trouble {
    fn report(&mut self, error: Option<&Error>, output: &Output) {
        let now = error.map(line);
        if now == self.0 {
            return;
        }
        match &now {
            Some(line) => output.warning(&format!("the command keeps the configuration it has: {line}")),
            None => output.note("the host answers again"),
        }
        self.0 = now;
    }
}

/// An error on one line, with the code and the keys of a refusal.
fn line(error: &Error) -> String {
    let Some(refusal) = error.refusal() else { return error.to_string() };
    let problem = &refusal.problem;
    let keys = if problem.keys.is_empty() { String::new() } else { format!(": {}", problem.keys.join(", ")) };
    format!("{error} ({}, status {}{keys})", problem.code, problem.status)
}
