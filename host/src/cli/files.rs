//! Small files that the command line reads and writes: keys, signers, tokens.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::exit::Misuse;
use crate::signing::VerifyingKey;

/// The longest key, signer or token file, in bytes.
const MAX_BYTES: u64 = 4096;

/// Reads a small file and parses it; what it holds is never quoted.
///
/// # Errors
/// When it cannot be read, is too long, or does not parse.
pub(crate) fn parsed<T>(path: &Path) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = text(path)?;
    text.trim().parse().with_context(|| format!("{} is not what it should be", path.display()))
}

/// Reads a private key that a person named: wrong usage if it is not one, or if others could read
/// it, too.
///
/// # Errors
/// See above.
pub(crate) fn private_key<T>(path: &Path) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let unusable = || Misuse(format!("cannot take a key from {}", path.display()));
    let mode = fs::metadata(path).with_context(unusable)?.permissions().mode();
    if mode & 0o077 != 0 && !is_credential(path) {
        let advice = format!("{0} can be read by others: chmod 600 {0}", path.display());
        return Err(Misuse(advice).into());
    }
    parsed(path).with_context(unusable)
}

/// Whether a service manager passed it (systemd's `LoadCredential=`). Such a file may carry an
/// access list, which shows as a mode of 0440; its directory lets nobody else in.
fn is_credential(path: &Path) -> bool {
    let directory = env::var_os("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
    directory.is_some_and(|directory| path.parent() == Some(Path::new(&directory)))
}

/// Reads the signers in a file, one a line.
///
/// # Errors
/// When it cannot be read, or holds something else.
pub(crate) fn signers(path: &Path) -> anyhow::Result<Vec<VerifyingKey>> {
    let unusable = || Misuse(format!("cannot take signers from {}", path.display()));
    let text = text(path).with_context(unusable)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.parse().with_context(unusable)).collect()
}

/// Writes a new private file, mode 0600.
///
/// # Errors
/// When it is there already, or cannot be written.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_new(path, bytes, 0o600)
}

/// Writes a new file that anyone may read.
///
/// # Errors
/// As [`write_private`].
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_new(path, bytes, 0o644)
}

/// Writes a file complete or not at all; an old one is replaced at once and keeps its mode.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mode = fs::metadata(path).map_or(0o644, |old| old.permissions().mode() & 0o777);
    replace_with(path, bytes, mode)
}

/// The same, and the file is its owner's alone from the first byte on, whatever the old one was: a
/// shell's `>` would leave that to the umask.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace_with(path, bytes, 0o600)
}

/// Writes a new private file complete or not at all.
///
/// # Errors
/// When it is there already, or cannot be written.
pub(crate) fn place_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    match staged(path, bytes, 0o600)?.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(path)),
        placed => placed.map(drop).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let placed = staged(path, bytes, mode)?.persist(path);
    placed.map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// What is to be `path`, durable beside it. A temporary file is mode 0600 until it is given another.
fn staged(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<tempfile::NamedTempFile> {
    let writing = || format!("cannot write {}", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(writing)?;
    let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
    written.with_context(writing)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode)).with_context(writing)?;
    Ok(file)
}

fn is_there(path: &Path) -> anyhow::Error {
    Misuse(format!("{} is there already, and is not overwritten", path.display())).into()
}

/// Makes a directory (and what it lies in) that only its owner can look into.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn private_directory(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    // One that was there, empty, may be open to others.
    made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// `path` with `suffix` behind its whole name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Reads a file of at most `limit` bytes that a person named, and that holds nothing secret.
///
/// # Errors
/// When it cannot be read, is longer, or is not text.
pub(crate) fn text_of(path: &Path, limit: u64) -> anyhow::Result<String> {
    let unreadable = || Misuse(format!("cannot read {}", path.display()));
    let mut text = String::new();
    let file = File::open(path).with_context(unreadable)?;
    file.take(limit + 1).read_to_string(&mut text).with_context(unreadable)?;
    if text.len() as u64 > limit {
        return Err(Misuse(format!("{} is longer than {limit} bytes", path.display())).into());
    }
    Ok(text)
}

fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let reading = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(reading)?;
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES).read_to_string(&mut text).with_context(reading)?;
    Ok(text)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    match open.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(path)),
        written => written.with_context(|| format!("cannot write {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keyring::RootKey, system};

    #[test]
    fn a_key_that_others_can_read_is_not_used_and_none_is_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("root.key");
        let key = RootKey::new(crate::entropy::fresh_key(&mut system::entropy));
        write_private(&path, key.to_file().as_bytes()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(private_key::<RootKey>(&path).ok().unwrap().id(), key.id());
        assert!(write_private(&path, b"other").unwrap_err().is::<Misuse>());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(private_key::<RootKey>(&path).err().unwrap().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_replaced_private_file_is_its_owners_alone_even_where_an_open_one_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        fs::write(&path, "OLD=1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace_private(&path, b"NEW=2\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"NEW=2\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_not_quoted() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("root.key");
        write_private(&path, b"bootlace-root-key:1:nearly-one").unwrap();
        let error = private_key::<RootKey>(&path).err().unwrap();
        assert!(!format!("{error:#}").contains("nearly-one"));
    }
}
