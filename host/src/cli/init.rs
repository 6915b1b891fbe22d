//! `bootlace init`: a workspace directory to start from.

pub mod workspace;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use self::workspace::{Scaffold, scaffold};
use super::{directory, exit::Misuse, files, output::Output, signers};
use crate::{clock::Clock, id::WorkspaceId, system};

/// Start a workspace directory, with its keys
///
/// Writes development, staging, production and a preview, one deployment, two services, sample
/// policies, and the keys to seal with. Private keys and tokens go to a directory of their own
/// beside it, never into it: the workspace directory is made to be committed. This machine trusts
/// the new signer from now on, for this workspace.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace init acme                          ./acme, and its keys in ./acme-keys
  bootlace init config/acme --workspace acme --keys ~/.config/bootlace/acme")]
pub struct Args {
    /// The directory; new or empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// The workspace's name; the directory's by default
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<WorkspaceId>,

    /// Where private keys and tokens go, new or empty; DIR-keys by default
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let name = self.name()?;
        let dir: PathBuf = self.dir.components().collect();
        let keys = self.keys.clone().unwrap_or_else(|| files::beside(&dir, "-keys"));
        refuse_inside(&keys, &dir)?;
        // Both before anything is written: half a workspace is worse than none.
        directory::new_or_empty(&dir)?;
        directory::new_or_empty(&keys)?;
        let scaffold = scaffold(&name, Clock::system().now(), &mut system::entropy)?;
        write_keys(&keys, &scaffold)?;
        fs::create_dir_all(&dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
        directory::write(&dir, &scaffold.tree)?;
        let pin = signers::pin(scaffold.uid, &scaffold.operator_key.verifying_key())?;

        let next = next(&scaffold, &dir, &keys);
        if output.is_json() {
            return Ok(output.json(&json!({
                "workspace": name.as_str(), "id": scaffold.uid.to_string(),
                "directory": dir, "keys": keys, "signer": pin,
                "next": next.iter().map(|(_, command)| command).collect::<Vec<_>>(),
            }))?);
        }
        let mut page = output.page();
        page.heading(&format!("workspace {name}"), "ready to build");
        page.fields(&[
            ("directory", format!("{}  commit it: it holds no secret in the clear", dir.display())),
            ("keys", format!("{}  keep it out of version control, and keep a copy", keys.display())),
            ("trusted", format!("{}  whose keys this machine seals to", pin.display())),
        ]);
        for (why, command) in &next {
            page.gap();
            page.line(&format!("# {why}"));
            page.line(command);
        }
        Ok(output.show(&page)?)
    }

    fn name(&self) -> anyhow::Result<WorkspaceId> {
        if let Some(name) = &self.workspace {
            return Ok(name.clone());
        }
        let named = self.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        named.parse().with_context(|| {
            Misuse(format!("{} does not name a workspace; give --workspace NAME", self.dir.display()))
        })
    }
}

/// Keys inside the workspace directory would be committed with it.
fn refuse_inside(keys: &Path, dir: &Path) -> anyhow::Result<()> {
    let absolute = |path| std::path::absolute(path).context("cannot find the current directory");
    if absolute(keys)?.starts_with(absolute(dir)?) {
        let advice = format!(
            "{} lies in the workspace directory, which is shared; keep keys elsewhere",
            keys.display()
        );
        return Err(Misuse(advice).into());
    }
    Ok(())
}

fn write_keys(keys: &Path, scaffold: &Scaffold) -> anyhow::Result<()> {
    let tokens = keys.join("tokens");
    files::private_directory(keys)?;
    files::private_directory(&tokens)?;
    files::write_private(&keys.join("root.key"), scaffold.root_key.to_file().as_bytes())?;
    files::write_private(&keys.join("operator.key"), scaffold.operator_key.to_file().as_bytes())?;
    let signer = format!("{}\n", scaffold.operator_key.verifying_key());
    files::write_public(&keys.join("operator.key.pub"), signer.as_bytes())?;
    for (file, token) in &scaffold.tokens {
        // One write, with the newline: a token of half a line would be no token.
        let mut line = zeroize::Zeroizing::new(String::with_capacity(token.expose().len() + 1));
        line.push_str(token.expose());
        line.push('\n');
        files::write_private(&tokens.join(file), line.as_bytes())?;
    }
    Ok(())
}

/// What to run next, each with what it is for.
fn next(scaffold: &Scaffold, dir: &Path, keys: &Path) -> [(&'static str, String); 4] {
    let (dir, keys) = (quoted(dir), quoted(keys));
    let name = &scaffold.workspace;
    [
        (
            "seal a secret of your own, read from standard input",
            format!("bootlace seal {dir} --environment staging --deployment checkout STRIPE_KEY"),
        ),
        (
            "run a host that knows the first tokens",
            format!(
                "bootlace serve --data {name}-data --root-key {keys}/root.key --trust {keys}/operator.key.pub --bootstrap {dir}"
            ),
        ),
        (
            "build the directory and push it",
            format!(
                "BOOTLACE_TOKEN_FILE={name}-data/operator.token bootlace snapshot push {dir} --signer {keys}/operator.key"
            ),
        ),
        (
            "boot as an instance in production",
            format!("BOOTLACE_TOKEN_FILE={keys}/tokens/production.token bootlace boot --format dotenv"),
        ),
    ]
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
    if text.bytes().all(plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_lie_in_the_directory_that_is_committed() {
        for inside in ["acme", "acme/keys", "./acme/keys"] {
            assert!(refuse_inside(Path::new(inside), Path::new("acme")).is_err(), "{inside}");
        }
        assert!(refuse_inside(Path::new("acme-keys"), Path::new("acme")).is_ok());
    }

    #[test]
    fn commands_can_be_pasted_whatever_the_path() {
        assert_eq!(quoted(Path::new("config/acme")), "config/acme");
        assert_eq!(quoted(Path::new("my conf/it's")), r"'my conf/it'\''s'");
        assert_eq!(quoted(Path::new("-x")), "'-x'");
    }
}
