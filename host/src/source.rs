//! A workspace directory, as a tree of bytes, read into a configuration; every error with file,
//! line, column and key. No IO here: whoever has a directory brings its files.
//!
//! ```text
//! workspace.toml              format, [workspace] name and id, base [variables], required
//! environments/<name>.toml    one file each; a `/` in the name is a directory
//! deployments/<name>.toml     its base, [environments.<name>], [[releases]]
//! services/<name>.toml        kind, [instances.<environment>] and their [[endpoints]]
//! tools/<name>.toml           description, [profiles.<environment>]
//! policies.toml               [policies.<name>] and [[attachments]], in running order
//! keys.toml                   the environments' public keys, signed; see `KeysFile`
//! bootstrap.toml              first tokens and activations; state, not configuration
//! ```
//!
//! Any other `.toml` file is an error, so that a misspelt directory is not silently left out; all
//! other files are ignored, unless a policy names one as its component. How values are written is
//! told in [`value`], how requirements are in `required`,
//! what an environment gives by itself in `scoped`.

mod bootstrap;
mod deployment;
mod environment;
mod keys;
mod policies;
mod problem;
mod reader;
mod required;
mod scoped;
mod service;
pub mod starter;
mod tool;
pub mod value;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};

pub use bootstrap::Bootstrap;
pub use keys::KeysFile;
pub use problem::{Problem, Problems};

use self::reader::{Reader, SourceFile};
use crate::{
    id::{DeploymentId, EnvironmentName, ServiceId, ToolName},
    model::{Configuration, InputValue, Layer},
    validate,
};

/// A directory's files: path with `/`, and bytes.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// Files of a directory.
pub const MAX_FILES: usize = 30_000;
/// Bytes of one TOML file.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// Bytes of all files together.
pub const MAX_TREE_BYTES: usize = 256 << 20;
/// Segments of a file's path.
pub const MAX_PATH_DEPTH: usize = 8;
/// The version of the format.
pub const FORMAT: u64 = 1;

/// What a workspace directory says.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Everything that the directory owns.
    pub configuration: Configuration<InputValue>,
    /// First tokens and activations, for a workspace that is new to its host.
    pub bootstrap: Option<Bootstrap>,
    /// The environments' keys, their signature not yet verified.
    pub keys: KeysFile,
}

/// Reads a directory that must be ready to build: written well and valid.
///
/// # Errors
/// Everything that is wrong, see [`Problems`].
pub fn load(tree: &Tree) -> Result<Directory, Problems> {
    let mut reader = Reader::default();
    let directory = read(tree, &mut reader);
    // Rules over half a configuration would blame the half that is missing.
    if let (Some(directory), true) = (&directory, reader.is_clean()) {
        let mut violations = validate::check(&directory.configuration);
        if let Some(bootstrap) = &directory.bootstrap {
            violations.extend(validate::check_active(&directory.configuration, &bootstrap.active));
            violations.extend(bootstrap.check(&directory.configuration));
        }
        for violation in violations {
            reader.violation(&violation);
        }
    }
    reader.finish(directory)
}

/// Reads a directory that is well written, valid or not: for tools that help to make it valid,
/// such as `seal`.
///
/// # Errors
/// Everything that is written wrong, see [`Problems`].
pub fn parse(tree: &Tree) -> Result<Directory, Problems> {
    let mut reader = Reader::default();
    let directory = read(tree, &mut reader);
    reader.finish(directory)
}

