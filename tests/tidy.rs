//! The layering rule and the house's other bans, read off the source: a rule that is a test, not a
//! wish.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::world::files::sources;

/// The levels of architecture, by the first segments of a module's path. A module imports only its
/// own level or lower ones.
const LEVELS: [(&str, u8); 57] = [
    ("canonical", 0),
    ("entropy", 0),
    ("fields", 0),
    ("id", 0),
    ("model", 0),
    ("persistent", 0),
    ("secret", 0),
    ("keyring", 1),
    ("plan", 1),
    ("render", 1),
    ("seal", 1),
    ("signing", 1),
    ("snapshot", 1),
    ("token", 1),
    ("validate", 1),
    ("bundle", 2),
    ("chunks", 2),
    ("dotenv", 2),
    ("format", 2),
    ("lease", 2),
    ("made", 2),
    ("manifest", 2),
    ("policy", 2),
    ("resolve", 2),
    ("source", 2),
    ("state", 2),
    ("audit", 3),
    ("auth", 3),
    ("change", 3),
    ("clock", 3),
    ("control", 3),
    ("durable", 3),
    ("generation", 3),
    ("history", 3),
    ("host", 3),
    ("ledger", 3),
    ("permit", 3),
    ("prepared", 3),
    ("fingerprint", 3),
    ("preview", 3),
    ("questions", 3),
    ("reseal", 3),
    ("slots", 3),
    ("store", 3),
    ("system", 3),
    ("telemetry", 3),
    ("transfer", 3),
    ("upload", 3),
    ("usage", 3),
    ("admin", 4),
    ("client", 4),
    ("serve", 4),
    ("server", 4),
    ("cli", 5),
    ("lib", 5),
    ("main", 5),
    ("demo", 5),
];

/// Crates that only some modules may name.
const CRATES: [(&str, &[&str]); 13] = [
    ("aws_lc_rs::aead", &["seal/capsule"]),
    ("wasmtime", &["policy"]),
    ("wasmtime_wasi", &["policy"]),
    ("chacha20poly1305", &["seal"]),
    ("hpke", &["seal"]),
    ("ed25519_dalek", &["signing"]),
    ("bincode", &["bundle/wire"]),
    ("redb", &["ledger"]),
    ("rpds", &["persistent"]),
    ("regex", &["model/value_type"]),
    ("hyper", &["serve", "admin", "client", "server", "main"]),
    ("axum", &["admin", "server"]),
    ("utoipa", &["admin", "manifest", "serve/facts"]),
];

/// Modules that may name a module at all, where the level alone would let more.
const CONFINED: [(&str, &[&str]); 1] = [
    // Values are sealed and opened here and nowhere else: a change seals, and a clone opens what it seals
    // again for another environment; at a push and when a generation is prepared (the
    // value does not leave), for plain previews, for fingerprints, and by a permit.
    (
        "seal",
        &[
            "change",
            "keyring",
            "permit",
            "prepared",
            "preview",
            "fingerprint",
            "reseal",
            "generation",
            "auth",
            "host",
            "cli",
            "serve/respond",
            "admin/explain",
            "seal",
        ],
    ),
];

/// Every function that opens a value, and the modules that may call it.
const OPENERS: [(&str, &[&str]); 4] = [
    ("seal::open(", &["prepared", "change/clone"]),
    ("open_into(", &["seal", "prepared"]),
    ("open_capsule(", &["seal", "prepared", "permit"]),
    ("open_text(", &["seal", "reseal"]),
];

struct Module {
    path: String,
    text: String,
}

impl Module {
    fn level(&self) -> u8 {
        level(self.path.split('/').next().unwrap())
    }
}

fn level(segment: &str) -> u8 {
    let known = LEVELS.iter().find(|(name, _)| *name == segment);
    known.unwrap_or_else(|| panic!("{segment} has no level in tests/tidy.rs; give it one")).1
}

