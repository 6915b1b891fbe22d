//! A workspace that begins without a directory: empty but for the three environments that most have, which
//! belong to whoever changes them by API.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::json;

use super::{Author, ChangeError, Changed, Host, prepare::Ingredients, push::Told};
use crate::{
    audit,
    change::{Edit, Precondition},
    entropy::fresh,
    generation::Sets,
    id::{Revision, Uid, UnixSeconds, WorkspaceId},
    keyring::{Keyring, new_data_key},
    model::{Configuration, Environment, EnvironmentType},
    system,
};

/// The most workspaces of a host that operators make by API.
const MAX_WORKSPACES: usize = 1_000;
/// What nobody pushes is not meant to be replaced by any time: the end of the year 9999.
const NEVER: UnixSeconds = UnixSeconds(253_402_300_799);
/// The environments, each with the one that it promotes to.
const DEFAULTS: [(&str, EnvironmentType, Option<&str>); 3] = [
    ("production", EnvironmentType::Production, None),
    ("staging", EnvironmentType::PreProduction, Some("production")),
    ("development", EnvironmentType::Development, Some("staging")),
];

impl Host {
    /// Makes a workspace with development, staging and production, in a chain; production is protected. One
    /// that was cut off before it had them is given them.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn create_workspace(&self, author: &Author, name: &WorkspaceId) -> Result<Changed, ChangeError> {
        let environments: Vec<_> = DEFAULTS.into_iter().map(environment).collect();
        if self.is_begun(name) {
            return self.change(author, name, &environments, Precondition::Absent);
        }
        let refused =
            |error: &ChangeError| json!({ "workspace": name.as_str(), "reason": audit::reason(error) });
        let made = self.try_create_workspace(author, name);
        self.finished("workspace", author.principal(), refused, made)?;
        self.change(author, name, &environments, Precondition::Absent)
    }

    /// Whether a kill came between the workspace and its environments, which are two commits: what a
    /// directory could own is in the slots, and what was made by API in the ledger. Whoever repeats it goes on.
    fn is_begun(&self, name: &WorkspaceId) -> bool {
        let live = self.store.load();
        let first = Revision::default().next();
        let is_first = live.workspace(name).is_some_and(|served| {
            let configuration = &served.snapshot.configuration;
            served.snapshot.revision == first && configuration.environments.is_empty()
        });
        is_first && self.history(name).iter().all(|kept| kept.pushed.is_none())
    }

    fn try_create_workspace(&self, author: &Author, name: &WorkspaceId) -> Result<Changed, ChangeError> {
        let workshop = self.workshop.lock();
        if let Some((current, _)) = self.known(name) {
            let what = format!("workspace {name}");
            return Err(ChangeError::Changed { what, current: Some(current) });
        }
        if self.store.load().workspaces().len() >= MAX_WORKSPACES {
            let rule = format!("a host has at most {MAX_WORKSPACES} workspaces that are made by API");
            return Err(ChangeError::Invalid(vec![rule]));
        }
        let uid = Uid(fresh(&mut system::entropy));
        let root = workshop.roots.named(workshop.base_root).ok_or(ChangeError::NoRootKey)?;
        // The base layers'; an environment brings its own.
        let (_, base) = new_data_key(root, uid, Uid::NONE, 1, &mut system::entropy);
        let keys = vec![base];
        let keyring = Keyring::unwrap(uid, &keys, &workshop.roots);
        let active = BTreeMap::new();
        let ingredients = Ingredients {
            configuration: Configuration::new(name.clone(), uid),
            keys,
            keyring: &keyring,
            revision: Revision::default().next(),
            created: self.clock.now(),
            not_after: NEVER,
            made: Arc::default(),
            active: &active,
            sets: Sets::new(),
            certified: false,
            parent: None,
            touched: None,
        };
        let details = |made: &Changed| json!({ "workspace": name.as_str(), "revision": made.revision.0 });
        self.take_over(author, &workshop, ingredients, None, &Told { kind: "workspace", details: &details })
    }
}

fn environment((name, kind, promotes_to): (&str, EnvironmentType, Option<&str>)) -> Edit {
    let named = |text: &str| text.parse().expect("the default environments have names");
    let wanted = Environment {
        name: named(name),
        uid: Uid::NONE,
        kind,
        protected: kind == EnvironmentType::Production,
        deprecated: false,
        expires: None,
        promotes_to: promotes_to.map(named),
        trigger: None,
        labels: BTreeMap::new(),
    };
    Edit::CreateEnvironment { wanted, deployments: BTreeSet::new() }
}
