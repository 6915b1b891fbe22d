//! Where a secret comes from: a file, standard input, or a person at a terminal. Never an argument,
//! which every user of the machine could read.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read, Write as _},
    os::fd::AsFd as _,
    path::Path,
};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::{cli::exit::Misuse, seal::MAX_VALUE_BYTES};

/// The secret, without the one newline that editors and `echo` put at the end. `what` it is, and the
/// `option` that names its file, are for a person.
pub(crate) fn read(
    from: Option<&Path>,
    keep_newline: bool,
    what: &str,
    option: &str,
) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut value = match from {
        Some(path) => {
            let file = File::open(path).with_context(|| Misuse(format!("cannot read {}", path.display())))?;
            bounded(file).with_context(|| format!("cannot take the value from {}", path.display()))?
        }
        None if io::stdin().is_terminal() => return typed(what),
        None => bounded(unbuffered()?).context("cannot take the value from standard input")?,
    };
    if !keep_newline {
        strip_newline(&mut value);
    }
    if value.is_empty() {
        return Err(Misuse(format!(
            "no value came for {what}; give it on standard input, or name its file with {option}"
        ))
        .into());
    }
    Ok(value)
}

/// Whether a value comes, where none is needed: in a file, or on standard input that is no terminal. A byte of
/// the latter is gone then.
pub(crate) fn is_given(from: Option<&Path>) -> io::Result<bool> {
    if from.is_some() || io::stdin().is_terminal() {
        return Ok(from.is_some());
    }
    let mut byte = Zeroizing::new([0]);
    Ok(unbuffered()?.read(&mut *byte)? > 0)
}

/// Standard input without its buffer, which lives as long as the process and is never wiped.
fn unbuffered() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

fn bounded(source: impl Read) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    // Room for everything first: a buffer that grows leaves copies of itself behind.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_VALUE_BYTES + 2));
    source.take(MAX_VALUE_BYTES as u64 + 2).read_to_end(&mut value)?;
    if value.len() > MAX_VALUE_BYTES + 1 {
        bail!(Misuse(format!("a value has at most {MAX_VALUE_BYTES} bytes")));
    }
    Ok(value)
}

fn strip_newline(value: &mut Vec<u8>) {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
}

/// One line from the terminal, not shown while it is typed. What is on more than one line comes
/// from a file.
fn typed(what: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut stderr = io::stderr();
    // Silent before it asks: who answers at once is not to be shown, or thrown away, either.
    let silence = Silence::begin().map_err(io::Error::from).context("cannot read from the terminal")?;
    write!(stderr, "{what} (not shown): ").and_then(|()| stderr.flush())?;
    let line = unbuffered().and_then(line);
    drop(silence);
    writeln!(stderr)?;
    match line.context("cannot read from the terminal")? {
        Some(line) if !line.is_empty() => Ok(line),
        Some(_) => Err(Misuse("nothing was typed, and nothing is changed".into()).into()),
        None => Err(Misuse("given up; nothing is changed".into()).into()),
    }
}

/// A line as keys arrive, with backspace; nothing at Ctrl-C.
fn line(mut keys: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_VALUE_BYTES));
    let mut key = Zeroizing::new([0]);
    loop {
        let ended = keys.read(&mut *key)? == 0;
        match key[0] {
            _ if ended => return Ok(Some(line)),
            b'\r' | b'\n' | 0x04 => return Ok(Some(line)),
            0x03 => return Ok(None),
            0x08 | 0x7f => drop(pop_character(&mut line)),
            byte if line.len() < MAX_VALUE_BYTES => line.push(byte),
            _ => return Err(io::Error::other(format!("a value has at most {MAX_VALUE_BYTES} bytes"))),
        }
    }
}

fn pop_character(line: &mut Vec<u8>) -> Option<u8> {
    while line.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
        line.pop();
    }
    line.pop()
}

/// The terminal shows nothing and hands over each key, Ctrl-C included: a signal would end this
/// process with the terminal still silent.
struct Silence(Termios);

impl Silence {
    fn begin() -> Result<Self, rustix::io::Errno> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nobody is left to tell when the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_goes_and_no_more() {
        for (given, kept) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", ""), ("a\r", "a\r")]
        {
            let mut value = given.as_bytes().to_vec();
            strip_newline(&mut value);
            assert_eq!(value, kept.as_bytes());
        }
    }

    #[test]
    fn a_typed_line_can_be_mended_and_given_up() {
        let typed = |keys: &[u8]| line(keys).unwrap().map(|line| String::from_utf8(line.to_vec()).unwrap());
        assert_eq!(typed("aé\x7fb\rrest".as_bytes()).as_deref(), Some("ab"));
        assert_eq!(typed(b"\x7f\x7fa\n").as_deref(), Some("a"));
        assert_eq!(typed(b"secret\x03"), None);
        assert!(line(&vec![b'a'; MAX_VALUE_BYTES + 1][..]).is_err());
    }

    #[test]
    fn a_value_that_is_too_long_is_refused() {
        assert!(bounded(&vec![b'a'; MAX_VALUE_BYTES][..]).is_ok());
        assert!(bounded(&vec![b'a'; MAX_VALUE_BYTES + 2][..]).is_err());
    }
}
