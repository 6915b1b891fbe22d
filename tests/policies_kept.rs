//! Policies by API across kills: the old version or the new one, and the components that they are made of.

use std::time::Instant;

use bootlace::{
    canonical::sha256,
    id::Digest,
    ledger::{Ledger as _, RedbLedger, RedbSettings},
};
use serde_json::json;

use crate::{
    policies_api::{ATTACHMENTS, POLICIES, staging},
    world::{
        Site, blocking, http,
        program::{Premises, Program},
        site::guest,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_the_old_version_or_the_new_one() {
    let site = Site::small(0);
    let premises = Premises::new(&site);
    let start = || {
        let command = premises.command(&["--policy-wall", "5000", "--policy-chain-wall", "10000"]);
        blocking(|| Program::start(command))
    };
    let host = start().await;
    let operator = premises.operator();
    let token = host.mint("staging", &operator).await;
    host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await.ok();
    let path = format!("{POLICIES}/teller?workspace=acme");
    let upload = |host: &Program, name: &str| {
        let (admin, operator, path, bytes) = (host.admin, operator.clone(), path.clone(), guest(name));
        async move {
            let mut connection = http::Connection::try_open(admin).await?;
            connection.try_send(http::prepared("PUT", &path, Some(&operator), &[], bytes)).await
        }
    };
    upload(&host, "hostile").await.unwrap().ok();
    let body = json!({ "policy": "teller", "place": staging() }).to_string().into_bytes();
    let attach = format!("{ATTACHMENTS}?workspace=acme");
    http::request(host.admin, "POST", &attach, Some(&operator), &[], body).await.ok();
    // Compiled once, kept as an artefact: the kills come into what is written.
    upload(&host, "dump").await.unwrap().ok();
    blocking(|| host.kill()).await;
    let host = start().await;
    let began = Instant::now();
    upload(&host, "hostile").await.unwrap().ok();
    let change = began.elapsed();
    blocking(|| host.kill()).await;

    let (mut served, mut revision, mut made) = ("hostile", 5, 0);
    for kill in 0..12_u32 {
        let host = start().await;
        let next = if served == "hostile" { "dump" } else { "hostile" };
        let mut writing = tokio::spawn(upload(&host, next));
        let answered = if kill == 11 {
            Some((&mut writing).await.unwrap())
        } else {
            tokio::time::sleep(change.mul_f64(f64::from(kill) / 8.0)).await;
            None
        };
        blocking(|| host.kill()).await;
        let answer = match answered {
            Some(answer) => answer,
            None => writing.await.unwrap(),
        };
        let acknowledged = answer.is_some_and(|answer| answer.status == 200);

        let host = start().await;
        let booted = host.get("/v1/boot", Some(&token)).await.ok();
        let shown =
            http::request(host.admin, "GET", &path, Some(&operator), &[], Vec::new()).await.ok().json();
        let found = if booted.text().contains("variable=") { "dump" } else { "hostile" };
        assert_eq!(shown["digest"], sha256(&guest(found)).to_string(), "what is shown is what is asked");
        assert!(found == next || !acknowledged, "an acknowledged version is lost");
        made += u32::from(found == next);
        revision += u64::from(found == next);
        assert_eq!(booted.json()["revision"], revision, "no revision is lost or made twice");
        assert_eq!(host.get("/readyz", None).await.text(), "ready\n");
        served = found;
        blocking(|| host.kill()).await;
    }
    assert!(made > 0, "the last was acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_gone_keeps_its_workspace_from_being_served_and_is_named() {
    let site = Site::small(0);
    let premises = Premises::new(&site);
    let start = || {
        let command = premises.command(&[]);
        blocking(|| Program::start(command))
    };
    let host = start().await;
    let operator = premises.operator();
    host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await.ok();
    let path = format!("{POLICIES}/teller?workspace=acme");
    let ask = |host: &Program, method: &'static str, bytes: Vec<u8>| {
        let (admin, operator, path) = (host.admin, operator.clone(), path.clone());
        async move { http::request(admin, method, &path, Some(&operator), &[], bytes).await }
    };
    for name in ["dump", "hostile"] {
        ask(&host, "PUT", guest(name)).await.ok();
    }
    blocking(|| host.kill()).await;
    let both = ["dump", "hostile"].map(|name| sha256(&guest(name)));
    let host = start().await;
    blocking(|| host.kill()).await;
    let data = premises.data();
    assert_eq!(there(&data, both).await, [true, true], "the version before stays, to go back to");

    // What is deleted stays for as long as a revision that had it can be looked at.
    let host = start().await;
    ask(&host, "DELETE", Vec::new()).await.ok();
    blocking(|| host.kill()).await;
    assert_eq!(there(&data, both).await, [true, true]);
    let host = start().await;
    ask(&host, "PUT", guest("dump")).await.ok();
    blocking(|| host.kill()).await;
    {
        let ledger = RedbLedger::open(&data, RedbSettings::default()).unwrap();
        let sweep = ledger.begin_sweep().await.unwrap();
        assert!(ledger.sweep_blobs(sweep, [].into()).await.unwrap().blobs > 1);
    }
    let mut host = start().await;
    assert_eq!(host.get("/readyz", None).await.status, 503, "nothing else is served here");
    host.terminate();
    blocking(move || {
        host.ended();
        let rest = host.rest_of_log();
        let log: Vec<_> = host.log.iter().map(ToString::to_string).chain(rest).collect();
        assert!(log.iter().any(|line| line.contains("component of policy teller")), "{log:#?}");
    })
    .await;
}

/// Whether the ledger of a host that does not run has these blobs.
async fn there(data: &std::path::Path, blobs: [Digest; 2]) -> [bool; 2] {
    let ledger = RedbLedger::open(data, RedbSettings::default()).unwrap();
    [ledger.has_blob(blobs[0]).await.unwrap(), ledger.has_blob(blobs[1]).await.unwrap()]
}