fn read(tree: &Tree, reader: &mut Reader) -> Option<Directory> {
    if !within_limits(tree, reader) {
        return None;
    }
    let mut files = Files::default();
    for (path, bytes) in tree {
        files.sort(path, bytes, reader);
    }
    let Some(file) = &files.workspace else {
        reader.file_problem("workspace.toml", "is missing; `bootlace init` writes one");
        return None;
    };
    let (workspace, uid, base) = workspace::read(file, reader)?;
    let mut configuration = Configuration { base, ..Configuration::new(workspace, uid) };
    for (name, file) in &files.environments {
        if let Some((environment, layer)) = environment::read(file, name, reader) {
            configuration.environments.insert(name.clone(), environment);
            if layer != Layer::default() {
                configuration.environment_layers.insert(name.clone(), layer);
            }
        }
    }
    for (id, file) in &files.deployments {
        configuration.deployments.extend(deployment::read(file, id, reader).map(|d| (id.clone(), d)));
    }
    for (id, file) in &files.services {
        configuration.services.extend(service::read(file, id, reader).map(|s| (id.clone(), s)));
    }
    for (id, file) in &files.tools {
        configuration.tools.extend(tool::read(file, id, reader).map(|t| (id.clone(), t)));
    }
    if let Some(file) = &files.policies {
        (configuration.policies, configuration.attachments) = policies::read(file, tree, reader);
    }
    let keys = files.keys.as_ref().and_then(|file| keys::read(file, reader)).unwrap_or_default();
    configuration.keys.clone_from(&keys.environments);
    let bootstrap = files.bootstrap.as_ref().and_then(|file| {
        let workspace = configuration.workspace.clone();
        bootstrap::read(file, workspace, reader)
    });
    Some(Directory { configuration, bootstrap, keys })
}

fn within_limits(tree: &Tree, reader: &mut Reader) -> bool {
    if tree.len() > MAX_FILES {
        reader.file_problem(".", &format!("{} files are too many; at most {MAX_FILES}", tree.len()));
        return false;
    }
    let bytes: usize = tree.values().map(Vec::len).sum();
    if bytes > MAX_TREE_BYTES {
        reader.file_problem(".", &format!("{bytes} bytes are too many; at most {MAX_TREE_BYTES}"));
        return false;
    }
    true
}

/// The files of a tree, by what they are.
#[derive(Default)]
struct Files<'a> {
    workspace: Option<SourceFile<'a>>,
    environments: BTreeMap<EnvironmentName, SourceFile<'a>>,
    deployments: BTreeMap<DeploymentId, SourceFile<'a>>,
    services: BTreeMap<ServiceId, SourceFile<'a>>,
    tools: BTreeMap<ToolName, SourceFile<'a>>,
    policies: Option<SourceFile<'a>>,
    keys: Option<SourceFile<'a>>,
    bootstrap: Option<SourceFile<'a>>,
}

impl<'a> Files<'a> {
    fn sort(&mut self, path: &'a str, bytes: &'a [u8], reader: &mut Reader) {
        let Some(stem) = path.strip_suffix(".toml") else { return };
        if path.split('/').any(|segment| segment.starts_with('.')) {
            return;
        }
        if path.split('/').count() > MAX_PATH_DEPTH {
            reader.file_problem(path, &format!("lies more than {MAX_PATH_DEPTH} deep; move it up"));
            return;
        }
        let file = |reader: &mut Reader| reader.open(path, bytes);
        match stem {
            "workspace" => self.workspace = file(reader),
            "policies" => self.policies = file(reader),
            "keys" => self.keys = file(reader),
            "bootstrap" => self.bootstrap = file(reader),
            _ => match stem.split_once('/') {
                Some(("environments", name)) => keep(&mut self.environments, path, bytes, name, reader),
                Some(("deployments", name)) => keep(&mut self.deployments, path, bytes, name, reader),
                Some(("services", name)) => keep(&mut self.services, path, bytes, name, reader),
                Some(("tools", name)) => keep(&mut self.tools, path, bytes, name, reader),
                _ => {
                    let known: BTreeSet<&str> = ["workspace.toml", "policies.toml", "keys.toml"]
                        .into_iter()
                        .chain(["bootstrap.toml", "environments", "deployments", "services", "tools"])
                        .collect();
                    let first = path.split('/').next().unwrap_or(path);
                    let hint = reader::suggestion(first, known.iter().copied());
                    reader.file_problem(path, &format!("is no file of a workspace directory{hint}"));
                }
            },
        }
    }
}

fn keep<'a, K: std::str::FromStr<Err: std::fmt::Display> + Ord>(
    files: &mut BTreeMap<K, SourceFile<'a>>,
    path: &'a str,
    bytes: &'a [u8],
    name: &str,
    reader: &mut Reader,
) {
    match name.parse() {
        Ok(name) => files.extend(reader.open(path, bytes).map(|file| (name, file))),
        Err(error) => reader.file_problem(path, &format!("{error}; rename the file")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
