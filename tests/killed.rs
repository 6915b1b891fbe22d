//! `kill -9` while a promotion is on its way: before it took effect, meanwhile and after. Whoever opens the data
//! next finds it done, with its record, or not at all; and whatever it held is free when its lease is over.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bootlace::{
    clock::{Clock, Steady},
    host::{Author, ChangeError, HOLD_SECONDS, Host, Requested},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    state::{Status, Why},
};
use serde_json::json;

use crate::{
    crash::sound,
    world::{
        Site, blocking,
        http::{Connection, prepared},
        program::{Premises, Program},
        settings,
    },
};

/// Kills that have to hit a promotion that holds its target.
const HELD: usize = 10;
/// Kills at most.
const KILLS: u32 = 120;

/// When to kill: later when the one before left nothing, earlier when it came behind the end, by steps that halve
/// where the two take turns.
struct Aim {
    moment: Duration,
    step: Duration,
    was_early: Option<bool>,
}

impl Aim {
    const SHORTEST: Duration = Duration::from_micros(50);

    fn missed(&mut self, is_early: bool) {
        let turns = self.was_early.replace(is_early).is_some_and(|was_early| was_early != is_early);
        self.step = if turns { (self.step / 2).max(Self::SHORTEST) } else { self.step * 3 / 2 };
        self.moment = match is_early {
            true => self.moment + self.step,
            false => self.moment.saturating_sub(self.step),
        };
    }
}

/// Opened here, its leases by a clock of this test's.
struct Opened {
    host: Arc<Host>,
    steady: Steady,
    workspace: WorkspaceId,
    checkout: DeploymentId,
}

impl Opened {
    fn at(premises: &Premises, site: &Site) -> Self {
        let steady = Steady::manual();
        let mut settings = settings(site, &premises.data(), Clock::system());
        settings.leases = steady.clone();
        let host = Host::open(settings).unwrap();
        Self { host, steady, workspace: "acme".parse().unwrap(), checkout: "checkout".parse().unwrap() }
    }

    fn release(&self) -> u64 {
        self.host.activation(&self.workspace, &self.checkout, &production()).unwrap().release
    }

    /// 18 in staging, 17 in production.
    fn set_back(&self) {
        for (environment, release) in [("staging".parse().unwrap(), 18), (production(), 17)] {
            let active = self.host.activation(&self.workspace, &self.checkout, &environment);
            if active.is_none_or(|active| active.release != release) {
                let pair = (&self.checkout, &environment);
                let author = Author::process("tests");
                self.host.activate(&author, &self.workspace, pair, release, Why::Rollback).unwrap();
            }
        }
    }

    /// Promotes, as soon as that may be; whether somebody held the target until their lease was over.
    fn promote(&self) -> bool {
        let to = Some(production());
        let wanted = Requested { deployment: self.checkout.clone(), release: Some(18), from: None, to };
        let promote = || self.host.promote(&Author::process("grace"), &self.workspace, &wanted);
        let is_held = match promote() {
            Err(ChangeError::Promoting { by, .. }) => {
                assert_eq!(by, "releaser of the tests");
                self.steady.advance(Duration::from_secs(u64::from(HOLD_SECONDS) - 1));
                assert!(matches!(promote(), Err(ChangeError::Promoting { .. })), "its lease is not over");
                self.steady.advance(Duration::from_secs(1));
                assert_eq!(promote().unwrap().status, Status::Done);
                true
            }
            other => {
                assert!([Status::Done, Status::Denied].contains(&other.unwrap().status));
                false
            }
        };
        assert_eq!(self.release(), 18);
        is_held
    }

    /// What became of it: whether it is done, and has its record.
    fn check(&self, known: &mut BTreeSet<String>) -> bool {
        let mut all = self.host.promotions(&self.workspace, &self.checkout).unwrap();
        // What a kill cut off holds its target until its lease is over.
        all.retain(|one| one.status != Status::Running);
        let new: Vec<_> = all.iter().filter(|one| known.insert(one.id.clone())).collect();
        assert!(new.len() <= 1, "{new:?}");
        let active = self.host.activation(&self.workspace, &self.checkout, &production()).unwrap();
        match new.first() {
            Some(one) => {
                assert_eq!((one.status, one.release, active.release), (Status::Done, 18, 18), "{one:?}");
                assert_eq!(active.why, Why::Promotion(one.id.clone()));
            }
            None => {
                assert_eq!(active.release, 17);
                assert!([Why::Begun, Why::Rollback].contains(&active.why), "{active:?}");
            }
        }
        let live = self.host.store.load_full();
        let prepared = live.workspaces()["acme"].prepared(&self.checkout, &production()).unwrap();
        assert_eq!(prepared.plan.release.as_ref().unwrap().number, active.release, "what is served");
        !new.is_empty()
    }
}

fn production() -> EnvironmentName {
    "production".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_whose_host_is_killed_is_done_or_is_not_and_frees_its_target() {
    let mut site = Site::small(0);
    site.trigger("production", "manual");
    let premises = Premises::new(&site);
    let (mut held, mut done, mut kills, mut known) = (0, 0, 0, BTreeSet::new());
    let (mut site, mut premises) = blocking(move || {
        let opened = Opened::at(&premises, &site);
        let bundle = site.bundle_for_today(&site.directory(), 0);
        opened.host.push(&Author::process("operator"), &bundle, Default::default()).unwrap();
        opened.set_back();
        (site, premises)
    })
    .await;
    let (moment, step) = (Duration::from_millis(2), Duration::from_millis(2));
    let mut aim = Aim { moment, step, was_early: None };
    while held < HELD {
        assert!(kills < KILLS, "only {held} of {kills} kills hit a promotion that held its target");
        let command = premises.command(&[]);
        let program = blocking(|| Program::start(command)).await;
        let token = site.token("releaser").to_owned();
        let mut connection = Connection::open(program.admin).await;
        let body = json!({ "to": "production" }).to_string().into_bytes();
        let path = "/api/v1/deployments/checkout/promotions";
        let request = prepared("POST", path, Some(&token), &[], body);
        let moment = aim.moment;
        let killing = async move {
            tokio::time::sleep(moment).await;
            blocking(|| program.kill()).await;
        };
        let (answered, ()) = tokio::join!(connection.try_send(request), killing);
        let is_acknowledged = answered.is_some_and(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text());
            true
        });
        let checked = blocking(move || {
            let opened = Opened::at(&premises, &site);
            let is_done = opened.check(&mut known);
            assert!(is_done || !is_acknowledged, "what was acknowledged is done");
            let is_held = opened.promote();
            assert!(!(is_held && is_done), "what is done holds nothing");
            opened.set_back();
            let all = opened.host.promotions(&opened.workspace, &opened.checkout).unwrap();
            known.extend(all.into_iter().map(|one| one.id));
            (site, premises, known, is_held, is_done)
        });
        let (is_held, is_done);
        (site, premises, known, is_held, is_done) = checked.await;
        if !is_held {
            aim.missed(!is_done);
        }
        (held, done, kills) = (held + usize::from(is_held), done + usize::from(is_done), kills + 1);
    }
    println!("{kills} kills: {held} while a promotion held its target, {done} when it was done");
    sound(&premises.data());
}
