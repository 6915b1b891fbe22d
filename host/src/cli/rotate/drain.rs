//! Waiting until nobody holds what is old, and saying who still does.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde::Deserialize;

use super::steps::Steps;

/// How long to wait, and how often to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) interval: Duration,
    pub(super) timeout: Option<Duration>,
}

/// Who holds something that is old.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Such as `version 1`.
    pub(super) what: String,
    /// How many leases.
    pub(super) leases: usize,
    /// As many of them as the host lists.
    pub(super) holders: Vec<Holder>,
}

/// An instance that holds it.
#[derive(Debug, Deserialize)]
pub(super) struct Holder {
    lease: String,
    deployment: String,
    environment: String,
    instance: Option<String>,
    state: String,
}

impl Held {
    fn text(&self) -> String {
        let mut listed: Vec<_> = self.holders.iter().map(Holder::text).collect();
        if self.leases > listed.len() {
            listed.push(format!("and {} more", self.leases - listed.len()));
        }
        let instances = if self.leases == 1 { "instance holds" } else { "instances hold" };
        format!("{} {instances} {}: {}", self.leases, self.what, listed.join(", "))
    }
}

impl Holder {
    fn text(&self) -> String {
        let name = self.instance.as_deref().unwrap_or("an instance");
        let Self { lease, deployment, environment, .. } = self;
        match self.state.as_str() {
            "lost" => format!(
                "{name} of {deployment} in {environment} (lost; `bootlace lease gone -d {deployment} {lease}` if it is gone)"
            ),
            _ => format!("{name} of {deployment} in {environment}"),
        }
    }
}

/// Asks until no lease holds it; a line whenever that changed. `next` says how to go on later.
pub(super) fn drain(
    patience: Patience,
    steps: &Steps<'_>,
    next: &str,
    mut ask: impl FnMut() -> anyhow::Result<Held>,
) -> anyhow::Result<()> {
    let (began, mut said) = (Instant::now(), String::new());
    loop {
        let held = ask()?;
        if held.leases == 0 {
            return steps.say("drained", &format!("no lease holds {}", held.what));
        }
        let text = held.text();
        if patience.timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
            bail!("{text}; restart those that run, report gone those that are, and go on with `{next}`");
        }
        if text != said {
            steps.say("drain", &text)?;
            said = text;
        }
        thread::sleep(patience.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_it_is_told_and_how_many_more() {
        let holder = |state: &str| Holder {
            lease: "5f0c".into(),
            deployment: "checkout".into(),
            environment: "staging".into(),
            instance: Some("web-1".into()),
            state: state.into(),
        };
        let held = Held { what: "version 1".into(), leases: 1, holders: vec![holder("live")] };
        assert_eq!(held.text(), "1 instance holds version 1: web-1 of checkout in staging");
        let held = Held { leases: 3, holders: vec![holder("lost")], ..held };
        let text = held.text();
        assert!(text.starts_with("3 instances hold version 1: web-1 of checkout in staging (lost; `bootlace lease gone -d checkout 5f0c`"), "{text}");
        assert!(text.ends_with(", and 2 more"), "{text}");
    }
}
