//! A service's credential, by two database roles that take turns: the new one is handed out from now on, and the
//! old one goes when nobody connects as it any more. Both work until then, since they are two.

use std::str;

use anyhow::bail;
use serde::Deserialize;
use serde_json::json;

use super::{
    Args,
    drain::{Held, Holder, drain},
    listed,
    steps::Steps,
};
use crate::{
    cli::{exit::Misuse, hardening::forbid_dumps, output::Output, value},
    client::Request,
    id::ServiceId,
};

/// A rotation of the credential of one service's instance.
pub(super) struct Rotation<'a> {
    pub(super) service: &'a ServiceId,
    /// That owns the instance.
    pub(super) environment: &'a str,
    pub(super) args: &'a Args,
    pub(super) output: &'a Output,
}

/// `GET /api/v1/services/{id}/holders`; members may be added.
#[derive(Deserialize)]
struct Holders {
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    environment: String,
    user: String,
    credential_version: Option<u64>,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
    current: bool,
    leases: usize,
    #[serde(default)]
    unproven: u64,
    holders: Vec<Holder>,
    #[serde(default)]
    pins: usize,
    #[serde(default)]
    pinned: Vec<PinnedTo>,
}

#[derive(Deserialize)]
struct PinnedTo {
    deployment: String,
    environment: String,
}

/// `DELETE /api/v1/services/{id}/unproven`.
#[derive(Deserialize)]
struct Accepted {
    boots: u64,
}

