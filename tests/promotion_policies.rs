//! Promotion policies on a real host: where they may be attached, that boots do not notice them, and that
//! they are found for the environment that releases move to.

use std::sync::Arc;

use bootlace::{
    generation::Served,
    host::Host,
    id::{Revision, WorkspaceId},
    policy::{
        PromotionChain, fixtures,
        promotion::{Outcome, POLICY_FAILED},
    },
};

use crate::world::{
    Site, World,
    site::{component, guest},
    tenants::attachment,
};

const DEPLOYMENT: &str = "deployment = \"checkout\"";
const PRODUCTION: &str = "environment = \"production\"";
const STAGING: &str = "environment = \"staging\"";
const WORKSPACE: &str = "";

fn governed(attachments: &[String]) -> Site {
    let mut site = Site::starter();
    govern(&mut site, attachments);
    site
}

fn govern(site: &mut Site, attachments: &[String]) {
    let samples = ["four-eyes", "parity", "region-affinity"].map(|name| (name, component(name)));
    let all: Vec<_> = samples.into_iter().chain([("gatecrash", guest("gatecrash"))]).collect();
    site.govern(&all, &attachments.concat());
}

fn served(host: &Host) -> Arc<Served> {
    let acme: WorkspaceId = "acme".parse().unwrap();
    Arc::clone(host.store.load_full().workspace(&acme).unwrap())
}

fn chain(world: &World, environment: &str) -> PromotionChain {
    world.host.promotion_chain(&served(&world.host), &environment.parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_the_environment_are_asked_first_and_then_the_workspaces() {
    let world = World::with(governed(&[
        attachment("gatecrash", WORKSPACE, &[("mode", "warn")]),
        attachment("parity", PRODUCTION, &[]),
        attachment("region-affinity", WORKSPACE, &[]),
        attachment("four-eyes", PRODUCTION, &[("approvals", "2")]),
        attachment("four-eyes", STAGING, &[]),
    ]))
    .await;
    let names = |environment| chain(&world, environment).names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names("production"), ["parity", "four-eyes", "gatecrash"]);
    assert_eq!(names("staging"), ["four-eyes", "gatecrash"]);
    assert_eq!(names("preview/pr-42"), ["gatecrash"]);

    // `production` lacks a key, and one of two releasers has approved.
    let judgement = chain(&world, "production").judge(&fixtures::promotion());
    assert_eq!(judgement.outcome(), Outcome::Denied);
    let [objection] = &judgement.violations[..] else { panic!("{:?}", judgement.violations) };
    assert_eq!((objection.policy.as_str(), objection.violation.code.as_str()), ("parity", "key-missing"));
    assert_eq!(judgement.required_approvals[0].missing, 1);
    assert_eq!(judgement.policies.len(), 3);
    assert_eq!(chain(&world, "staging").judge(&fixtures::promotion()).outcome(), Outcome::Allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_does_not_ask_them() {
    let affinity = || attachment("region-affinity", DEPLOYMENT, &[("variables", "DATABASE_READ_URL")]);
    let without = World::with(governed(&[affinity()])).await;
    // Nobody may be denied a boot by a policy that traps when it is asked, as this one does.
    let trap = [("mode", "trap"), ("only-release", "8")];
    let guards = [attachment("gatecrash", PRODUCTION, &trap), attachment("parity", WORKSPACE, &[])];
    let with = World::with(governed(&[affinity(), guards.concat()])).await;
    for environment in ["production", "staging", "preview/pr-42"] {
        let query = "region=us-east-1";
        let (before, after) =
            (without.boot_with(environment, query).await, with.boot_with(environment, query).await);
        assert_eq!((after.status, after.environment()), (200, before.environment()), "{environment}");
        assert_eq!(after.json()["warnings"], before.json()["warnings"]);
    }
    let path = "/api/v1/deployments/checkout/explain?workspace=acme&environment=production";
    let explained = with.admin("GET", path, &with.operator, []).await.json();
    let asked: Vec<_> = explained["policies"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(asked, ["region-affinity"]);

    // Asked about a promotion, it is heard.
    let mut question = fixtures::promotion();
    question.release.number = 8;
    let judgement = chain(&with, "production").judge(&question);
    let failed = judgement.violations.iter().find(|one| one.policy == "gatecrash").unwrap();
    assert_eq!(failed.violation.code, POLICY_FAILED);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_attached_to_a_deployment_is_refused_by_name() {
    let mut world = World::with(governed(&[])).await;
    let in_production = format!("{DEPLOYMENT}\n{PRODUCTION}");
    for (place, shown) in
        [(DEPLOYMENT, "deployment checkout"), (&in_production, "deployment checkout in production")]
    {
        govern(&mut world.site, &[attachment("four-eyes", place, &[])]);
        let refused = world.push(&world.site.bundle(Revision(1)), 1).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
        let expected = format!(
            "policy four-eyes: it is a promotion policy, and cannot be attached to {shown}: attach it to the \
             environment that releases move to, or to the workspace"
        );
        assert!(refused.text().contains(&expected), "{}", refused.text());
    }
    govern(&mut world.site, &[attachment("four-eyes", PRODUCTION, &[])]);
    let accepted = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_misbehaves_or_refuses_its_settings_never_serves() {
    let mut world = World::with(governed(&[])).await;
    for (policy, settings, reason) in [
        ("gatecrash", [("mode", "trap")], "trapped"),
        ("gatecrash", [("mode", "loop")], "used all of its fuel"),
        ("gatecrash", [("mode", "giant-reason")], "its answer is too large"),
        ("gatecrash", [("mode", "unknown-role")], "a role that does not exist"),
        ("four-eyes", [("approvals", "0")], "approvals: at least 1 is needed"),
        ("four-eyes", [("aprovals", "2")], "aprovals: this policy has no such setting"),
    ] {
        govern(&mut world.site, &[attachment(policy, PRODUCTION, &settings)]);
        let refused = world.push(&world.site.bundle(Revision(1)), 1).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{settings:?}");
        assert!(refused.text().contains(reason), "{settings:?}: {}", refused.text());
    }
    assert_eq!(world.boot("production").await.header("bootlace-revision"), "1");
}
