//! A sealed value opens where it was sealed for, and nowhere else; a bundle is what was signed, to
//! the last bit.

use std::sync::Arc;

use bootlace::{
    bundle::{self, BundleLimits},
    host::Author,
    id::{Revision, Uid},
    keyring::{HostKeys, Keyring, new_environment_keys},
    model::{Address, Configuration, InputValue, SealedText, SealedValue},
    seal::{self, EnvironmentPublicKey},
    source::Directory,
    system::entropy,
};

use crate::world::{Site, World, blocking};

/// Every value of a configuration, with its address.
fn values<V: Clone>(configuration: &Configuration<V>) -> Vec<(Address, V)> {
    let mut found = Vec::new();
    let walked = configuration.try_map(|address, value| {
        found.push((address.clone(), value.clone()));
        Ok::<_, ()>(())
    });
    drop(walked);
    found
}

fn sealed(directory: &Directory) -> Vec<(Address, SealedText)> {
    let all = values(&directory.configuration).into_iter();
    all.filter_map(|(address, value)| match value {
        InputValue::Sealed(text) => Some((address, text)),
        InputValue::Plain(_) => None,
    })
    .collect()
}

/// The directory with each sealed text replaced by what `other` says for its address.
fn moved(directory: &Directory, other: impl Fn(&Address) -> Option<SealedText>) -> Directory {
    let configuration = directory.configuration.try_map(|address, value| {
        Ok::<_, ()>(match value {
            InputValue::Sealed(own) => InputValue::Sealed(other(address).unwrap_or_else(|| own.clone())),
            InputValue::Plain(_) => value.clone(),
        })
    });
    Directory { configuration: configuration.unwrap(), ..directory.clone() }
}

