//! What tests run against: a real host in this process on loopback and free ports, its data in a
//! temporary directory, and a workspace that it was pushed.

pub(crate) mod canaries;
pub(crate) mod compiler;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod pair;
pub(crate) mod program;
pub(crate) mod service;
pub(crate) mod site;
pub(crate) mod small;
pub(crate) mod tenants;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bootlace::{
    bundle::BundleLimits,
    clock::{Clock, Steady},
    control::{Control, ControlError},
    host::{Host, HostSettings, StartError},
    id::{Revision, UnixSeconds},
    ledger::LedgerOpenError,
    policy::{Limits, lanes::LaneSettings},
    serve::listener::ListenerLimits,
    server::{Server, ServerSettings},
    slots::{DataDirectory, DirectoryError},
    state::State,
    system::entropy,
    upload::Compiler,
};
use tempfile::TempDir;

pub(crate) use http::Answer;
pub(crate) use site::Site;

/// Noon on a day in 2026: every world's clock starts here and moves when it is told to.
pub(crate) const NOON: UnixSeconds = UnixSeconds(1_795_348_800);

/// What is done while a host is down.
type Meanwhile = Box<dyn FnOnce(&Control) + Send>;

/// A host and what was pushed to it.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) host: Arc<Host>,
    pub(crate) clock: Clock,
    pub(crate) data: TempDir,
    pub(crate) operator: String,
    server: Server,
}

impl World {
    /// A host that serves the starter workspace.
    pub(crate) async fn start() -> Self {
        Self::with(Site::starter()).await
    }

