//! Whose word counts on this machine. A workspace directory is shared and anyone may propose a
//! change to it, so what it says about its own signer proves nothing: a pull request that swaps
//! `keys.toml` must not capture secrets. Pins live outside of it, one file for each workspace's
//! random id: `$XDG_CONFIG_HOME/bootlace/signers/<id>.pub`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};

use super::{exit::Misuse, files};
use crate::{
    id::{EnvironmentName, Uid},
    seal::EnvironmentPublicKey,
    signing::{PublishedKey, Signature, SignerId, TrustedSigners, VerifyingKey, verify_environment_keys},
    source::Directory,
};

/// The signers in `trust`, or else those that are pinned for `workspace`.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn trusted(trust: &[PathBuf], workspace: Uid) -> anyhow::Result<Vec<VerifyingKey>> {
    if trust.is_empty() {
        return pinned(&place()?, workspace);
    }
    Ok(trust.iter().map(|path| files::signers(path)).collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// As [`trusted`], for bundles.
///
/// # Errors
/// As [`trusted`].
pub(crate) fn trusted_set(trust: &[PathBuf], workspace: Uid) -> anyhow::Result<TrustedSigners> {
    trusted(trust, workspace).map(TrustedSigners::new)
}

/// Believes `signer` about `workspace` from now on. Returns the file that says so.
///
/// # Errors
/// When there is a pin already, or the disk refuses.
pub(crate) fn pin(workspace: Uid, signer: &VerifyingKey) -> anyhow::Result<PathBuf> {
    let place = place()?;
    fs::create_dir_all(&place).with_context(|| format!("cannot make the directory {}", place.display()))?;
    let path = file(&place, workspace);
    files::write_public(&path, format!("{signer}\n").as_bytes())?;
    Ok(path)
}

/// Nobody who is believed vouches for a directory's keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotVouched {
    /// Not signed at all.
    #[error("nobody signed them; an operator does with `bootlace keygen environment`")]
    Unsigned,
    /// There is a key of something that is gone, so the signature cannot hold.
    #[error("{0} has a key but is no environment any more; `bootlace keygen environment` removes it")]
    Gone(EnvironmentName),
    /// By somebody else.
    #[error(
        "whoever signed them is not trusted on this machine. Get the signer's file from somebody you trust, \
         not from the same place as the directory, and name it with --trust"
    )]
    Stranger,
    /// Changed since.
    #[error("they were changed after {0} signed them; do not seal before you know who did")]
    Changed(SignerId),
}

/// Checks that one of `signers` vouches for the directory's public keys.
///
/// # Errors
/// When none does.
pub(crate) fn vouched<'a>(
    directory: &Directory,
    signers: &'a [VerifyingKey],
) -> Result<&'a VerifyingKey, NotVouched> {
    let (by, signature) = directory.keys.signature.as_ref().ok_or(NotVouched::Unsigned)?;
    let signer = signers.iter().find(|signer| signer.to_bytes() == *by).ok_or(NotVouched::Stranger)?;
    let keys = published(directory)?;
    let uid = directory.configuration.uid;
    verify_environment_keys(signer, uid, &keys, &Signature(*signature))
        .map_err(|bad| NotVouched::Changed(bad.signer))?;
    Ok(signer)
}

/// The keys as they are signed.
pub(crate) fn published(directory: &Directory) -> Result<Vec<PublishedKey>, NotVouched> {
    let environments = &directory.configuration.environments;
    let publish = |(name, keys): (&EnvironmentName, &crate::model::EnvironmentKeys)| {
        let uid = environments.get(name).ok_or_else(|| NotVouched::Gone(name.clone()))?.uid;
        Ok(PublishedKey { environment: name.clone(), uid, public: EnvironmentPublicKey(keys.public) })
    };
    directory.keys.environments.iter().map(publish).collect()
}

fn pinned(place: &Path, workspace: Uid) -> anyhow::Result<Vec<VerifyingKey>> {
    let path = file(place, workspace);
    if path.exists() { files::signers(&path) } else { Ok(Vec::new()) }
}

fn file(place: &Path, workspace: Uid) -> PathBuf {
    place.join(format!("{workspace}.pub"))
}

/// As the XDG base directory specification has it: a relative path does not count.
fn place() -> anyhow::Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("bootlace/signers"))
        .ok_or_else(|| anyhow!(Misuse("no place for trusted signers: set HOME or XDG_CONFIG_HOME".into())))
}