fn modules() -> Vec<Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let module = |(path, text): (PathBuf, String)| {
        let name = path.strip_prefix(&root).unwrap().with_extension("");
        Module { path: name.to_str().unwrap().to_owned(), text }
    };
    sources(&root).into_iter().map(module).collect()
}

/// What a module's code names, without comments, strings of docs and its tests.
fn code(module: &Module) -> String {
    let before_tests = module.text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first segments of every `crate::…` path, with grouped imports taken apart.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut item) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(first_segment(&std::mem::take(&mut item))),
                    _ if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            found.extend(first_segment(&item));
        } else {
            found.extend(first_segment(rest));
        }
    }
    found
}

fn first_segment(text: &str) -> Option<String> {
    let word: String = text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn a_module_imports_only_its_own_level_or_lower_ones() {
    let mut wrong = Vec::new();
    for module in modules().iter().filter(|module| module.path != "lib" && !module.path.ends_with("tests")) {
        for import in imports(&code(module)) {
            if level(&import) > module.level() {
                wrong.push(format!("{} imports {import}", module.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn policies_cannot_spell_a_secret() {
    for module in modules().iter().filter(|module| module.path.starts_with("policy")) {
        for import in imports(&code(module)) {
            assert!(
                !["secret", "seal", "keyring", "resolve"].contains(&import.as_str()),
                "{}: {import}",
                module.path
            );
        }
    }
    for module in modules().iter().filter(|module| module.path.starts_with("resolve")) {
        assert!(!imports(&code(module)).contains(&"policy".to_owned()));
    }
}

#[test]
fn a_dangerous_crate_is_named_in_its_one_place() {
    for module in modules() {
        let code = code(&module);
        for (name, places) in CRATES {
            let grouped =
                name.split_once("::").is_some_and(|(root, _)| code.contains(&format!("use {root}::{{")));
            let named =
                grouped || code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            let allowed =
                places.iter().any(|place| module.path.starts_with(place)) || module.path.ends_with("tests");
            assert!(!named || allowed, "{} names {name}, which is only for {places:?}", module.path);
        }
    }
}

#[test]
fn values_are_opened_in_the_named_places_only() {
    for module in modules().iter().filter(|module| module.path != "lib") {
        for (name, places) in CONFINED {
            // What is sealed has sizes and shapes that lower levels may know.
            let named = imports(&code(module)).iter().any(|import| import == name) && module.level() > 2;
            let allowed = places.iter().any(|place| module.path.starts_with(place));
            assert!(!named || allowed, "{} names {name}", module.path);
        }
    }
    for module in modules().iter().filter(|module| !module.path.contains("tests")) {
        let code = code(module);
        for (call, places) in OPENERS {
            let allowed = places.iter().any(|place| module.path.starts_with(place));
            assert!(allowed || !code.contains(call), "{} calls {call}", module.path);
        }
        let bare = code.split("seal::{").skip(1).filter_map(|group| group.split('}').next());
        let bare = bare.flat_map(|group| group.split(',')).any(|item| item.trim() == "open");
        assert!(!bare && !code.contains("seal::open;"), "{}: write seal::open in full", module.path);
    }
}

#[test]
fn lower_levels_do_no_io_log_nothing_read_no_clock() {
    let banned = [
        "std::fs",
        "TcpStream",
        "tracing::",
        "SystemTime",
        "Instant::now",
        "getrandom",
        "println!",
        "tokio::",
    ];
    // The queue of expensive questions hands its answers to a waiting task.
    let excepted: BTreeMap<&str, &str> = BTreeMap::from([("policy/lanes", "tokio::")]);
    for module in modules().iter().filter(|module| module.level() <= 2 && !module.path.contains("tests")) {
        let code = code(module);
        for word in banned {
            let excepted = excepted.get(module.path.as_str()) == Some(&word);
            assert!(excepted || !code.contains(word), "{} names {word}", module.path);
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    for module in modules() {
        for word in words {
            assert!(!module.text.contains(word), "{} holds {word}", module.path);
        }
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    assert!(!readme.contains("@@"), "README.md has a place that waits for its text");
}