    /// A host that serves `site`.
    pub(crate) async fn with(site: Site) -> Self {
        Self::with_settings(site, |_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn with_settings(site: Site, change: impl FnOnce(&mut HostSettings)) -> Self {
        let world = Self::empty(site, change).await;
        let pushed = world.push(&world.site.bundle(Revision(0)), 0).await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
        world
    }

    /// A host that knows `site`'s keys and tokens, and has no snapshot.
    pub(crate) async fn empty(site: Site, change: impl FnOnce(&mut HostSettings)) -> Self {
        let data = TempDir::new().unwrap();
        let clock = Clock::manual(NOON);
        let mut settings = settings(&site, data.path(), clock.clone());
        change(&mut settings);
        let host = blocking(move || Host::open(settings).unwrap()).await;
        let operator = std::fs::read_to_string(data.path().join("operator.token")).unwrap().trim().to_owned();
        let server = Server::start(Arc::clone(&host), loopback()).await.unwrap();
        Self { site, host, clock, data, operator, server }
    }

    /// Stops the host and starts another on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.restarted(None).await
    }

    /// The same, with something done to the ledger, or seen of it, in between.
    pub(crate) async fn restart_after(self, meanwhile: impl FnOnce(&Control) + Send + 'static) -> Self {
        self.restarted(Some(Box::new(meanwhile))).await
    }

    async fn restarted(self, meanwhile: Option<Meanwhile>) -> Self {
        let Self { site, host, clock, data, operator, server } = self;
        server.stop(Duration::ZERO).await;
        drop(host);
        let (host, site, data, clock) = blocking(move || {
            if let Some(meanwhile) = meanwhile {
                program::until("the host is gone", || {
                    !matches!(DataDirectory::open(data.path()), Err(DirectoryError::InUse { .. }))
                });
                meanwhile(&ledger(&site, data.path(), Steady::system()));
            }
            let mut host = None;
            // Whatever a request left at work has the host, and its locks, until it is done.
            program::until("the host is gone", || {
                match Host::open(settings(&site, data.path(), clock.clone())) {
                    Ok(opened) => host = Some(opened),
                    Err(error) => assert!(is_in_use(&error), "{error:?}"),
                }
                host.is_some()
            });
            (host.unwrap(), site, data, clock)
        })
        .await;
        let server = Server::start(Arc::clone(&host), loopback()).await.unwrap();
        Self { site, host, clock, data, operator, server }
    }

    pub(crate) fn boot_address(&self) -> SocketAddr {
        self.server.boot
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.server.admin
    }

    /// Boots in `environment` with that environment's token.
    pub(crate) async fn boot(&self, environment: &str) -> Answer {
        self.boot_with(environment, "").await
    }

    /// The same, with a query such as `region=eu-west-1`.
    pub(crate) async fn boot_with(&self, environment: &str, query: &str) -> Answer {
        let token = self.site.token(environment);
        self.get_boot(&format!("/v1/boot?{query}"), Some(token)).await
    }

    /// A boot in `environment` with any method, headers and body.
    pub(crate) async fn boot_as(
        &self,
        environment: &str,
        method: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let (path, token) = (format!("/v1/boot?{query}"), Some(self.site.token(environment)));
        http::request(self.server.boot, method, &path, token, headers, body.into()).await
    }

    /// `GET` on the boot listener.
    pub(crate) async fn get_boot(&self, path: &str, token: Option<&str>) -> Answer {
        http::request(self.server.boot, "GET", path, token, &[], Vec::new()).await
    }

    /// `GET` on the admin listener as nobody.
    pub(crate) async fn get_admin(&self, path: &str) -> Answer {
        http::request(self.server.admin, "GET", path, None, &[], Vec::new()).await
    }

    /// Any method on the admin listener.
    pub(crate) async fn admin(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.admin_with(method, path, token, &[], body).await
    }

    /// The same, with headers.
    pub(crate) async fn admin_with(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        http::request(self.server.admin, method, path, Some(token), headers, body.into()).await
    }

    /// A request to the control API with the token of that name; `path` is below `/api/v1`.
    pub(crate) async fn by(&self, who: &str, method: &str, path: &str, body: serde_json::Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.admin(method, &format!("/api/v1{path}"), self.site.token(who), body).await
    }

    /// A new instance's token.
    pub(crate) async fn instance(&self, deployment: &str, environment: &str) -> String {
        let wanted = serde_json::json!({
            "kind": "instance", "principal": "pod", "deployment": deployment, "environment": environment,
        });
        let minted = self.by("admin", "POST", "/tokens", wanted).await;
        assert_eq!(minted.status, 201, "{}", minted.text());
        minted.json()["token"].as_str().unwrap().to_owned()
    }

    /// Pushes a bundle as the operator.
    pub(crate) async fn push(&self, bundle: &[u8], parent: u64) -> Answer {
        let parent = format!("\"{parent}\"");
        let headers = [("if-match", parent.as_str())];
        let token = Some(self.operator.as_str());
        http::request(self.server.admin, "PUT", "/api/v1/snapshot", token, &headers, bundle.to_vec()).await
    }

    /// The values that a boot in `environment` is given.
    pub(crate) async fn environment(&self, environment: &str) -> BTreeMap<String, String> {
        let answer = self.boot(environment).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.environment()
    }
}

/// What a world's host is started with.
pub(crate) fn settings(site: &Site, data: &Path, clock: Clock) -> HostSettings {
    let mut state = State::default();
    let directory = site.directory();
    let bootstrap = directory.bootstrap.unwrap();
    state.begin(&directory.configuration.workspace, bootstrap.tokens, bootstrap.active);
    HostSettings {
        data: data.to_owned(),
        roots: site.roots(),
        base_root: site.root_key().id(),
        trusted: site.trusted(),
        bootstrap: Some(state),
        compiler: Compiler::Child {
            program: env!("CARGO_BIN_EXE_bootlace-under-test").into(),
            arguments: vec!["compile-policy".into()],
        },
        bundle_limits: BundleLimits::default(),
        // On a machine that runs other tests, a question may lose its processor for longer than a
        // real host lets it take.
        policy_limits: Limits { wall_ms: 5_000, chain_wall_ms: 10_000, ..Limits::default() },
        lanes: LaneSettings::default(),
        decisions: 1024,
        strict_audit: false,
        audit_days: 90,
        clock,
        leases: Steady::system(),
        overrides: Vec::new(),
    }
}

/// The ledger of a host that is down.
pub(crate) fn ledger(site: &Site, data: &Path, steady: Steady) -> Control {
    let directory = DataDirectory::open(data).unwrap();
    let keys = directory.host_keys(&site.roots(), &site.root_key(), &mut entropy).unwrap();
    Control::open_with(data, keys.floor.record_key(), steady).unwrap()
}

/// Whether another host, which may be on its way out, has the data directory.
fn is_in_use(error: &StartError) -> bool {
    matches!(
        error,
        StartError::Directory(DirectoryError::InUse { .. })
            | StartError::Ledger(ControlError::Open(LedgerOpenError::InUse { .. }))
    )
}

/// Both listeners on loopback and free ports.
fn loopback() -> ServerSettings {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    ServerSettings {
        boot: free,
        admin: free,
        tls: None,
        insecure_plaintext: false,
        limits: ListenerLimits::default(),
    }
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
