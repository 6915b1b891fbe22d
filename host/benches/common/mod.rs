//! What is measured: a host in this process that was pushed the starter workspace, and everybody's
//! keys. The workspace is the tests' own.
#![allow(dead_code, reason = "each bench uses its part")]

#[path = "../../../tests/world/site.rs"]
#[allow(unreachable_pub, clippy::unwrap_used, reason = "written for the tests")]
pub(crate) mod site;

use std::{hint::black_box, net::Ipv4Addr, path::Path, sync::Arc};

use bootlace::{
    bundle::BundleLimits,
    clock::Clock,
    host::{Author, Host, HostSettings},
    id::{Revision, UnixSeconds},
    policy::{Limits, lanes::LaneSettings},
    serve,
    state::State,
    upload::Compiler,
};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use site::Site;
use tempfile::TempDir;
use zeroizing_alloc::ZeroAlloc;

/// As the program has it: what a boot frees is wiped, and that costs.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// When every bench begins, as the workspace's fixtures want it.
pub(crate) const NOON: UnixSeconds = UnixSeconds(1_795_348_800);

/// What an instance says about itself. Its region has a replica.
pub(crate) const FACTS: &str = "region=us-east-1&zone=us-east-1a&instance=i-0042";

/// A host and what it serves.
pub(crate) struct Bed {
    /// The workspace and its keys.
    pub(crate) site: Site,
    /// The host.
    pub(crate) host: Arc<Host>,
    _data: TempDir,
}

impl Bed {
    /// Serves the starter workspace, with room for so many decisions.
    pub(crate) fn starter(decisions: usize) -> Self {
        Self::of(Site::starter(), decisions)
    }

    /// The same with `region-affinity` alone attached: one policy for one boot.
    pub(crate) fn one_policy(decisions: usize) -> Self {
        let mut site = Site::starter();
        let policies = site.file("policies.toml").to_owned();
        let mut attachments = policies.split_inclusive("\n\n");
        let kept = attachments.by_ref().take_while(|part| !part.contains("\"least-privilege\""));
        let kept: String = kept.collect();
        site.write("policies.toml", kept);
        Self::of(site, decisions)
    }

    /// Serves `site`.
    pub(crate) fn of(site: Site, decisions: usize) -> Self {
        let data = TempDir::new().expect("a directory");
        let host = Host::open(settings(&site, data.path(), decisions)).expect("a host");
        host.push(&Author::process("operator"), &site.bundle(Revision(0)), Revision(0))
            .expect("the workspace is accepted");
        Self { site, host, _data: data }
    }

    /// A boot's request, as hyper would hand it over.
    pub(crate) fn request(&self, environment: &str) -> Request<Empty<Bytes>> {
        let token = self.site.token(environment);
        let request = Request::get(format!("/v1/boot?{FACTS}")).header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {token}"));
        request.body(Empty::new()).expect("a request")
    }

    /// One whole boot without a socket: the answer is made, read and wiped.
    pub(crate) async fn boot(&self, request: Request<Empty<Bytes>>) {
        let answer = serve::boot::boot(&self.host, Ipv4Addr::LOCALHOST.into(), request).await;
        drop(black_box(answer.expect("the boot is allowed")));
    }
}

fn settings(site: &Site, data: &Path, decisions: usize) -> HostSettings {
    let directory = site.directory();
    let bootstrap = directory.bootstrap.expect("the starter has one");
    let mut state = State::default();
    state.begin(&directory.configuration.workspace, bootstrap.tokens, bootstrap.active);
    HostSettings {
        data: data.to_owned(),
        roots: site.roots(),
        base_root: site.root_key().id(),
        trusted: site.trusted(),
        bootstrap: Some(state),
        compiler: Compiler::InProcess,
        bundle_limits: BundleLimits::default(),
        // A busy machine may stop a thread for longer than a policy may take.
        policy_limits: Limits { wall_ms: 1_000, chain_wall_ms: 1_000, ..Limits::default() },
        lanes: LaneSettings::default(),
        decisions,
        strict_audit: false,
        audit_days: 90,
        clock: Clock::manual(NOON),
        leases: bootlace::clock::Steady::system(),
        overrides: Vec::new(),
    }
}
