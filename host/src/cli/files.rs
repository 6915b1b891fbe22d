//! Small files that the command line reads and writes: keys, signers, tokens.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    str::FromStr,
};

use anyhow::Context as _;
use zeroize::Zeroizing;

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
    let reading = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(reading)?;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(MAX_BYTES).read_to_string(&mut text).with_context(reading)?;
    text.trim().parse().with_context(|| format!("{} is not what it should be", path.display()))
}

/// Writes a new private file, mode 0600.
///
/// # Errors
/// When it is there already, or cannot be written.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = open.and_then(|mut file| file.write_all(bytes));
    written.with_context(|| format!("cannot write {}", path.display()))
}
