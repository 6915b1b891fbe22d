//! What the verbs have in common that list, show and change one kind of thing by the control API.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    block_on,
    connection::AdminHost,
    exit::Misuse,
    hardening::forbid_dumps,
    output::{Output, Page},
    value,
};
use crate::{
    client::{Answer, Request},
    id::EnvironmentName,
};

/// How a change is made.
#[derive(Debug, Args)]
pub struct Making {
    /// The protected environments that the change comes to, to say that it is meant
    #[arg(long, value_name = "ENVIRONMENT", value_delimiter = ',')]
    confirm: Vec<EnvironmentName>,

    /// Only if it was last changed by this revision, as it is shown
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u64>,
}

/// A password, which is never an argument.
#[derive(Debug, Args)]
pub struct Password {
    /// Ask for the password, or read it from standard input
    #[arg(long)]
    password: bool,

    /// Read the password from this file
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// What every change is answered with.
#[derive(Deserialize)]
struct Changed {
    revision: u64,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Whose something is.
#[derive(Deserialize)]
pub(super) struct Owned {
    pub(super) owner: String,
    /// Null where a directory owns it.
    etag: Option<String>,
}

impl Owned {
    /// For a page: `api`, at which revision, or `directory`.
    pub(super) fn shown(&self) -> String {
        let revision = self.etag.as_deref().map(|etag| etag.trim_matches('"'));
        revision.map_or_else(|| self.owner.clone(), |revision| format!("{} {revision}", self.owner))
    }
}

impl Password {
    /// The password, if there is to be one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(&self, what: &str) -> anyhow::Result<Option<String>> {
        if !self.password && self.from.is_none() {
            return Ok(None);
        }
        secret(self.from.as_deref(), what).map(Some)
    }
}

/// A secret from a file, standard input or a person.
pub(super) fn secret(from: Option<&std::path::Path>, what: &str) -> anyhow::Result<String> {
    let _dumps_off = forbid_dumps()?;
    let bytes = value::read(from, false, what, "--from")?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Misuse(format!("{what} is not UTF-8 text")))?;
    Ok(text.to_owned())
}

/// Asks for something.
pub(super) fn ask(host: &AdminHost, segments: &[&str]) -> anyhow::Result<Answer> {
    send(host, Request::get(segments))
}

/// Shows what the host answers: as it came, or as a page.
pub(super) fn show<T: DeserializeOwned>(
    host: &AdminHost,
    segments: &[&str],
    output: &Output,
    page: impl FnOnce(&T, &mut Page),
) -> anyhow::Result<()> {
    let answer = ask(host, segments)?;
    if output.is_json() {
        return Ok(output.raw(&answer.body)?);
    }
    let mut shown = output.page();
    page(&answer.json()?, &mut shown);
    Ok(output.show(&shown)?)
}

/// Shows a whole list, however many pages it comes in; `name` is what its entries are called.
pub(super) fn list<T: DeserializeOwned>(
    host: &AdminHost,
    segments: &[&str],
    name: &str,
    output: &Output,
    page: impl FnOnce(&T, &mut Page),
) -> anyhow::Result<()> {
    let whole = host.list(Request::get(segments), name)?;
    if output.is_json() {
        return Ok(output.json(&whole)?);
    }
    let mut shown = output.page();
    page(&serde_json::from_value(whole)?, &mut shown);
    Ok(output.show(&shown)?)
}

/// Makes a change and says so.
pub(super) fn change(
    host: &AdminHost,
    making: &Making,
    request: Request,
    done: &str,
    output: &Output,
) -> anyhow::Result<()> {
    let answer = made(host, making, request, making.if_match)?;
    told(&answer, done, output)
}

/// Changes what is read first and written as a whole: only if nobody else did so in between.
pub(super) fn rewrite(
    host: &AdminHost,
    making: &Making,
    segments: &[&str],
    next: impl FnOnce(Value) -> anyhow::Result<Value>,
) -> anyhow::Result<Answer> {
    let before = ask(host, segments)?;
    let read = before.header("etag").and_then(|etag| etag.trim_matches('"').parse().ok());
    let owned: Owned = before.json()?;
    let body = next(before.json()?)?;
    // What a directory owns has no tag of its own; the host says whose it is.
    let read = read.filter(|_| owned.etag.is_some());
    made(host, making, with(Request::put(segments), &body)?, making.if_match.or(read))
}

/// Says what was made.
pub(super) fn told(answer: &Answer, done: &str, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.raw(&answer.body)?);
    }
    let Changed { revision, warnings } = answer.json()?;
    let mut page = output.page();
    page.heading(done, &format!("in revision {revision}"));
    warnings.iter().for_each(|warning| output.warning(warning));
    Ok(output.show(&page)?)
}

/// A request with a JSON body.
pub(super) fn with(request: Request, body: &Value) -> anyhow::Result<Request> {
    Ok(request.body("application/json", serde_json::to_vec(body)?))
}

/// A table with one entry for an environment.
pub(super) fn one(environment: &EnvironmentName, value: Value) -> Value {
    json!(BTreeMap::from([(environment.as_str(), value)]))
}

fn made(
    host: &AdminHost,
    making: &Making,
    request: Request,
    if_match: Option<u64>,
) -> anyhow::Result<Answer> {
    let confirm: Vec<_> = making.confirm.iter().map(EnvironmentName::as_str).collect();
    let confirm = (!confirm.is_empty()).then(|| confirm.join(","));
    let request = request.query_if("confirm", confirm.as_deref());
    let request = if_match.into_iter().fold(request, Request::if_match);
    send(host, request)
}

fn send(host: &AdminHost, request: Request) -> anyhow::Result<Answer> {
    let client = host.client()?;
    let request = host.within(request);
    block_on(async { Ok(client.send(&request).await?) })
}
