//! `bootlace policy new`: a policy crate that needs nothing but itself.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    cli::{directory, exit::Misuse, output::Output},
    id::PolicyName,
    source::Tree,
};

/// Start a policy in Rust: its source, its build, its tests and fixtures
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy new region-affinity
  bootlace policy new quiet-hours --kind promotion
  cd region-affinity && cargo test && cargo build --release --target wasm32-unknown-unknown")]
pub struct Args {
    /// The directory; new or empty. Its name becomes the policy's
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// When it is asked: at boot, or when a release wants to move
    #[arg(long, value_enum, default_value = "resolve")]
    pub kind: Kind,
}

/// A kind of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Asked at boot
    Resolve,
    /// Asked when a release wants to move
    Promotion,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let name = name(&self.dir)?;
        directory::write(&self.dir, &tree(&name, self.kind))?;
        let built = format!("target/wasm32-unknown-unknown/release/{}.wasm", crate_name(&name));
        let commands = [
            "cargo test".to_owned(),
            "cargo build --release --target wasm32-unknown-unknown".to_owned(),
            format!("bootlace policy test {built} --fixtures fixtures"),
        ];
        if output.is_json() {
            return Ok(output.json(&json!({
                "policy": name.as_str(), "directory": self.dir, "built": built, "next": commands,
            }))?);
        }
        let mut page = output.page();
        page.heading(&format!("policy {name}"), &format!("in {}", self.dir.display()));
        page.gap();
        for command in &commands {
            page.line(command);
        }
        Ok(output.show(&page)?)
    }
}

/// The policy's name is a crate's, too, and a crate's starts with a letter.
fn name(dir: &Path) -> anyhow::Result<PolicyName> {
    let named = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let misuse = || {
        let rule = "use a-z, 0-9 and -, starting with a letter";
        Misuse(format!("{} does not name a policy; {rule}", dir.display()))
    };
    let name: PolicyName = named.parse().with_context(misuse)?;
    let usable = name.as_str().starts_with(|first: char| first.is_ascii_lowercase());
    // Cargo refuses a crate that is named as something that is always there.
    let taken = ["alloc", "core", "proc-macro", "std", "test", "bootlace-policy"].contains(&name.as_str());
    if usable && !taken { Ok(name) } else { Err(misuse().into()) }
}

/// As Cargo names the built file.
fn crate_name(name: &PolicyName) -> String {
    name.as_str().replace('-', "_")
}

fn tree(name: &PolicyName, kind: Kind) -> Tree {
    let own = match kind {
        Kind::Resolve => RESOLVE,
        Kind::Promotion => PROMOTION,
    };
    let fill = |text: &str| text.replace("@@name@@", name.as_str()).replace("@@crate@@", &crate_name(name));
    let starter =
        STARTER.iter().chain(&own).map(|(path, text)| ((*path).to_owned(), fill(text).into_bytes()));
    let sdk = SDK.iter().map(|(path, text)| ((*path).to_owned(), (*text).into()));
    let manifest = ("sdk/guest/Cargo.toml".to_owned(), own_manifest(SDK_MANIFEST).into_bytes());
    starter.chain(sdk).chain([manifest]).collect()
}

/// The SDK's manifest without what it inherits from this repository's workspace.
fn own_manifest(inherited: &str) -> String {
    let mut own = String::new();
    for line in inherited.lines() {
        match line.strip_suffix(".workspace = true") {
            Some("version") => own += "version = \"0.1.0\"\n",
            Some("edition") => own += "edition = \"2024\"\n",
            Some("license") => own += "license = \"Apache-2.0 OR MIT\"\n",
            Some(_) => own += "publish = false\n",
            None if line == "[lints]" => break,
            None => {
                own += line;
                own.push('\n');
            }
        }
    }
    own
}

const STARTER: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("starter/manifest.toml")),
    (".cargo/config.toml", include_str!("starter/config.toml")),
    (".gitignore", include_str!("starter/gitignore")),
    ("README.md", include_str!("starter/README.md")),
];

