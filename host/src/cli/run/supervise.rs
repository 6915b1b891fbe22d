//! The supervisor: one loop that hands signals on, starts the command again when its configuration
//! changed, and ends as the command does.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{pending, poll_fn},
    pin::pin,
    process::ExitCode,
    str::FromStr,
    task::Poll,
    time::Duration,
};

use rustix::process::{Signal, WaitStatus};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Args,
    conversation::{Boot, Conversation},
    environment::Environment,
    family::Family,
    lease::{self, Held, Order},
    pace,
    signals::{self, Reach, Signals},
    watch::{self, Leases, News, Watching, attend},
};
use crate::cli::output::Output;

/// Whether and how to stay with the command.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Supervision")]
pub(super) struct Supervision {
    /// Stay as the command's parent: forward signals and the exit code, leave no process behind
    #[arg(long)]
    pub(super) supervise: bool,

    /// Ask the host for changes, and act on them
    #[arg(long, requires = "supervise")]
    watch: bool,

    /// What to do about a change: `restart`, or `signal:NAME` such as `signal:HUP`
    ///
    /// `restart` sends TERM, and KILL to what is left after --grace. A signal tells the command to
    /// fetch for itself: the environment of a running process cannot be changed.
    #[arg(long, requires = "watch", value_name = "ACTION", default_value = "restart")]
    on_change: OnChange,

    /// How often to ask, give or take a fifth; more rarely while the host is away
    #[arg(long, requires = "watch", value_name = "TIME", default_value = "10s", value_parser = pace::interval)]
    interval: Duration,

    /// Act on a change at a random moment within this time, so that a fleet does not restart at once
    #[arg(long, requires = "watch", value_name = "TIME", default_value = "30s", value_parser = pace::span)]
    spread: Duration,

    /// How long the command's lease lasts without being renewed, 10s to 24h
    ///
    /// It is renewed at a third of that. When it is not, the host takes it for lost, and it goes on to
    /// count until somebody reports the instance gone.
    #[arg(long, requires = "supervise", value_name = "TIME", default_value = "60s", value_parser = pace::lease)]
    pub(super) lease: Duration,

    /// How long the command may take to end when it is restarted
    #[arg(long, requires = "watch", value_name = "TIME", default_value = "10s", value_parser = pace::span)]
    grace: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnChange {
    Restart,
    Signal(Signal),
}

impl FromStr for OnChange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "restart" {
            return Ok(Self::Restart);
        }
        let name = text.strip_prefix("signal:").ok_or("restart, or signal: and a signal's name")?;
        Ok(Self::Signal(signals::named(name)?))
    }
}

/// Starts the command and stays until it has ended.
///
/// # Errors
/// It does not start, the first time or after a change.
pub(super) async fn supervise(
    args: &Args,
    mut conversation: Conversation<'_>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let (orders, waiting) = mpsc::channel(lease::ORDERS);
    let mut keeping = pin!(lease::keep(&args.host, waiting, pace::random, output));
    let boot = conversation.boot().await?;
    let leased = boot.lease.clone();
    tell(&orders, leased.clone().map(Order::Hold));
    let ended = tokio::select! {
        ended = stay(args, conversation, (boot, leased), &orders, output) => ended,
        never = &mut keeping => match never {},
    };
    // However it ended: nothing that was held runs any more.
    lease::release(keeping, &orders).await;
    ended
}

/// Tells the keeper of leases. What it cannot be told is a lease that is lost some day, and counts until then.
fn tell(orders: &mpsc::Sender<Order>, order: Option<Order>) {
    if let Some(order) = order {
        let _ = orders.try_send(order);
    }
}

