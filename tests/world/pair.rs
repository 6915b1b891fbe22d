//! Two workspaces on one host that share every name: `acme`, and `other`, its twin. What is in
//! them is told apart by what only one place has.

use std::sync::Arc;

use bootlace::{
    host::{Author, MintRequest},
    id::{Revision, UnixSeconds},
    keyring::RootKeys,
    model::{Role, Scope},
    signing::TrustedSigners,
};

use super::{NOON, Site, World, blocking};

/// Every environment of both workspaces; no deployment uses `development`.
pub(crate) const ENVIRONMENTS: [&str; 4] = ["production", "staging", "preview/pr-42", "development"];

/// A host that serves both.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) twin: Site,
}

/// One environment of one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) workspace: &'static str,
    pub(crate) environment: &'static str,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let (mut acme, mut twin) = (Site::starter(), Site::twin());
        for site in [&mut acme, &mut twin] {
            mark(site);
        }
        twin.write(
            "deployments/ledger.toml",
            "id = \"0123456789abcdef0123456789abcdef\"\n[environments.staging]\n",
        );
        acme.mint_more(&twin);
        let records = acme.extra.clone();
        let (roots, trusted) = (
            RootKeys::new([acme.root_key(), twin.root_key()]),
            TrustedSigners::new([acme.operator_key().verifying_key(), twin.operator_key().verifying_key()]),
        );
        let directory = twin.directory();
        let bootstrap = directory.bootstrap.clone().unwrap();
        let world = World::with_settings(acme, |settings| {
            settings.roots = roots;
            settings.trusted = trusted;
            let state = settings.bootstrap.as_mut().unwrap();
            state.begin(&directory.configuration.workspace, bootstrap.tokens, bootstrap.active);
            state.tokens_mut().extend(records.into_iter().map(|record| (record.hash, record)));
        })
        .await;
        let pushed = world.push(&twin.bundle_of(&directory, Revision(0)), 0).await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
        world.clock.advance(UnixSeconds(NOON.0 + 60));
        Self { world, twin }
    }

    pub(crate) fn site(&self, workspace: &str) -> &Site {
        if workspace == "acme" { &self.world.site } else { &self.twin }
    }

    pub(crate) fn places() -> impl Iterator<Item = Place> {
        let workspaces = ["acme", "other"].into_iter();
        workspaces.flat_map(|workspace| ENVIRONMENTS.map(|environment| Place { workspace, environment }))
    }

    /// What only `place` has, whoever looks.
    pub(crate) fn canaries(&self, place: Place) -> Vec<String> {
        let Place { workspace, environment } = place;
        let short = environment.split('/').next().unwrap();
        let secret = if workspace == "acme" { "demo" } else { "twin" };
        let uid = self.site(workspace).uid(environment).to_string();
        let encoded = format!("{secret}%2F{short}%40");
        vec![format!("{secret}-{short}-"), format!("{secret}/{short}@"), encoded, uid, name_of(place)]
    }

    /// A token for a place, minted now.
    pub(crate) async fn victim(&self, place: Place) -> String {
        let scope = Scope::Instance {
            workspace: place.workspace.parse().unwrap(),
            deployment: "checkout".parse().unwrap(),
            environment: place.environment.parse().unwrap(),
        };
        let request = MintRequest { scope, principal: name_of(place), expires_in: None };
        let host = Arc::clone(&self.world.host);
        blocking(move || host.mint(&Author::process("the tests"), request).unwrap()).await.record.id
    }
}

/// The name of a variable that only `place` has.
fn name_of(place: Place) -> String {
    let environment = place.environment.replace(['/', '-'], "_");
    format!("ONLY_{}_{environment}", place.workspace).to_uppercase()
}

fn mark(site: &mut Site) {
    // The one thing that an environment's own answers may name of another one.
    let borrowed =
        "REDIS_URL = { service = \"cache\", of = \"staging\", description = \"carts and rate limits\" }\n";
    site.edit("deployments/checkout.toml", borrowed, "");
    for environment in ENVIRONMENTS.into_iter().filter(|name| *name != "development") {
        let name = name_of(Place { workspace: site.workspace, environment });
        site.set_plain(environment, &name, "its name is the mark");
    }
}

impl Site {
    /// Tokens that are limited, have expired, or will be revoked; `twin` lends the other workspace.
    fn mint_more(&mut self, twin: &Site) {
        let tenant = |workspace: &str, role, environment: &str| Scope::Tenant {
            workspace: workspace.parse().unwrap(),
            role,
            environments: [environment.parse().unwrap()].into(),
        };
        let past = Some(UnixSeconds(NOON.0 + 1));
        let instance = Scope::Instance {
            workspace: "acme".parse().unwrap(),
            deployment: "checkout".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        let whole = Scope::Tenant {
            workspace: twin.workspace.parse().unwrap(),
            role: Role::Admin,
            environments: [].into(),
        };
        let wanted = [
            ("acme staging viewer", tenant("acme", Role::Viewer, "staging"), None),
            ("acme staging developer", tenant("acme", Role::Developer, "staging"), None),
            ("acme staging releaser", tenant("acme", Role::Releaser, "staging"), None),
            ("acme staging admin", tenant("acme", Role::Admin, "staging"), None),
            ("acme preview viewer", tenant("acme", Role::Viewer, "preview/pr-42"), None),
            ("other production admin", tenant("other", Role::Admin, "production"), None),
            ("expired instance", instance.clone(), past),
            ("expired admin", whole, past),
            ("expired operator", Scope::Operator, past),
            ("revoked instance", instance, None),
        ];
        for (name, scope, expires) in wanted {
            let record = self.mint_one(name, scope, expires);
            self.extra.push(record);
        }
    }
}