impl Rotation<'_> {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let _dumps_off = forbid_dumps()?;
        let before = self.instance()?;
        let about = json!({ "service": self.service.as_str(), "environment": self.environment });
        let mut steps = Steps::of(self.output, about);
        let mut old_role = None;
        if !self.goes_on(&before)? {
            self.set()?;
            old_role = Some(before.user);
        }
        let now = self.instance()?;
        let Some(new) = now.credential_version else { bail!("{self} has no credential") };
        steps.note("version", new);
        steps.note("user", now.user.as_str());
        steps.say("set", &format!("version {new} of the credential of {self}, of {}", role(&now.user)))?;
        drain(self.args.patience(), &steps, &self.next(), || Ok(held(self.instance()?, &self.to_string())))?;
        if self.args.same_role {
            let text = format!(
                "no lease holds a password of {} from before; nothing is to be dropped",
                role(&now.user)
            );
            return steps.end("done", &text);
        }
        let old_role = old_role
            .filter(|old| *old != now.user)
            .map_or_else(|| "a role that was replaced".to_owned(), |old| role(&old));
        let accepted = self.is_over(&self.instance()?, &format!("do not drop {old_role} yet"))?;
        if accepted > 0 {
            steps.note("accepted_unproven", accepted);
        }
        steps.end("done", &format!("{old_role} can be dropped now"))
    }

    /// That nothing boots with an older version any more, and that no boot without a lease runs with one: nobody
    /// would hear when that ends. How many of these somebody vouches for.
    fn is_over(&self, now: &Instance, consequence: &str) -> anyhow::Result<u64> {
        let older = || now.versions.iter().filter(|one| !one.current);
        if let Some((version, pinned)) = older().find_map(|one| Some((one.version, one.pinned.first()?))) {
            let PinnedTo { deployment, environment } = pinned;
            bail!(
                "{deployment} in {environment} is pinned to a set with version {version} of the credential of {self}, and \
                 boots with that: {consequence}. When `bootlace unpin -d {deployment} -e {environment}` has taken the pin \
                 off and what runs there was restarted, go on with `{}`",
                self.next()
            );
        }
        if let Some(version) = older().find(|one| one.pins > 0) {
            bail!(
                "something in an environment that this token does not see is pinned to a set with version {} of the \
                 credential of {self}, and boots with that: {consequence}. Ask an admin to unpin it",
                version.version
            );
        }
        let unproven: u64 = older().map(|one| one.unproven).sum();
        // Of the same role, none is dropped.
        if unproven == 0 || self.args.same_role {
            return Ok(0);
        }
        if self.args.accept_unproven {
            let request = Request::delete(&["api", "v1", "services", self.service.as_str(), "unproven"]);
            let request = request.query("environment", self.environment);
            return Ok(self.args.target.ask(request)?.json::<Accepted>()?.boots);
        }
        let mut numbers: Vec<_> = older().filter(|one| one.unproven > 0).map(|one| one.version).collect();
        numbers.sort_unstable();
        bail!(
            "{} of the credential of {self} was given to {unproven} boots or fewer that hold no lease, and nobody can \
             tell whether they still run: {consequence}. Restart what may still run (`bootlace usage` says when there \
             were boots; `bootlace run --supervise` holds a lease), and when you know that none does, go on with \
             `{} --accept-unproven`",
            listed(&numbers),
            self.next()
        );
    }

    /// Whether nothing new is set, because somebody still holds an older one.
    fn goes_on(&self, before: &Instance) -> anyhow::Result<bool> {
        if self.args.go_on {
            return Ok(true);
        }
        let older = older(before);
        if older.is_empty() {
            self.two_roles(before)?;
            // Its role may be the one that is to get a new password.
            self.is_over(before, "do not change the password of the role before yet")?;
            return Ok(false);
        }
        let Args { user, same_role, password, from_file, .. } = self.args;
        if user.is_some() || *same_role || *password || value::is_given(from_file.as_deref())? {
            bail!(
                "{} of the credential of {self} is still held, and its role may be the one that is to get a new \
                 password; go on with `{}`, and rotate again then",
                listed(&older),
                self.next()
            );
        }
        Ok(true)
    }

    /// One role has one password: between the database's change and this one boots would be given what does not
    /// work.
    fn two_roles(&self, before: &Instance) -> anyhow::Result<()> {
        let Args { user, same_role, .. } = self.args;
        if *same_role || user.as_ref().is_some_and(|user| *user != before.user) {
            return Ok(());
        }
        let now = role(&before.user);
        let advice = format!(
            "{self} connects as {now}: name another role that may do the same with --user, so that both work until \
             nobody holds the old one; with --same-role the password of {now} is changed in place, and boots are given \
             one that does not work until the database and this host both have it"
        );
        Err(Misuse(advice).into())
    }

    fn set(&self) -> anyhow::Result<()> {
        let Args { target, user, from_file, keep_newline, .. } = self.args;
        let what = format!("the new password of {self}");
        let read = value::read(from_file.as_deref(), *keep_newline, &what, "--from-file")?;
        let text = str::from_utf8(&read).map_err(|_| Misuse(format!("{what} is not UTF-8 text")))?;
        let mut change = json!({ "credential": text });
        if let Some(user) = user {
            change["user"] = json!(user);
        }
        let body = json!({ "instances": { self.environment: change } });
        let request = Request::patch(&["api", "v1", "services", self.service.as_str()]);
        target.ask(request.body("application/json", serde_json::to_vec(&body)?)).map(drop)
    }

    fn instance(&self) -> anyhow::Result<Instance> {
        let path = ["api", "v1", "services", self.service.as_str(), "holders"];
        let request = Request::get(&path).query("environment", self.environment);
        let told: Holders = self.args.target.place.host.ask(request)?.json()?;
        let found = told.instances.into_iter().find(|one| one.environment == self.environment);
        found.ok_or_else(|| Misuse(format!("{self} is no instance of it")).into())
    }

    /// What goes on with this.
    fn next(&self) -> String {
        let same_role = if self.args.same_role { " --same-role" } else { "" };
        let confirm = self.args.target.confirm_words();
        let Self { service, environment, .. } = self;
        format!("bootlace rotate --service {service} -e {environment} --continue{same_role}{confirm}")
    }
}

impl std::fmt::Display for Rotation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.service, self.environment)
    }
}

/// The versions before the one in use that somebody holds.
fn older(instance: &Instance) -> Vec<u64> {
    let older = instance.versions.iter().filter(|one| !one.current && one.leases > 0);
    let mut numbers: Vec<_> = older.map(|one| one.version).collect();
    numbers.sort_unstable();
    numbers
}

fn held(instance: Instance, what: &str) -> Held {
    let older = older(&instance);
    let which = if older.is_empty() { "an older version".to_owned() } else { listed(&older) };
    let mut all = Held { what: format!("{which} of the credential of {what}"), ..Held::default() };
    for version in instance.versions.into_iter().filter(|one| !one.current) {
        all.leases += version.leases;
        all.holders.extend(version.holders);
    }
    all
}

fn role(user: &str) -> String {
    if user.is_empty() { "nobody in particular".to_owned() } else { format!("role {user}") }
}
