//! The signals that a supervisor hands on.

use std::{future::poll_fn, io, task::Poll};

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of the command's process group, as a terminal and a service manager send it. Else
    /// `sh -c 'server'` would end and its server would not hear of it.
    Group,
    /// The command alone: what it starts may not know what it means, and would die of it.
    Command,
}

const FORWARDED: [(Signal, Reach); 7] = [
    (Signal::INT, Reach::Group),
    (Signal::TERM, Reach::Group),
    (Signal::QUIT, Reach::Group),
    (Signal::WINCH, Reach::Group),
    (Signal::HUP, Reach::Command),
    (Signal::USR1, Reach::Command),
    (Signal::USR2, Reach::Command),
];

/// What was sent to the supervisor and is meant for its command.
pub(super) struct Signals(Vec<(Stream, Signal, Reach)>);

impl Signals {
    /// From now on none of them ends this process.
    pub(super) fn listen() -> io::Result<Self> {
        let stream = |(wanted, reach): (Signal, Reach)| {
            Ok((signal(SignalKind::from_raw(wanted.as_raw()))?, wanted, reach))
        };
        Ok(Self(FORWARDED.into_iter().map(stream).collect::<io::Result<_>>()?))
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> (Signal, Reach) {
        poll_fn(|context| {
            let streams = self.0.iter_mut();
            let mut ready = streams.filter_map(|(stream, signal, reach)| {
                matches!(stream.poll_recv(context), Poll::Ready(Some(()))).then_some((*signal, *reach))
            });
            ready.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Reads a signal's name, with `SIG` or without.
pub(super) fn named(text: &str) -> Result<Signal, &'static str> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let known = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
    ];
    let found = known.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, signal)| signal).ok_or("one of HUP, INT, QUIT, TERM, USR1, USR2, WINCH")
}
