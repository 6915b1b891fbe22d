//! A secret that was set on the host, from its new version to the old one's revocation.

use std::{str, thread};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Args, canary,
    drain::{Held, Holder, drain},
    listed,
    steps::Steps,
};
use crate::{
    cli::{change::Etag, exit::Misuse, hardening::forbid_dumps, output::Output, value},
    client::{self, Request},
    id::VariableName,
};

/// A rotation of one secret.
pub(super) struct Rotation<'a> {
    pub(super) key: &'a VariableName,
    pub(super) args: &'a Args,
    pub(super) output: &'a Output,
}

/// `GET …/env/{name}/versions`; members may be added.
#[derive(Deserialize)]
struct Versions {
    owner: String,
    #[serde(default)]
    etag: Option<Etag>,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
    current: bool,
    live: bool,
    is_secret: bool,
    #[serde(default)]
    leases: usize,
    #[serde(default)]
    unproven: u64,
    #[serde(default)]
    holders: Vec<Holder>,
}

impl Versions {
    fn current(&self) -> u64 {
        self.versions.iter().find(|one| one.current).map_or(0, |one| one.version)
    }

    /// Those that are live beside the one that is handed out.
    fn old(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|one| one.live && !one.current)
    }

    fn old_numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<_> = self.old().map(|one| one.version).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Rotation<'_> {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let _dumps_off = forbid_dumps()?;
        let Args { target, canary, .. } = self.args;
        let place = &target.place;
        let before = self.versions()?;
        self.may_be_rotated(&before)?;
        let mut steps = Steps::of(
            self.output,
            json!({ "deployment": place.deployment(), "environment": place.environment(), "name": self.key.as_str() }),
        );
        // What may be refused comes first: at any share, one version alone is everybody's.
        let attached = if canary.is_some() { Some(canary::needed(self)?) } else { canary::find(self)? };
        let next = if self.goes_on(&before)? { None } else { Some(self.read()?) };
        if let Some(attached) = attached {
            attached.set(self, canary.unwrap_or(100))?;
        }
        if let Some(value) = next {
            self.set(&before, &value)?;
        }
        let now = self.versions()?;
        let (new, old) = (now.current(), listed(&now.old_numbers()));
        steps.note("version", new);
        steps.say("set", &format!("version {new} of {} of {place}, beside {old}", self.key))?;
        if let Some(percent) = *canary {
            steps.note("percent", percent);
            steps.say("canary", &format!("{percent} % of the instances are given version {new}"))?;
            let Some(soak) = self.args.soak else {
                let next = self.next();
                steps.note("next", next.as_str());
                return steps.end("stopped", &format!("go on with `{next}`"));
            };
            thread::sleep(soak);
        }
        steps.note("percent", 100);
        if let Some(attached) = canary::find(self)? {
            attached.set(self, 100)?;
        }
        let all = format!("every instance that boots is given version {new}");
        steps.say("all", &all)?;
        let revoked = self.drain_and_revoke(&steps)?;
        steps.note("revoked", revoked);
        steps.end("done", &format!("version {new} of {} of {place} is the only one", self.key))
    }

    /// Whether nothing new is set, because a rotation is under way.
    fn goes_on(&self, before: &Versions) -> anyhow::Result<bool> {
        let (key, place) = (self.key, &self.args.target.place);
        let is_under_way = before.old().next().is_some();
        if self.args.go_on {
            if !is_under_way {
                bail!("no rotation of {key} of {place} is under way: give it a new value without --continue");
            }
            return Ok(true);
        }
        if is_under_way && value::is_given(self.args.from_file.as_deref())? {
            bail!(
                "a rotation of {key} of {place} is under way: {} and {} are live. Go on with `{}`, and rotate again then",
                listed(&before.old_numbers()),
                before.current(),
                self.next()
            );
        }
        Ok(is_under_way)
    }

    fn may_be_rotated(&self, before: &Versions) -> anyhow::Result<()> {
        let (key, place) = (self.key, &self.args.target.place);
        if before.owner != "api" {
            bail!(
                "{key} of {place} is the workspace directory's: put the new version beside the old one in `versions` \
                 there, push, and take the old one out when nobody holds it (`bootlace lease list`)"
            );
        }
        if before.versions.iter().any(|one| one.current && !one.is_secret) {
            return Err(
                Misuse(format!("{key} of {place} is no secret; change it with `bootlace var set`")).into()
            );
        }
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Zeroizing<String>> {
        let Args { target, from_file, keep_newline, .. } = self.args;
        let what = format!("the new {} of {}", self.key, target.place);
        let read = value::read(from_file.as_deref(), *keep_newline, &what, "--from-file")?;
        let text = str::from_utf8(&read).map_err(|_| {
            Misuse(format!(
                "the new value of {} is not UTF-8 text; encode it, as base64 for example",
                self.key
            ))
        })?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The new version, beside those that are live; only if nobody else set one meanwhile.
    fn set(&self, before: &Versions, text: &str) -> anyhow::Result<()> {
        let target = &self.args.target;
        let wanted = json!({
            "environment": target.place.said(), "name": self.key.as_str(), "value": text, "is_secret": true, "keep": true,
        });
        let body = Zeroizing::new(serde_json::to_vec(&wanted)?);
        let mut request = Request::post(&target.place.path()).body("application/json", body.to_vec());
        if let Some(Etag(revision)) = before.etag {
            request = request.if_match(revision);
        }
        target.ask(request).map(drop)
    }

    /// Waits for each old version's last holder, and revokes it.
    fn drain_and_revoke(&self, steps: &Steps<'_>) -> anyhow::Result<Vec<u64>> {
        let mut revoked = Vec::new();
        while self.versions()?.old().next().is_some() {
            drain(self.args.patience(), steps, &self.next(), || Ok(held(self.versions()?)))?;
            let now = self.versions()?;
            let Some(old) = now.old().min_by_key(|one| one.version) else { break };
            if old.unproven > 0 && !self.args.accept_unproven {
                bail!(
                    "version {} of {} was given to {} boots or fewer that hold no lease, and nobody can tell whether \
                     they still run; when you know that they do not, go on with `{} --accept-unproven`",
                    old.version,
                    self.key,
                    old.unproven,
                    self.next()
                );
            }
            match self.revoke(old.version) {
                Ok(()) => {
                    steps.say("revoked", &format!("version {} of {}", old.version, self.key))?;
                    revoked.push(old.version);
                }
                // Somebody was given it just before.
                Err(error) if is_held(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(revoked)
    }

    fn revoke(&self, version: u64) -> anyhow::Result<()> {
        let Args { target, accept_unproven, .. } = self.args;
        let number = version.to_string();
        let path = target.place.below(&[self.key.as_str(), "versions", &number, "revoke"]);
        let request = target.place.here(Request::post(&path));
        target.ask(request.query_if("accept_unproven", accept_unproven.then_some("true"))).map(drop)
    }

    fn versions(&self) -> anyhow::Result<Versions> {
        let place = &self.args.target.place;
        let request = place.here(Request::get(&place.below(&[self.key.as_str(), "versions"])));
        let listed = place.host.list(request, "versions").with_context(|| {
            format!("cannot see the versions of {} of {place}, in that very layer", self.key)
        })?;
        Ok(serde_json::from_value(listed)?)
    }

    /// How the layer is written on the command line.
    pub(super) fn where_it_is(&self) -> String {
        let place = &self.args.target.place;
        let environment = place.environment().unwrap_or_default();
        match place.deployment() {
            Some(deployment) => format!("-d {deployment} -e {environment}"),
            None => format!("-e {environment}"),
        }
    }

    /// What goes on with this.
    fn next(&self) -> String {
        let all = if self.args.target.place.deployment().is_none() { "--all-deployments " } else { "" };
        let confirm = self.args.target.confirm_words();
        format!("bootlace rotate {all}{} {} --continue{confirm}", self.where_it_is(), self.key)
    }
}

/// Who holds the old versions.
fn held(now: Versions) -> Held {
    let mut all = Held { what: listed(&now.old_numbers()), ..Held::default() };
    for old in now.versions.into_iter().filter(|one| one.live && !one.current) {
        all.leases += old.leases;
        all.holders.extend(old.holders);
    }
    all
}

fn is_held(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<client::Error>().and_then(client::Error::refusal);
    refusal.is_some_and(|refusal| {
        refusal.problem.more.get("leases").is_some_and(|leases| leases.as_u64() > Some(0))
    })
}