const RESOLVE: [(&str, &str); 3] = [
    ("src/lib.rs", include_str!("starter/policy.rs")),
    ("fixtures/near.toml", include_str!("starter/fixtures/near.toml")),
    ("fixtures/elsewhere.toml", include_str!("starter/fixtures/elsewhere.toml")),
];

const PROMOTION: [(&str, &str); 3] = [
    ("src/lib.rs", include_str!("starter/promotion.rs")),
    ("fixtures/passed.toml", include_str!("starter/fixtures/passed.toml")),
    ("fixtures/failed.toml", include_str!("starter/fixtures/failed.toml")),
];

const SDK_MANIFEST: &str = include_str!("../../../../guest/Cargo.toml");

macro_rules! sdk {
    ($($file:literal),* $(,)?) => {
        [$((concat!("sdk/", $file), include_str!(concat!("../../../../", $file)))),*]
    };
}

const SDK: [(&str, &str); 11] = sdk![
    "guest/src/answer.rs",
    "guest/src/arena.rs",
    "guest/src/bindings.rs",
    "guest/src/export.rs",
    "guest/src/lib.rs",
    "guest/src/promotion.rs",
    "guest/src/request.rs",
    "guest/src/settings.rs",
    "guest/src/testing.rs",
    "guest/src/wire.rs",
    "wit/policy.wit",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;
    use crate::{cli::policy::fixture::AnyFixture, model::PolicyKind};

    fn named(name: &str, kind: Kind) -> Tree {
        tree(&name.parse().unwrap(), kind)
    }

    fn text<'a>(tree: &'a Tree, path: &str) -> &'a str {
        std::str::from_utf8(&tree[path]).unwrap()
    }

    #[test]
    fn the_whole_sdk_is_brought_along() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut expected = BTreeSet::from(["sdk/guest/Cargo.toml".to_owned()]);
        for directory in ["guest/src", "wit"] {
            for file in fs::read_dir(root.join(directory)).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                expected.insert(format!("sdk/{directory}/{file}"));
            }
        }
        let brought = named("near", Kind::Resolve).into_keys().filter(|path| path.starts_with("sdk/"));
        assert_eq!(brought.collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn nothing_points_outside_and_nothing_is_left_to_fill_in() {
        let tree = named("near-region", Kind::Resolve);
        let promotion = named("near-region", Kind::Promotion);
        for (path, bytes) in tree.iter().chain(&promotion) {
            assert!(!std::str::from_utf8(bytes).unwrap().contains("@@"), "{path}");
            if path.ends_with(".toml") {
                let parsed: toml::Table = std::str::from_utf8(bytes).unwrap().parse().unwrap();
                assert!(!format!("{parsed:?}").contains(r#""workspace": Boolean"#), "{path}");
            }
        }
        assert!(text(&tree, "Cargo.toml").contains("name = \"near-region\""));
        assert!(text(&tree, "README.md").contains("release/near_region.wasm"));
        assert!(text(&tree, "sdk/guest/Cargo.toml").contains("version = \"0.1.0\""));
    }

    #[test]
    fn its_fixtures_are_fixtures() {
        for (own, kind) in [(RESOLVE, PolicyKind::Resolve), (PROMOTION, PolicyKind::Promotion)] {
            for (path, text) in own.iter().filter(|(path, _)| path.starts_with("fixtures/")) {
                let fixture = AnyFixture::parse(text).unwrap_or_else(|error| panic!("{path}: {error:#}"));
                assert_eq!(fixture.kind(), kind, "{path}");
            }
        }
    }

    #[test]
    fn a_name_that_is_no_crates_is_wrong_usage() {
        assert_eq!(name(Path::new("policies/near-region")).unwrap().as_str(), "near-region");
        for wrong in ["Near", "9lives", "-x", "near region", "/", "..", "test"] {
            assert!(name(Path::new(wrong)).unwrap_err().is::<Misuse>(), "{wrong}");
        }
    }
}
