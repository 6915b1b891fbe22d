//! What every part of a body has to pass: names by their rules, counts and lengths within bounds,
//! codes that are known. Each says where it was when it refuses, and quotes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use super::{BundleLimits, ContentError, InvalidContent};
use crate::id::InvalidName;

pub(super) type Read<T> = Result<T, ContentError>;

pub(super) fn entries<K: FromStr<Err = InvalidName> + Ord, W, V>(
    at: &'static str,
    found: BTreeMap<String, W>,
    limit: usize,
    mut read: impl FnMut(&K, W) -> Read<V>,
) -> Read<BTreeMap<K, V>> {
    bounded(at, found.len(), limit)?;
    let read = |(key, entry): (String, W)| {
        let name = name_of(at, &key)?;
        let entry = read(&name, entry).map_err(|error| error.under(&key).under(at))?;
        Ok((name, entry))
    };
    found.into_iter().map(read).collect()
}

pub(super) fn each<W, V>(
    at: &'static str,
    found: Vec<W>,
    limit: usize,
    mut read: impl FnMut(W) -> Read<V>,
) -> Read<Vec<V>> {
    bounded(at, found.len(), limit)?;
    let numbered = found.into_iter().enumerate();
    numbered
        .map(|(index, entry)| read(entry).map_err(|error| error.under(&index.to_string()).under(at)))
        .collect()
}

pub(super) fn names<K: FromStr<Err = InvalidName> + Ord>(
    at: &'static str,
    found: BTreeSet<String>,
    limit: usize,
) -> Read<BTreeSet<K>> {
    bounded(at, found.len(), limit)?;
    found.iter().map(|text| name_of(at, text)).collect()
}

pub(super) fn attributes(
    at: &'static str,
    found: BTreeMap<String, String>,
    limits: &BundleLimits,
) -> Read<BTreeMap<String, String>> {
    bounded(at, found.len(), limits.attributes)?;
    let length = |(key, value): (&String, &String)| key.len().max(value.len());
    match found.iter().map(length).max() {
        Some(longest) if longest > limits.text_bytes => {
            Err(InvalidContent::TooLong { limit: limits.text_bytes }.at(at))
        }
        _ => Ok(found),
    }
}

/// The refused text is not quoted: it may be anything.
pub(super) fn name_of<K: FromStr<Err = InvalidName>>(at: &'static str, text: &str) -> Read<K> {
    text.parse().map_err(|error| InvalidContent::Name(error).at(at))
}

pub(super) fn text(at: &'static str, text: String, limit: usize) -> Read<String> {
    if text.len() > limit { Err(InvalidContent::TooLong { limit }.at(at)) } else { Ok(text) }
}

pub(super) fn bounded(at: &'static str, count: usize, limit: usize) -> Read<()> {
    if count > limit { Err(InvalidContent::TooMany { limit }.at(at)) } else { Ok(()) }
}

pub(super) fn decode<T: Copy>(at: &'static str, all: &[T], code: u8) -> Read<T> {
    all.get(usize::from(code)).copied().ok_or_else(|| InvalidContent::UnknownCode.at(at))
}

pub(super) fn under(at: &'static str) -> impl Fn(ContentError) -> ContentError {
    move |error| error.under(at)
}
