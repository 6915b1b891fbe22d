//! Every format carries the same values, whatever is in them, or refuses by name what it cannot
//! carry.

use std::{collections::BTreeMap, process::Command};

use bootlace::dotenv::{self, Dialect};

use crate::world::{Answer, Site, World};

type Variables = BTreeMap<String, String>;

/// Values that formats like to mangle.
const ODD: [&str; 9] = [
    "it's \"quoted\" `id` \\n \\",
    "$HOME $(id) \"quoted\" `id`",
    " blanks around ",
    "# no comment",
    "a=b=c",
    "ü € 🜁",
    "%41%",
    "",
    "tab\tand | ; & < > ! * ?",
];

fn odd() -> Site {
    let mut site = Site::starter();
    for (at, text) in ODD.iter().enumerate() {
        site.set_plain("staging", &format!("ODD_{at}"), text);
    }
    // What no release declares is left out by a policy; these are all to be carried.
    site.edit(
        "policies.toml",
        "settings = { always = \"LOG_FORMAT",
        "settings = { always = \"ODD_0,ODD_1,ODD_2,ODD_3,ODD_4,ODD_5,ODD_6,ODD_7,ODD_8,ODD_LINES,LOG_FORMAT",
    );
    site
}

/// Reads lines as `NAME=…`, the rest by `value`.
fn lines(text: &str, value: impl Fn(&str) -> String) -> Variables {
    let pair = |line: &str| {
        let (name, rest) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), value(rest))
    };
    text.lines().map(pair).collect()
}

/// Takes quotes off, and backslashes off what they quote.
fn unquoted(text: &str, literal: char) -> String {
    let inner = &text[1..text.len() - 1];
    assert!(text.len() >= 2 && text.ends_with(&text[..1]), "{text}");
    if text.starts_with(literal) {
        return inner.to_owned();
    }
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) if literal == '\'' => plain.push('\n'),
            ('\\', Some('r')) if literal == '\'' => plain.push('\r'),
            ('\\', Some(next)) => plain.push(next),
            _ => plain.push(c),
        }
    }
    plain
}