/// The starter with a second deployment, so that values can be moved between deployments, too.
fn two_deployments() -> Site {
    let mut site = Site::starter();
    let ledger = Uid([0x1e; 16]);
    let address = Address { deployment: ledger, ..site.address("production", "STRIPE_KEY", 1) };
    let secret = site.seal(&address, b"demo-production-ledger").unwrap();
    let text = format!(
        "id = \"{ledger}\"\n[environments.production.variables]\n\
         STRIPE_KEY = {{ secret = \"{secret}\", description = \"refunds\" }}\n"
    );
    site.write("deployments/ledger.toml", text);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sealed_text_opens_in_the_place_of_any_other() {
    let world = World::with(two_deployments()).await;
    let directory = world.site.directory();
    let texts = sealed(&directory);
    // 12 names in three environments, one of two versions, one of another deployment, 5 credentials
    // of services and 3 of a tool.
    assert_eq!(texts.len(), 46);
    // Moved on by 1, by 2, …: every text in the place of every other.
    for shift in 1..texts.len() {
        let other = |address: &Address| {
            let at = texts.iter().position(|(own, _)| own == address).unwrap();
            Some(texts[(at + shift) % texts.len()].1.clone())
        };
        let bundle = world.site.bundle_of(&moved(&directory, other), Revision(1));
        let answer = world.push(&bundle, 1).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{}", answer.text());
        let mut named: Vec<String> = answer.json()["violations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["message"].as_str().unwrap().split(": ").next().unwrap().to_owned())
            .collect();
        let mut expected: Vec<String> = texts.iter().map(|(address, _)| address.name.to_string()).collect();
        named.sort();
        expected.sort();
        assert_eq!(named, expected, "moved by {shift}: every one is refused, by name");
    }
    assert_eq!(world.push(&world.site.bundle(Revision(1)), 1).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_swapped_pair_is_refused_and_named() {
    let world = World::with(two_deployments()).await;
    let directory = world.site.directory();
    let texts = sealed(&directory);
    let find = |environment: &str, name: &str, version: u64| {
        let wanted = world.site.address(environment, name, version);
        texts.iter().find(|(address, _)| *address == wanted).unwrap().clone()
    };
    let ledger = texts.iter().find(|(address, _)| address.deployment == Uid([0x1e; 16])).unwrap().clone();
    let stripe = find("production", "STRIPE_KEY", 1);
    let credential = world.site.credential("production", "cache");
    let credential = texts.iter().find(|(address, _)| *address == credential).unwrap().clone();
    let jwt = (find("production", "JWT_SIGNING_KEY", 1), find("production", "JWT_SIGNING_KEY", 2));
    let pairs = [
        ("environments", stripe.clone(), find("staging", "STRIPE_KEY", 1)),
        ("deployments", stripe.clone(), ledger),
        ("names", stripe.clone(), find("production", "SESSION_SECRET", 1)),
        ("versions", jwt.0, jwt.1),
        ("kinds", stripe, credential),
    ];
    for (between, one, two) in pairs {
        let other = |address: &Address| {
            let swap = [(&one, &two), (&two, &one)];
            swap.iter().find(|(here, _)| here.0 == *address).map(|(_, there)| there.1.clone())
        };
        let answer = world.push(&world.site.bundle_of(&moved(&directory, other), Revision(1)), 1).await;
        assert_eq!(answer.status, 422, "{between}: {}", answer.text());
        assert_eq!(answer.json()["violations"].as_array().unwrap().len(), 2, "{between}: {}", answer.text());
        for (address, _) in [one, two] {
            assert!(answer.text().contains(&format!("{}: ", address.name)), "{between}: {}", answer.text());
        }
    }
}

/// What the host keeps: its values with their addresses, and the opened data keys.
async fn kept(world: &World) -> (Vec<(Address, SealedValue)>, Keyring) {
    let stored = world.admin("GET", "/api/v1/snapshot/bundle?workspace=acme", &world.operator, "").await;
    let keys = std::fs::read_to_string(world.data.path().join("keys")).unwrap();
    let keys = HostKeys::from_file(&keys, &world.site.roots()).unwrap();
    let opened =
        bundle::open_stored(&stored.body, &keys.store.verifying_key(), &BundleLimits::default()).unwrap();
    let keyring = Keyring::unwrap(opened.configuration.uid, &opened.data_keys, &world.site.roots());
    (values(&opened.configuration), keyring)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_host_sealed_opens_at_any_other_address() {
    let world = World::with(two_deployments()).await;
    let (values, keyring) = kept(&world).await;
    assert!(values.len() > 80, "{}", values.len());
    let mut tried = 0;
    for (own, value) in &values {
        let key = keyring.key_for(own.environment, value).unwrap();
        seal::open(key, own, value).unwrap();
        for (other, _) in values.iter().filter(|(other, _)| other != own) {
            // As the host would, with the key of the other place; and with the key that sealed it.
            let looked_up = keyring.key_for(other.environment, value);
            assert_eq!(looked_up.is_ok(), own.environment == other.environment);
            let refused = seal::open(key, other, value).err().unwrap();
            assert_eq!((&refused.name, refused.reason), (&other.name, seal::OpenReason::Refused));
            tried += 1;
        }
    }
    assert_eq!(tried, values.len() * (values.len() - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_environment_of_the_same_name_cannot_open_the_old_ones_values() {
    let world = World::start().await;
    let (old_values, _) = kept(&world).await;
    let (old, new) = (world.site.uid("staging"), Uid([0x5a; 16]));
    let mut directory = world.site.directory();
    directory.configuration.environments.get_mut("staging").unwrap().uid = new;
    // With the old key pair, which is wrapped for the old environment.
    let answer = world.push(&world.site.bundle_of(&directory, Revision(1)), 1).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("environment staging: "), "{}", answer.text());
    // With a new key pair: first the old texts, then texts for the old environment under the new key.
    let root = world.site.root_key();
    let keys = new_environment_keys(&root, world.site.ids.workspace, new, &mut entropy);
    let public = EnvironmentPublicKey(keys.public);
    directory.configuration.keys.insert("staging".parse().unwrap(), keys);
    let sealed_for = |environment: Uid| {
        move |address: &Address| {
            let there = Address { environment, ..address.clone() };
            let text = || seal::seal_text(&public, &there, b"demo-staging-again", &mut entropy).unwrap();
            (address.environment == new).then(text)
        }
    };
    let rebound = moved(&directory, sealed_for(old));
    for (directory, reason) in
        [(&directory, "sealed under the key"), (&rebound, "changed, or sealed for another place")]
    {
        let answer = world.push(&world.site.bundle_of(directory, Revision(1)), 1).await;
        let violations = answer.json()["violations"].as_array().unwrap().clone();
        assert_eq!((answer.status, violations.len()), (422, 15), "{}", answer.text());
        let all = violations.iter().all(|one| one["message"].as_str().unwrap().contains(reason));
        assert!(all, "{}", answer.text());
    }
    // Secrets that are sealed for the new one are taken, and the host's old blobs do not open in it.
    let fresh = moved(&directory, sealed_for(new));
    let pushed = world.push(&world.site.bundle_of(&fresh, Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    assert_eq!(world.environment("staging").await["STRIPE_KEY"], "demo-staging-again");
    let (_, keyring) = kept(&world).await;
    for (address, value) in old_values.iter().filter(|(address, _)| address.environment == old) {
        assert!(keyring.key_for(new, value).is_err());
        let current = keyring.current(new).unwrap();
        let here = Address { environment: new, ..address.clone() };
        assert_eq!(seal::open(current, &here, value).err().unwrap().name, address.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bit_of_a_bundle_can_be_flipped() {
    let world = World::empty(Site::single(), |_| {}).await;
    let good = world.site.bundle(Revision(0));
    assert!(good.len() < 1_200, "{} bytes: small enough to flip every bit of it", good.len());
    let (host, bundle) = (Arc::clone(&world.host), good.clone());
    let tried = blocking(move || {
        let mut tried = 0;
        for bit in 0..bundle.len() * 8 {
            let mut flipped = bundle.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                host.push(&Author::process("the tests"), &flipped, Revision(0)).is_err(),
                "bit {bit} was accepted"
            );
            tried += 1;
        }
        for length in 0..bundle.len() {
            assert!(
                host.push(&Author::process("the tests"), &bundle[..length], Revision(0)).is_err(),
                "{length} bytes were accepted"
            );
        }
        tried
    })
    .await;
    assert_eq!(tried, good.len() * 8);
    assert_eq!(world.boot("staging").await.status, 503, "still nothing to serve");
    assert_eq!(world.push(&good, 0).await.status, 200);
    assert_eq!(world.environment("staging").await["API_KEY"], "demo-staging-API_KEY-v1");
}
