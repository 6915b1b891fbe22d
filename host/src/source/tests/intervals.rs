//! How often a secret is rotated, as a directory says it.

use super::*;
use crate::id::UnixSeconds;

const APP: &str = "deployments/checkout.toml";
const SECRET: &str = "description = \"takes payments\"";

/// The starter, whose secret says `more`.
fn saying(more: &str) -> Tree {
    edited(APP, SECRET, &format!("{SECRET}, {more}"))
}

#[test]
fn an_interval_counts_from_a_day_or_a_moment() {
    let day = 1_785_542_400;
    for (more, expected) in [
        ("rotate-every = \"90d\", rotated = 2026-08-01", (90, day)),
        ("rotate-every = \"1d\", rotated = \"2026-08-01\"", (1, day)),
        ("rotate-every = \"3650d\", rotated = 2026-08-01T01:30:00+02:00", (3_650, day - 1_800)),
        ("rotate-every = \"90d\", rotated = 2999-01-01", (90, 32_472_144_000)),
    ] {
        let directory = load(&saying(more)).unwrap_or_else(|problems| panic!("{more}: {problems}"));
        let found: Vec<_> = directory.configuration.intervals().collect();
        let [(place, key, _, interval)] = &found[..] else { panic!("{more}: {}", found.len()) };
        let expected_place = Place::Deployment(DEPLOYMENT.parse().unwrap(), Some(name("production")));
        assert_eq!((place, key.as_str()), (&expected_place, "STRIPE_KEY"), "{more}");
        assert_eq!(
            (interval.every.number(), interval.since),
            (expected.0, UnixSeconds(expected.1)),
            "{more}"
        );
    }
    let versions = (
        "JWT_SIGNING_KEY.current = 1",
        "JWT_SIGNING_KEY.current = 1\nJWT_SIGNING_KEY.rotate-every = \"9d\"\nJWT_SIGNING_KEY.rotated = 2026-08-01",
    );
    let directory = load(&edited(APP, versions.0, versions.1)).unwrap();
    assert_eq!(directory.configuration.intervals().count(), 1);
    assert_eq!(load(&starter()).unwrap().configuration.intervals().count(), 0);
}

#[test]
fn what_is_no_interval_is_refused_and_what_to_write_is_said() {
    for (more, expected) in [
        ("rotate-every = \"90d\"", "STRIPE_KEY.rotate-every: `rotated` is missing; write since when"),
        ("rotated = 2026-08-01", "STRIPE_KEY.rotated: `rotate-every` is missing; write how often"),
        (
            "rotate-every = \"0d\", rotated = 2026-08-01",
            "rotate-every: is no number of days; write 1d to 3650d",
        ),
        ("rotate-every = \"3651d\", rotated = 2026-08-01", "is no number of days"),
        ("rotate-every = \"3h\", rotated = 2026-08-01", "is no number of days"),
        ("rotate-every = 90, rotated = 2026-08-01", "rotate-every: is an integer; write text"),
        ("rotate-every = \"90d\", rotated = \"soon\"", "rotated: is no date; write one, such as 2026-08-01"),
        ("rotate-every = \"90d\", rotated = 2026-08-01T12:00:00", "rotated: is no date"),
        ("rotate-every = \"90d\", rotated = 12:00:00", "rotated: is no date"),
        ("rotate-every = \"90d\", rotated = 1", "rotated: is no date"),
        ("rotate-evry = \"90d\", rotated = 1", "unknown key; did you mean `rotate-every`?"),
    ] {
        let found = problems(&saying(more));
        assert!(
            found.contains(APP) && found.contains(expected),
            "{more}\nexpected: {expected}\nfound: {found}"
        );
    }
    let only_secrets =
        "variables.TZ: only a secret is rotated; drop `rotate-every` and `rotated`, or seal it";
    let both = "rotate-every = \"90d\", rotated = 2026-08-01";
    for form in [
        "value = \"UTC\"",
        "json = \"UTC\"",
        "template = \"${LOG_LEVEL}\"",
        "versions = [{ number = 1, value = 1 }]",
    ] {
        let found =
            problems(&edited("workspace.toml", "TZ = \"UTC\"", &format!("TZ = {{ {form}, {both} }}")));
        assert!(found.contains(only_secrets), "{form}: {found}");
    }
}

#[test]
fn a_services_credential_has_an_interval_too_and_a_tools_has_none() {
    let file = "services/orders-db.toml";
    let text = String::from_utf8(starter()[file].clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with("credential = ")).unwrap();
    let sealed = line.trim_start_matches("credential = ");
    let saying = |more: &str| edited(file, line, &format!("credential = {{ secret = {sealed}{more} }}"));
    let both = ", rotate-every = \"90d\", rotated = 2026-08-01";
    let directory = load(&saying(both)).unwrap_or_else(|problems| panic!("{problems}"));
    let found: Vec<_> = directory.configuration.credential_intervals().collect();
    let [(id, _, instance, interval)] = &found[..] else { panic!("{}", found.len()) };
    assert_eq!((id.as_str(), interval.every.number()), ("orders-db", 90));
    assert_eq!((interval.since, instance.current), (UnixSeconds(1_785_542_400), 1));
    let found = problems(&saying(", rotate-every = \"90d\""));
    assert!(found.contains("credential.rotate-every: `rotated` is missing"), "{found}");
    let tool = "tools/webhook.toml";
    let text = String::from_utf8(starter()[tool].clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with("credentials.token = ")).unwrap();
    let sealed = line.trim_start_matches("credentials.token = ");
    let found = problems(&edited(tool, line, &format!("credentials.token = {{ secret = {sealed}{both} }}")));
    assert!(found.contains("of a tool's credential there are no reminders"), "{found}");
}
