//! The starter workspace's secrets, and a search for them in every spelling.

use std::{cell::RefCell, collections::HashMap, convert::Infallible};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use bootlace::{
    model::AddressKind,
    source::{KeysFile, starter::Additions},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Site;

/// What must not be found.
pub(crate) struct Canaries {
    /// Environment and plaintext.
    pub(crate) secrets: Vec<(String, String)>,
    needles: Vec<Needle>,
    /// By the first bytes.
    beginnings: HashMap<[u8; BEGINNING], Vec<usize>>,
    first_bytes: [bool; 256],
}

struct Needle {
    bytes: Vec<u8>,
    /// Says what it is without quoting it.
    name: String,
}

const BEGINNING: usize = 6;
/// All that a URL does not write as it is (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Canaries {
    /// Every secret of the starter workspace, as the starter itself seals them.
    pub(crate) fn of(site: &Site) -> Self {
        let secrets = RefCell::new(Vec::new());
        let keys = KeysFile { environments: Default::default(), signature: None };
        let additions = Additions { keys: &keys, tokens: Vec::new(), components: &[] };
        let environments = site.ids.environments();
        let collected = site.ids.tree(additions, |address, plaintext| {
            let (environment, _) = environments.iter().find(|(_, uid)| *uid == address.environment).unwrap();
            let plaintext = String::from_utf8(plaintext.to_vec()).unwrap();
            assert!(address.kind != AddressKind::ToolSettings);
            secrets.borrow_mut().push(((*environment).to_owned(), plaintext));
            Ok::<_, Infallible>(String::new())
        });
        collected.unwrap();
        Self::new(secrets.into_inner())
    }

    fn new(secrets: Vec<(String, String)>) -> Self {
        let needles: Vec<_> = secrets.iter().flat_map(|(_, secret)| spellings(secret)).collect();
        let mut beginnings: HashMap<_, Vec<usize>> = HashMap::new();
        let mut first_bytes = [false; 256];
        for (index, needle) in needles.iter().enumerate() {
            let beginning = needle.bytes.first_chunk::<BEGINNING>().unwrap();
            beginnings.entry(*beginning).or_default().push(index);
            first_bytes[usize::from(beginning[0])] = true;
        }
        Self { secrets, needles, beginnings, first_bytes }
    }

    /// The names of those that lie in `haystack`.
    pub(crate) fn found_in(&self, haystack: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for at in 0..haystack.len().saturating_sub(BEGINNING - 1) {
            if !self.first_bytes[usize::from(haystack[at])] {
                continue;
            }
            let rest = &haystack[at..];
            let candidates = self.beginnings.get(rest.first_chunk::<BEGINNING>().unwrap());
            let all = candidates.into_iter().flatten().map(|index| &self.needles[*index]);
            found.extend(all.filter(|needle| rest.starts_with(&needle.bytes)).map(|one| one.name.as_str()));
        }
        found
    }

    /// Expects none of them.
    pub(crate) fn absent_from(&self, what: &str, haystack: impl AsRef<[u8]>) {
        let found = self.found_in(haystack.as_ref());
        assert!(found.is_empty(), "{what} holds {found:?}");
    }

    /// The secrets of an environment.
    pub(crate) fn of_environment(&self, environment: &str) -> impl Iterator<Item = &str> {
        self.secrets.iter().filter(move |(of, _)| of == environment).map(|(_, secret)| secret.as_str())
    }
}

fn spellings(secret: &str) -> Vec<Needle> {
    let needle = |how: &str, bytes: Vec<u8>| Needle { bytes, name: format!("{secret} ({how})") };
    let utf16 = |bytes: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let percent = utf8_percent_encode(secret, UNRESERVED).to_string();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut needles = vec![
        needle("raw", secret.into()),
        needle("UTF-16LE", utf16(u16::to_le_bytes)),
        needle("UTF-16BE", utf16(u16::to_be_bytes)),
        needle("hexadecimal", hex.clone().into_bytes()),
        needle("hexadecimal", hex.to_uppercase().into_bytes()),
        needle("backwards", secret.bytes().rev().collect()),
        needle("as JSON", serde_json::Value::from(secret).to_string().trim_matches('"').into()),
        needle("base64", STANDARD.encode(secret).into_bytes()),
    ];
    if percent != secret {
        needles.push(needle("percent-encoded", percent.to_lowercase().into_bytes()));
        needles.push(needle("percent-encoded", percent.into_bytes()));
    }
    // Within something longer, base64 depends on where in a group of three the secret begins.
    for before in 0..3 {
        let shifted = [&b"\0\0"[..before.min(2)], secret.as_bytes()].concat();
        let whole = shifted.len() / 3 * 4;
        for (name, text) in
            [("base64", STANDARD_NO_PAD.encode(&shifted)), ("base64url", URL_SAFE_NO_PAD.encode(&shifted))]
        {
            let inner = &text[if before == 0 { 0 } else { 4 }..whole];
            needles.push(needle(&format!("{name}, shifted by {before}"), inner.into()));
        }
    }
    needles
}

#[test]
fn every_spelling_is_found_and_a_near_miss_is_not() {
    let secret = "demo/staging@orders-db#1 %&=+";
    let canaries = Canaries::new(vec![("staging".into(), secret.into())]);
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let planted: [&[u8]; 6] = [
        secret.as_bytes(),
        b"demo%2Fstaging%40orders-db%231%20%25%26%3D%2B",
        b"demo%2fstaging%40orders-db%231%20%25%26%3d%2b",
        &utf16,
        STANDARD.encode(format!("x{secret}yy")).leak().as_bytes(),
        STANDARD.encode(format!("xy{secret}")).leak().as_bytes(),
    ];
    for planted in planted {
        let haystack = [b"before ", planted, b" after"].concat();
        assert!(!canaries.found_in(&haystack).is_empty(), "{planted:?}");
    }
    assert!(canaries.found_in(b"demo/staging@orders-db#2 %&=+ and demo/stag").is_empty());
}