/// The command's whole life: `first` is what it starts with, and the lease of that.
async fn stay(
    args: &Args,
    mut conversation: Conversation<'_>,
    (first, mut leased): (Boot, Option<Held>),
    orders: &mpsc::Sender<Order>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let settings = args.supervision;
    let environment = args.environment(first, output)?;
    conversation.within(watch::limits())?;
    // Until here a signal ends us, as nothing runs that would have to hear of it.
    let mut signals = Signals::listen()?;
    let mut family = Family::start(&args.command, environment, output)?;
    let (news, mut told) = mpsc::channel(1);
    let is_asking = Cell::new(false);
    let leases = Leases { orders, is_asking: &is_asking };
    let mut attending = pin!(settings.attend(conversation, output, (news, leases)));
    let mut ending = Ending::NotYet;

    let ended = loop {
        tokio::select! {
            (signal, reach) = signals.next() => {
                match reach {
                    Reach::Group => family.tell_all(signal),
                    Reach::Command => family.tell(signal),
                }
                // Whoever wants an end must not get a new beginning, now or later.
                if [Signal::TERM, Signal::INT].contains(&signal) {
                    ending = Ending::Wanted;
                }
            }
            () = family.stirred() => {
                let Some(status) = family.reap() else { continue };
                family.sweep().await;
                match ending {
                    Ending::Renewal { environment, lease, .. } => {
                        if let Err(error) = family.renew(environment) {
                            break Err(error);
                        }
                        // Only now nothing runs any more with what was held before.
                        tell(orders, std::mem::replace(&mut leased, lease).map(Order::End));
                    }
                    Ending::NotYet | Ending::Wanted => break Ok(code(status)),
                }
                ending = Ending::NotYet;
            }
            Some(News::Changed(boot)) = told.recv(), if matches!(ending, Ending::NotYet) => {
                // Put together before anything ends: what cannot be injected stops nothing.
                let lease = boot.lease.clone();
                match (args.environment(boot, output), settings.on_change) {
                    (Err(error), _) => {
                        tell(orders, lease.map(Order::End));
                        output.warning(&format!("the command keeps what it has: {error}"));
                    }
                    (Ok(_), OnChange::Signal(signal)) => {
                        // What the command fetches for itself is its own; it may still use what it was given.
                        tell(orders, lease.map(Order::End));
                        family.tell(signal);
                    }
                    (Ok(environment), OnChange::Restart) => {
                        output.note("restarting the command with its new configuration");
                        family.tell_all(Signal::TERM);
                        let until = Some(Instant::now() + settings.grace);
                        ending = Ending::Renewal { environment, lease, until };
                    }
                }
            }
            () = ending.overdue() => {
                output.warning("the command did not end in time and is killed");
                family.tell_all(Signal::KILL);
                ending.is_hastened();
            }
            never = &mut attending => match never {},
        }
    };
    // The lease of an answer that is on its way would be nobody's.
    let quiet = poll_fn(|context| {
        let _ = attending.as_mut().poll(context);
        if is_asking.get() { Poll::Pending } else { Poll::Ready(()) }
    });
    // A host that does not answer has no more to say.
    let _ = timeout(lease::FAREWELL, quiet).await;
    ended
}

/// Why the command may be about to end.
enum Ending {
    NotYet,
    /// Somebody asked for it.
    Wanted,
    /// It is to be started again, in this environment.
    Renewal {
        environment: Environment,
        /// The lease that came with it.
        lease: Option<Held>,
        /// When it is killed, if it was not yet.
        until: Option<Instant>,
    },
}

impl Ending {
    /// Resolves when patience is over.
    async fn overdue(&self) {
        match self {
            Self::Renewal { until: Some(until), .. } => sleep_until(*until).await,
            _ => pending().await,
        }
    }

    fn is_hastened(&mut self) {
        if let Self::Renewal { until, .. } = self {
            *until = None;
        }
    }
}

impl Supervision {
    async fn attend(
        self,
        conversation: Conversation<'_>,
        output: &Output,
        tell: (mpsc::Sender<News>, Leases<'_>),
    ) -> Infallible {
        if !self.watch {
            return pending().await;
        }
        let watching = Watching { interval: self.interval, spread: self.spread, random: pace::random };
        attend(conversation, watching, output, tell).await
    }
}

/// The command's own code, or 128 and the signal that killed it, as shells have it.
fn code(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
