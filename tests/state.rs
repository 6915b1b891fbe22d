//! Tokens and activations live in the ledger: an older version's are taken over once, whole, whatever
//! is killed meanwhile; and what the ledger lost is not taken for what never was.

use std::{fs, process::Stdio, sync::Arc, time::Instant};

use bootlace::{
    control::Control,
    host::{MintRequest, Minted},
    id::UnixSeconds,
    model::Scope,
    signing::TrustedSigners,
    slots::{Change, DataDirectory, Slots},
    state::Alteration,
    system::entropy,
};

use crate::world::{
    Site, blocking, http,
    program::{Premises, Program, Running},
};

/// More than one transaction takes.
const TOKENS: usize = 250;
const KILLS: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn an_older_versions_state_is_taken_over_whole_however_often_that_is_cut_off() {
    let began = Instant::now();
    Old::new().start().await.kill();
    let start = began.elapsed();

    let old = Old::new();
    // What a start that was cut off left behind, of another text than the one that is there now.
    old.leave_behind("workspace/acme/token/00", b"{}");
    for kill in 0..KILLS {
        let mut command = old.premises.command(&[]);
        let child = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        // From before the ledger is there to after the state has moved.
        tokio::time::sleep(start * kill / KILLS).await;
        drop(child);
    }
    for _ in 0..2 {
        let host = old.start().await;
        let listed = http::request(
            host.admin,
            "GET",
            "/api/v1/tokens?workspace=acme&limit=1000",
            Some(&old.operator),
            &[],
            vec![],
        );
        let listed = listed.await;
        assert_eq!(listed.status, 200, "{}", listed.text());
        assert_eq!(listed.json()["tokens"].as_array().unwrap().len(), TOKENS);
        for token in [&old.instances[0], &old.instances[TOKENS - 1]] {
            let boot = host.get("/v1/boot", Some(token)).await;
            assert_eq!(boot.status, 503, "the token is known, and nothing was pushed: {}", boot.text());
        }
        host.kill();
    }
    assert!(!old.premises.data().join("operator.token").exists(), "this was no first start");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_after_the_move_is_not_revived_by_the_old_text() {
    let old = Old::new();
    let text = fs::read_dir(old.premises.data().join("blobs")).unwrap().map(|entry| entry.unwrap().path());
    let text: Vec<_> = text.collect();
    let host = old.start().await;
    assert!(text.iter().all(|path| !path.exists()), "the text with the tokens' hashes is gone");
    let id = &old.id;
    let path = format!("/api/v1/tokens/{id}?workspace=acme");
    let revoked = http::request(host.admin, "DELETE", &path, Some(&old.operator), &[], vec![]).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    host.kill();
    let host = old.start().await;
    assert_eq!(host.get("/v1/boot", Some(&old.instances[0])).await.status, 401);
    host.kill();
    for lost in ["ledger.redb", "ledger-blobs"] {
        let path = old.premises.data().join(lost);
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(path));
    }
    let refusal = blocking(old.premises.refusal(&[])).await;
    assert!(refusal.contains("the ledger with the tokens and activations is gone"), "{refusal}");
}

/// A data directory as the version before the ledger left it.
struct Old {
    site: Site,
    premises: Premises,
    operator: String,
    instances: Vec<String>,
    /// The first instance's token's id.
    id: String,
}

impl Old {
    fn new() -> Self {
        let site = Site::small(0);
        let premises = Premises::new(&site);
        let mint = |scope| {
            let request = MintRequest { scope, principal: "somebody".into(), expires_in: None };
            Minted::offline(request, UnixSeconds(1)).unwrap()
        };
        let instance = || Scope::Instance {
            workspace: "acme".parse().unwrap(),
            deployment: "checkout".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        let operator = mint(Scope::Operator);
        let instances: Vec<_> = (0..TOKENS).map(|_| mint(instance())).collect();
        let token = |minted: &Minted, scope: serde_json::Value| {
            let record = &minted.record;
            serde_json::json!({
                "id": record.id, "hash": hex(&record.hash.0), "principal": record.principal, "scope": scope,
                "created_at": 1, "expires_at": null,
            })
        };
        let place = serde_json::json!({
            "kind": "instance", "workspace": "acme", "deployment": "checkout", "environment": "production",
        });
        let mut tokens: Vec<_> = instances.iter().map(|minted| token(minted, place.clone())).collect();
        tokens.push(token(&operator, serde_json::json!({ "kind": "operator" })));
        let text = serde_json::json!({ "format": 1, "tokens": tokens, "active": [] }).to_string();

        let directory = DataDirectory::open(&premises.data()).unwrap();
        let keys = Arc::new(directory.host_keys(&site.roots(), &site.root_key(), &mut entropy).unwrap());
        let (mut slots, _) = Slots::load(directory, keys, &[], &TrustedSigners::default()).unwrap();
        let _ = slots.commit(&[Change::HostState(text.into_bytes())]).unwrap();
        let texts = instances.iter().map(|minted| minted.token.expose().to_owned()).collect();
        Self {
            site,
            premises,
            operator: operator.token.expose().to_owned(),
            instances: texts,
            id: instances[0].record.id.clone(),
        }
    }

    async fn start(&self) -> Program {
        let command = self.premises.command(&[]);
        blocking(|| Program::start(command)).await
    }

    /// A record in a ledger that has no mark yet.
    fn leave_behind(&self, name: &str, content: &[u8]) {
        let directory = DataDirectory::open(&self.premises.data()).unwrap();
        let keys = directory.host_keys(&self.site.roots(), &self.site.root_key(), &mut entropy).unwrap();
        let control = Control::open(&self.premises.data(), keys.floor.record_key()).unwrap();
        let left = Alteration::Put { name: name.to_owned(), content: content.to_vec() };
        control.change(&[], &[left]).unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
