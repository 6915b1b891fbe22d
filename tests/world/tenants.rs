//! Two tenants on one host, one of whom may be hostile.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bootlace::{
    host::HostSettings, id::Revision, keyring::RootKeys, signing::TrustedSigners, source::starter::ACTIVE,
};

use super::{Answer, Site, World, http, site::component};

/// The second tenant's workspace.
pub(crate) const OTHER: &str = "umbra";

/// A host that serves the starter workspace, and another tenant's directory.
pub(crate) struct Tenants {
    pub(crate) world: World,
    pub(crate) other: Site,
    /// The other tenant's live revision.
    pub(crate) revision: u64,
}

impl Tenants {
    /// The other tenant has the starter's configuration without policies.
    pub(crate) async fn start() -> Self {
        Self::with_settings(|_| {}).await
    }

    /// The same, with other settings of the host.
    pub(crate) async fn with_settings(change: impl FnOnce(&mut HostSettings)) -> Self {
        let mut other = Site::starter_with(&[]);
        other.edit("workspace.toml", "name = \"acme\"", &format!("name = \"{OTHER}\""));
        other.govern(&[], "");
        let own = Site::starter();
        let roots = RootKeys::new([own.root_key(), other.root_key()]);
        let trusted = [&own, &other].map(|site| site.operator_key().verifying_key());
        let directory = other.directory();
        let world = World::with_settings(own, |settings| {
            settings.roots = roots;
            settings.trusted = TrustedSigners::new(trusted);
            let bootstrap = directory.bootstrap.unwrap();
            let state = settings.bootstrap.as_mut().unwrap();
            state.begin(&directory.configuration.workspace, bootstrap.tokens, bootstrap.active);
            change(settings);
        });
        let mut tenants = Self { world: world.await, other, revision: 0 };
        tenants.push_accepted().await;
        tenants
    }

    /// Pushes the other tenant's directory.
    pub(crate) async fn push(&self) -> Answer {
        self.world.push(&self.other.bundle(Revision(self.revision)), self.revision).await
    }

    /// Pushes it, and expects that it is served.
    pub(crate) async fn push_accepted(&mut self) {
        let pushed = self.push().await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
        self.revision += 1;
    }

    /// Pushes it, and expects that it is refused and nothing changed; what the refusal says.
    pub(crate) async fn push_refused(&self) -> String {
        let before = self.boot("staging", "").await;
        let pushed = self.push().await;
        assert_eq!((pushed.status, pushed.code().as_str()), (422, "invalid"), "{}", pushed.text());
        let after = self.boot("staging", "").await;
        assert_eq!(after.header("bootlace-revision"), self.revision.to_string());
        assert_eq!((before.status, before.environment()), (200, after.environment()));
        pushed.json()["detail"].as_str().unwrap().to_owned()
    }

    /// The other tenant's instance boots.
    pub(crate) async fn boot(&self, environment: &str, query: &str) -> Answer {
        self.world.get_boot(&format!("/v1/boot?{query}"), Some(self.other.token(environment))).await
    }

    /// What the other tenant's boot would be told, and why.
    pub(crate) async fn explain(&self, environment: &str, query: &str) -> serde_json::Value {
        let path = format!(
            "/api/v1/deployments/checkout/explain?workspace={OTHER}&environment={environment}&{query}"
        );
        let answer = self.world.admin("GET", &path, &self.world.operator, []).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The starter workspace's instances boot without a pause, in every environment and each time
    /// in another region, so that its policies are asked. None may notice anything.
    pub(crate) async fn neighbours(&self) -> Neighbours {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for (environment, _) in ACTIVE {
            let expected = self.world.environment(environment).await;
            let (address, stop) = (self.world.boot_address(), Arc::clone(&stop));
            let token = self.world.site.token(environment).to_owned();
            tasks.push(tokio::spawn(async move {
                let mut connection = http::Connection::open(address).await;
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) || count == 0 {
                    let path = format!("/v1/boot?region=nowhere-{count}");
                    let request = http::prepared("GET", &path, Some(&token), &[], Vec::new());
                    let answer = connection.send(request).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(answer.environment(), expected);
                    count += 1;
                }
                count
            }));
        }
        Neighbours { stop, tasks }
    }
}

/// Instances of another tenant that boot all the time.
pub(crate) struct Neighbours {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<usize>>,
}

impl Neighbours {
    /// How often each booted, which always succeeded.
    pub(crate) async fn stop(self) -> Vec<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = Vec::new();
        for task in self.tasks {
            counts.push(task.await.unwrap());
        }
        counts
    }
}

impl Site {
    /// Replaces all policies: `components` by name, and `attachments` as `policies.toml` has them.
    pub(crate) fn govern(&mut self, components: &[(&str, Vec<u8>)], attachments: &str) -> &mut Self {
        let mut text = String::new();
        for (name, bytes) in components {
            let path = format!("policies/{name}.wasm");
            write!(text, "[policies.{name}]\ncomponent = \"{path}\"\n").unwrap();
            self.write(&path, bytes.clone());
        }
        text += attachments;
        self.write("policies.toml", text)
    }

    /// Promotion policies, with their settings, of releases that move to `environment`; beside them what the
    /// starter attaches to its deployment.
    pub(crate) fn guard(&mut self, environment: &str, guards: &[(&str, &[(&str, &str)])]) -> &mut Self {
        let place = format!("environment = \"{environment}\"");
        let all = guards.iter().map(|(policy, settings)| attachment(policy, &place, settings));
        let affinity = attachment("region-affinity", "deployment = \"checkout\"", &[]);
        let all: String = all.chain([affinity]).collect();
        let names = guards.iter().map(|(policy, _)| *policy).chain(["region-affinity"]);
        let components: Vec<_> = names.map(|name| (name, component(name))).collect();
        self.govern(&components, &all)
    }
}

/// An attachment of a policy; `place` as in `policies.toml`.
pub(crate) fn attachment(policy: &str, place: &str, settings: &[(&str, &str)]) -> String {
    let settings: BTreeMap<_, _> = settings.iter().copied().collect();
    let settings: Vec<_> = settings.iter().map(|(key, value)| format!("{key} = \"{value}\"")).collect();
    format!("[[attachments]]\npolicy = \"{policy}\"\n{place}\nsettings = {{ {} }}\n", settings.join(", "))
}
