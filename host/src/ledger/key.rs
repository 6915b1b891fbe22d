//! Names of records, and ranges of them.

use std::{fmt, ops::Bound, sync::Arc};

use super::{MAX_KEY_BYTES, OverLimit};

/// A record's name: 1 to 1024 bytes, ordered as bytes. By convention text with `/`, so that a prefix
/// is a folder; never a secret, because it appears in errors and logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

/// The keys of a prefix, or from one on and before another. Shared: it becomes part of every page.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    from: Arc<[u8]>,
    /// None: to the last key there is.
    to: Option<Arc<[u8]>>,
}

impl Key {
    /// Checks the length.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, OverLimit> {
        let bytes = bytes.as_ref();
        match bytes.len() {
            1..=MAX_KEY_BYTES => Ok(Self(bytes.into())),
            found => Err(OverLimit::KeyBytes { found }),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Span {
    /// Every key that starts with `prefix`; with an empty one, every key.
    #[must_use]
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        // The first key after all of them: the prefix with its last byte that can be raised, raised.
        let end = prefix.iter().rposition(|byte| *byte < u8::MAX);
        let to = end.and_then(|at| prefix.get(..=at)).map(|kept| {
            let mut end = kept.to_vec();
            if let Some(last) = end.last_mut() {
                *last += 1;
            }
            end.into()
        });
        Self { from: prefix.into(), to }
    }

    /// The keys from `from` on and before `to`: none when `to` is not greater.
    #[must_use]
    pub fn between(from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        Self { from: from.as_ref().into(), to: Some(to.as_ref().into()) }
    }

    /// That key alone.
    #[must_use]
    pub fn only(key: &Key) -> Self {
        Self { from: Arc::clone(&key.0), to: Some(after(key)) }
    }

    /// What is left of this after `key`.
    #[must_use]
    pub fn behind(&self, key: &Key) -> Self {
        Self { from: self.from.clone().max(after(key)), to: self.to.clone() }
    }

    /// Whether `key` is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.from <= *key && self.to.as_ref().is_none_or(|to| *key < **to)
    }

    /// Whether no key can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| **to <= *self.from)
    }

    /// The first key that may be in it.
    #[must_use]
    pub fn from(&self) -> &[u8] {
        &self.from
    }

    /// The first key that is beyond it; none when nothing is.
    #[must_use]
    pub fn to(&self) -> Option<&[u8]> {
        self.to.as_deref()
    }

    /// Both ends, as ordered maps ask for them.
    #[must_use]
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(self.from()), self.to().map_or(Bound::Unbounded, Bound::Excluded))
    }
}

/// The least key greater than `key`.
fn after(key: &Key) -> Arc<[u8]> {
    key.as_bytes().iter().copied().chain([0]).collect()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to().unwrap_or_default();
        write!(f, "\"{}\"..\"{}\"", self.from.escape_ascii(), to.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_key_does() {
        let span = Span::prefix(b"a/\xff");
        assert!(span.contains(b"a/\xff") && span.contains(b"a/\xff\xff\xff") && !span.contains(b"a0"));
        assert!(!span.contains(b"a/\xfe"));
        assert!(Span::prefix(b"").contains(b"\0") && Span::prefix(b"\xff\xff").to().is_none());
    }

    #[test]
    fn what_is_behind_a_key_starts_with_the_next_possible_one() {
        let key = Key::new("a").unwrap();
        let rest = Span::prefix("a").behind(&key);
        assert!(!rest.contains(b"a") && rest.contains(b"a\0"));
        assert!(Span::only(&key).behind(&key).is_empty());
        assert!(Span::between("b", "a").is_empty() && Span::between("b", "b").is_empty());
    }

    #[test]
    fn a_key_has_a_length() {
        assert_eq!(Key::new(""), Err(OverLimit::KeyBytes { found: 0 }));
        assert!(Key::new(vec![7; MAX_KEY_BYTES]).is_ok());
        assert!(Key::new(vec![7; MAX_KEY_BYTES + 1]).is_err());
    }
}
