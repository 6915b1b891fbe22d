//! What the demo sets up: a directory with everything in it, a host that serves it, and the boots.

use std::{
    fs::{self, DirBuilder},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

use super::report::Boot;
use crate::{
    audit::RETENTION_DAYS,
    bundle::{self, BundleLimits, Envelope},
    cli::{
        directory, files,
        init::workspace::{Scaffold, scaffold, token_file},
        output::Output,
    },
    client::{Access, BearerToken, Client, Request, Roots},
    clock::Clock,
    host::{Author, Host, HostSettings},
    id::{Revision, UnixSeconds},
    keyring::RootKeys,
    policy::{Limits as PolicyLimits, lanes::LaneSettings},
    serve::listener::ListenerLimits,
    server::{Server, ServerSettings},
    signing::TrustedSigners,
    source::{
        self,
        starter::{ACTIVE, DEPLOYMENT, WORKSPACE},
    },
    state::State,
    system,
    upload::Compiler,
};

/// What each instance of the demo says about itself.
const FACTS: [(&str, &str); 2] = [("region", "us-east-1"), ("instance", "checkout-7f9c")];
/// Boots after the first in each environment; the median of their times is shown.
const REPEATS: usize = 101;

/// A demo that is running.
pub(super) struct Stage {
    dir: PathBuf,
    server: Server,
}

impl Stage {
    /// Makes the workspace, starts the host, pushes.
    pub(super) async fn set(dir: &Path, output: &Output) -> anyhow::Result<Self> {
        let progress = output.progress("making a workspace, starting a host, pushing");
        directory::new_or_empty(dir)?;
        for private in [dir.to_owned(), dir.join("tokens"), dir.join("keys")] {
            private_dir(&private)?;
        }
        let clock = Clock::system();
        let made = scaffold(&WORKSPACE.parse()?, clock.now(), &mut system::entropy)?;
        write(dir, &made)?;

        let parsed = source::load(&made.tree)?;
        let mut state = State::default();
        let bootstrap = parsed.bootstrap.unwrap_or_default();
        state.begin(&parsed.configuration.workspace, bootstrap.tokens, bootstrap.active);
        let now = clock.now();
        let envelope = Envelope { parent: Revision(0), created: now, not_after: UnixSeconds(now.0 + 3600) };
        let pushed = bundle::sign_input(&parsed.configuration, envelope, &made.operator_key)?;
        let settings = settings(dir, made, state, clock)?;
        let host = tokio::task::spawn_blocking(move || -> anyhow::Result<Arc<Host>> {
            let host = Host::open(settings)?;
            host.push(&Author::process("demo"), &pushed, Revision(0))?;
            Ok(host)
        });
        let host = host.await??;
        let operator = fs::read(dir.join("data/operator.token"))?;
        files::write_private(&dir.join("tokens/operator.token"), &operator)?;

        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = ServerSettings {
            boot: free,
            admin: free,
            tls: None,
            insecure_plaintext: false,
            limits: ListenerLimits::default(),
        };
        let server = Server::start(host, listen).await?;
        for (file, address) in [("boot.url", server.boot), ("admin.url", server.admin)] {
            fs::write(dir.join(file), format!("http://{address}\n"))?;
        }
        drop(progress);
        Ok(Self { dir: dir.to_owned(), server })
    }

    /// Boots in every environment, first afresh, then again and again.
    pub(super) async fn boot_everywhere(&self) -> anyhow::Result<Vec<Boot>> {
        let tenant = self.client(self.server.admin, "tenant.token")?;
        let mut boots = Vec::new();
        for (environment, _) in ACTIVE {
            let client = self.client(self.server.boot, &token_file(environment))?;
            client.send(&Request::get(&["livez"])).await?; // connects, so that no boot pays for it
            let request = told(Request::get(&["v1", "boot"]));
            let began = Instant::now();
            let answer = client.send(&request).await.with_context(|| format!("booting in {environment}"))?;
            let first = began.elapsed();
            let mut later = Vec::with_capacity(REPEATS);
            for _ in 0..REPEATS {
                let began = Instant::now();
                client.send(&request).await?;
                later.push(began.elapsed());
            }
            later.sort();
            let explain = Request::get(&["api", "v1", "deployments", DEPLOYMENT, "explain"]);
            let explained = tenant.send(&told(explain.query("environment", environment))).await?;
            boots.push(Boot {
                environment,
                answer: answer.json::<Value>()?,
                explained: explained.json::<Value>()?,
                first,
                later: later.get(REPEATS / 2).copied().unwrap_or_default(),
            });
        }
        Ok(boots)
    }

    /// Says how to go on from here.
    pub(super) fn announce(&self, kept: bool, output: &Output) -> anyhow::Result<()> {
        let (boot, admin, dir) = (self.server.boot, self.server.admin, self.dir.display());
        if output.is_json() {
            let ready = serde_json::json!({
                "ready": true, "boot": format!("http://{boot}"), "admin": format!("http://{admin}"),
                "files": dir.to_string(),
            });
            return Ok(output.json(&ready)?);
        }
        let mut page = output.page();
        page.heading("Ready", "interrupt with Ctrl-C");
        page.fields(&[
            ("boot", format!("http://{boot}")),
            ("admin", format!("http://{admin}")),
            ("files", format!("{dir}{}", if kept { "" } else { " (removed at the end)" })),
        ]);
        page.gap();
        page.line("Try, in another terminal:");
        page.line(&format!("  export BOOTLACE_URL=http://{boot} BOOTLACE_ADMIN_URL=http://{admin}"));
        page.line(&format!("  export BOOTLACE_TOKEN_FILE={dir}/tokens/staging.token"));
        page.line("  bootlace boot --format dotenv");
        page.line("  bootlace run -- sh -c 'echo $LOG_LEVEL'");
        Ok(output.show(&page)?)
    }

    /// Ends the host.
    pub(super) async fn strike(self) {
        self.server.stop(Duration::ZERO).await;
    }

    fn client(&self, address: SocketAddr, token: &str) -> anyhow::Result<Client> {
        let token = fs::read_to_string(self.dir.join("tokens").join(token))?;
        Ok(Client::new(Access {
            url: format!("http://{address}").parse()?,
            token: Some(token.trim().parse::<BearerToken>()?),
            roots: Roots::System,
            insecure_plaintext: false,
        })?)
    }
}

fn told(request: Request) -> Request {
    FACTS.iter().fold(request, |request, (name, value)| request.query(name, value))
}

fn write(dir: &Path, made: &Scaffold) -> anyhow::Result<()> {
    directory::write(&dir.join("workspace"), &made.tree)?;
    files::write_private(&dir.join("keys/root.key"), made.root_key.to_file().as_bytes())?;
    files::write_private(&dir.join("keys/operator.key"), made.operator_key.to_file().as_bytes())?;
    let public = format!("{}\n", made.operator_key.verifying_key());
    files::write_private(&dir.join("keys/operator.key.pub"), public.as_bytes())?;
    for (file, token) in &made.tokens {
        files::write_private(&dir.join("tokens").join(file), format!("{}\n", token.expose()).as_bytes())?;
    }
    Ok(())
}

fn settings(dir: &Path, made: Scaffold, state: State, clock: Clock) -> anyhow::Result<HostSettings> {
    Ok(HostSettings {
        data: dir.join("data"),
        base_root: made.root_key.id(),
        roots: RootKeys::new([made.root_key]),
        trusted: TrustedSigners::new([made.operator_key.verifying_key()]),
        bootstrap: Some(state),
        compiler: Compiler::this_program().context("cannot find this program, which compiles policies")?,
        bundle_limits: BundleLimits::default(),
        policy_limits: PolicyLimits::default(),
        lanes: LaneSettings::default(),
        decisions: 1024,
        strict_audit: false,
        audit_days: RETENTION_DAYS,
        clock,
        leases: crate::clock::Steady::system(),
        overrides: Vec::new(),
    })
}

fn private_dir(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let private =
        made.and_then(|()| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700)));
    private.with_context(|| format!("cannot make {}", path.display()))
}
