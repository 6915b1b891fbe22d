//! What `run` asks a host: first for everything, then whether it is still the same.

use std::{collections::BTreeMap, time::Duration};

use http::{StatusCode, header};
use serde::Deserialize;

use super::lease::Held;
use crate::{
    cli::{connection::BootHost, facts::FactArgs, output::Output},
    client::{Answer, Client, Error, Limits, Request},
};

/// One instance's conversation with its host. It holds no value: only the identity of the last
/// answer, which is what a question about changes needs.
pub(super) struct Conversation<'a> {
    host: &'a BootHost,
    limits: Limits,
    client: Client,
    request: Request,
    /// For how long a lease is wanted.
    lease: Option<Duration>,
    etag: Option<String>,
}

/// What a boot answers, as far as `run` needs it.
#[derive(Deserialize)]
pub(super) struct Boot {
    env: BTreeMap<String, String>,
    #[serde(default)]
    warnings: Vec<String>,
    /// What came with it, where that was asked for.
    #[serde(skip)]
    pub(super) lease: Option<Held>,
}

/// Whether something is other than it was.
pub(super) enum Changed {
    No,
    /// It is; with the lease of the answer that said so.
    Yes(Option<Held>),
}

impl Boot {
    /// The variables, once its warnings are said.
    pub(super) fn told(self, output: &Output) -> BTreeMap<String, String> {
        for warning in &self.warnings {
            output.warning(warning);
        }
        self.env
    }
}

impl<'a> Conversation<'a> {
    /// # Errors
    /// The address, the token or the certificates are not usable: wrong usage.
    pub(super) fn open(host: &'a BootHost, facts: &FactArgs, limits: Limits) -> anyhow::Result<Self> {
        let request = facts.tell(Request::get(&["v1", "boot"])).query("format", "json");
        Ok(Self {
            client: host.client_within(limits.clone())?,
            host,
            limits,
            request,
            lease: None,
            etag: None,
        })
    }

    /// From now on a boot asks for a lease.
    pub(super) fn wants_lease(&mut self, lease: Duration) {
        self.lease = Some(lease);
    }

    /// From now on within other limits.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn within(&mut self, limits: Limits) -> anyhow::Result<()> {
        self.client = self.host.client_within(limits.clone())?;
        self.limits = limits;
        Ok(())
    }

    /// Everything, as it is now.
    ///
    /// # Errors
    /// The host cannot be reached, refuses, or makes no sense.
    pub(super) async fn boot(&mut self) -> anyhow::Result<Boot> {
        Ok(self.fetch().await?)
    }

    /// The same, for those who tell a refusal from silence.
    pub(super) async fn fetch(&mut self) -> Result<Boot, Error> {
        let answer = self.send(self.leased()).await?;
        let boot = Boot { lease: Held::of(&answer), ..answer.json()? };
        self.etag = answer.header(header::ETAG.as_str()).map(str::to_owned);
        Ok(boot)
    }

    /// Whether a boot would now be answered with something else. What it would be is not kept:
    /// by the time that somebody acts on it, it may be old. The lease that came with it is over, then.
    pub(super) async fn has_changed(&mut self) -> Result<Changed, Error> {
        let request = match &self.etag {
            Some(etag) => self.leased().if_none_match(etag),
            None => self.leased(),
        };
        let answer = self.send(request).await?;
        Ok(match answer.status {
            StatusCode::NOT_MODIFIED => Changed::No,
            _ => Changed::Yes(Held::of(&answer)),
        })
    }

    fn leased(&self) -> Request {
        match self.lease {
            Some(lease) => self.request.clone().lease(lease),
            None => self.request.clone(),
        }
    }

    async fn send(&mut self, request: Request) -> Result<Answer, Error> {
        let answer = self.client.send(&request).await;
        let refused = answer.as_ref().err().and_then(Error::refusal);
        if refused.is_some_and(|refusal| refusal.status == StatusCode::UNAUTHORIZED)
            // A token file that was replaced meanwhile, as rotation does, is read for next time.
            && let Ok(client) = self.host.client_within(self.limits.clone())
        {
            self.client = client;
        }
        answer
    }
}