/// What a POSIX shell itself makes of it.
fn by_shell(script: &str) -> Variables {
    let mut shell = Command::new("sh");
    let script = format!("{script}\nexec env -0");
    let output = shell.env_clear().env("PATH", "/usr/bin:/bin").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    let own = ["PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    pairs.filter(|(name, _)| !own.contains(name)).map(|(name, value)| (name.into(), value.into())).collect()
}

fn from_base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|digit| *digit != b'=');
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for digit in digits {
        let six = DIGITS.iter().position(|known| *known == digit).unwrap();
        bits = bits << 6 | six as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn read(format: &str, answer: &Answer) -> Variables {
    match format {
        "json" => answer.environment(),
        "docker" => lines(answer.text(), str::to_owned),
        "systemd" => lines(answer.text(), |value| unquoted(value, '\0')),
        "dotenv" => lines(answer.text(), |value| unquoted(value, '\'')),
        "shell" => by_shell(answer.text()),
        _ => {
            let secret = answer.json();
            assert_eq!((&secret["apiVersion"], &secret["kind"]), (&"v1".into(), &"Secret".into()));
            assert_eq!(secret["metadata"]["name"], "checkout.staging");
            let data: Variables = serde_json::from_value(secret["data"].clone()).unwrap();
            data.into_iter().map(|(name, value)| (name, from_base64(&value))).collect()
        }
    }
}

const FORMATS: [(&str, &str); 6] = [
    ("json", "application/json"),
    ("dotenv", "text/plain; charset=utf-8"),
    ("docker", "text/plain; charset=utf-8"),
    ("systemd", "text/plain; charset=utf-8"),
    ("shell", "text/plain; charset=utf-8"),
    ("k8s-secret", "application/json"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_format_carries_the_same_values() {
    let world = World::with(odd()).await;
    let given = world.environment("staging").await;
    for (at, text) in ODD.iter().enumerate() {
        assert_eq!(given[&format!("ODD_{at}")], *text);
    }
    let mut etags = Vec::new();
    for (format, content_type) in FORMATS {
        let answer = world.boot_with("staging", &format!("format={format}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type), "{format}");
        assert_eq!(answer.header("cache-control"), "no-store", "{format}");
        assert_eq!(read(format, &answer), given, "{format}");
        etags.push(answer.header("etag").to_owned());
    }
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), FORMATS.len(), "each format is another answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_out_as_dotenv_or_docker_is_read_back_by_those_it_is_for() {
    let world = World::with(odd()).await;
    let given = world.environment("staging").await;
    let readers = [("dotenv", Dialect::Python), ("dotenv", Dialect::Compose), ("docker", Dialect::Docker)];
    for (format, dialect) in readers {
        let answer = world.boot_with("staging", &format!("format={format}")).await;
        let parsed = dotenv::parse(answer.text().as_bytes(), dialect).unwrap();
        let read = parsed.entries.iter().map(|entry| (entry.name.to_string(), entry.expose().to_owned()));
        assert_eq!(read.collect::<Variables>(), given, "{format} to {dialect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_may_be_asked_for_by_accept_and_the_query_has_the_last_word() {
    let world = World::start().await;
    for (format, content_type) in FORMATS {
        let accept = format!("text/html;q=0.1, application/vnd.bootlace.{format};q=1");
        let headers = [("accept", accept.as_str())];
        let answer = world.boot_as("staging", "GET", "", &headers, "").await;
        assert_eq!(answer.header("content-type"), content_type, "{format}");
        assert_eq!(answer.text(), world.boot_with("staging", &format!("format={format}")).await.text());
        let asked = world.boot_as("staging", "GET", "format=json", &headers, "").await;
        assert!(asked.json()["env"].is_object());
    }
    for accept in ["*/*", "application/json", "text/html", "application/vnd.bootlace.xml", "\u{1}"] {
        let Ok(_) = hyper::header::HeaderValue::from_str(accept) else { continue };
        let answer = world.boot_as("staging", "GET", "", &[("accept", accept)], "").await;
        assert!(answer.json()["env"].is_object(), "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_break_is_carried_whole_or_refused_by_name() {
    let mut site = odd();
    let lines = "-----BEGIN KEY-----\nit's secret\n-----END KEY-----\n";
    site.set_secret("staging", "STRIPE_KEY", lines).set_plain("staging", "ODD_LINES", "one\r\ntwo");
    let world = World::with(site).await;
    for (format, refused) in [("docker", "ODD_LINES"), ("systemd", "ODD_LINES")] {
        let answer = world.boot_with("staging", &format!("format={format}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{format}");
        assert_eq!(answer.json()["keys"], serde_json::json!([refused]), "{format}");
        assert!(answer.text().contains(format) && !answer.text().contains("BEGIN"), "{}", answer.text());
    }
    for format in ["json", "dotenv", "shell", "k8s-secret"] {
        let answer = world.boot_with("staging", &format!("format={format}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // A dotenv value over several lines stands between quotes on one.
        let read = read(format, &answer);
        assert_eq!(
            (read["STRIPE_KEY"].as_str(), read["ODD_LINES"].as_str()),
            (lines, "one\r\ntwo"),
            "{format}"
        );
    }
    let mut site = odd();
    site.set_secret("staging", "STRIPE_KEY", lines);
    let world = World::with(site).await;
    let answer = world.boot_with("staging", "format=docker").await;
    assert_eq!(answer.json()["keys"], serde_json::json!(["STRIPE_KEY"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_readers_of_dotenv_would_expand_is_refused() {
    for value in ["a${B}", "it's $HOME", "C:\\$HOME"] {
        let mut site = odd();
        site.set_plain("staging", "ODD_0", value);
        let world = World::with(site).await;
        let answer = world.boot_with("staging", "format=dotenv").await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{value}");
        assert_eq!(answer.json()["keys"], serde_json::json!(["ODD_0"]));
        let shell = world.boot_with("staging", "format=shell").await;
        assert_eq!(by_shell(shell.text())["ODD_0"], value);
    }
}

/// Takes a percent-encoded text back.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
        bytes.push(if byte == b'%' {
            hex(rest.next().unwrap()) << 4 | hex(rest.next().unwrap())
        } else {
            byte
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_passwords_decode_back_from_urls_and_templates() {
    let all: String = (0x20..0x7f_u8).map(char::from).collect();
    for password in ["p@ss:w/rd?#[]%41", "%2F%", "🜁 ü+", &all, "x"] {
        let mut site = Site::starter();
        let sealed = site.seal(&site.credential("staging", "orders-db"), password.as_bytes()).unwrap();
        site.change_toml("services/orders-db.toml", |file| {
            file["instances"]["staging"]["credential"] = toml_edit::value(sealed);
        });
        site.set_secret("staging", "SENTRY_KEY", password);
        let world = World::with(site).await;
        let given = world.environment("staging").await;
        for (name, user, host) in [
            ("DATABASE_URL", "checkout:", "orders-primary.staging.acme.internal:5432/orders?sslmode=require"),
            ("SENTRY_DSN", "", "sentry.acme.internal/42"),
        ] {
            let (authority, rest) = given[name].split_once("://").unwrap().1.split_once('@').unwrap();
            assert_eq!((decoded(authority), rest), (format!("{user}{password}"), host), "{}", given[name]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_values_are_injected_as_json() {
    let world = World::start().await;
    let given = world.environment("production").await;
    let json = |name: &str| serde_json::from_str::<serde_json::Value>(&given[name]).unwrap();
    assert_eq!(json("CURRENCIES"), serde_json::json!(["EUR", "USD", "GBP"]));
    assert_eq!(
        json("RETRY_POLICY"),
        serde_json::json!({"attempts": 3, "backoff": "exponential", "base_ms": 50})
    );
    assert_eq!((json("PORT"), json("FEATURE_APPLE_PAY")), (8080.into(), true.into()));
    assert_eq!(json("TRACE_SAMPLE_RATIO"), 0.05);
    assert_eq!(given["LOG_LEVEL"], "warn", "text is no JSON");
}
