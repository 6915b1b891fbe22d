//! The form that a required key's text must have. A type states what is asked and never says what
//! it was given instead.

mod url;

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use regex::{Regex, RegexBuilder};

use crate::id::VariableName;

/// Schemes that one type allows.
pub const MAX_SCHEMES: usize = 16;
/// Bytes of a pattern.
pub const MAX_PATTERN_BYTES: usize = 512;
/// Bytes of a pattern once compiled: a short text can stand for a large automaton.
const MAX_COMPILED_BYTES: usize = 256 << 10;
/// Groups within groups of a pattern.
const MAX_PATTERN_DEPTH: u32 = 32;

/// The form of a text. Made by [`ValueType::url`], [`ValueType::integer`] and [`Pattern`]'s
/// `FromStr`, which refuse what no text could have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueType {
    /// An absolute URL (RFC 3986) with an authority, such as `postgres://db:5432/orders`.
    Url {
        /// The schemes that it may have, in lower case; empty for any.
        schemes: BTreeSet<String>,
    },
    /// A TCP or UDP port, 1 to 65535.
    Port,
    /// A decimal integer, without a plus or leading zeros.
    Integer {
        /// The least.
        min: Option<i64>,
        /// The greatest.
        max: Option<i64>,
    },
    /// `true` or `false`.
    Boolean,
    /// A text that a regular expression matches from its beginning to its end.
    Pattern(Pattern),
}

/// Why a type is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidType {
    /// A scheme that RFC 3986 does not know how to write.
    #[error(
        "a scheme is 1 to 32 letters, digits, +, - and ., starting with a letter; write it without `://`"
    )]
    Scheme,
    /// Too many schemes.
    #[error("more than {MAX_SCHEMES} schemes; leave `schemes` out to allow any")]
    Schemes,
    /// No integer is in the range.
    #[error("`min` is greater than `max`; swap them")]
    EmptyRange,
    /// A long pattern.
    #[error("the pattern is longer than {MAX_PATTERN_BYTES} bytes; write a shorter one")]
    PatternTooLong,
    /// A pattern that does not compile, or to something large.
    #[error(
        "is no pattern, or too large a one; write a regular expression without look-around and back-references, and with smaller repetitions"
    )]
    Pattern,
}

impl ValueType {
    /// A URL with one of `schemes`, or with any.
    ///
    /// # Errors
    /// When one is no scheme, or they are too many.
    pub fn url(schemes: impl IntoIterator<Item = String>) -> Result<Self, InvalidType> {
        let schemes: BTreeSet<String> = schemes.into_iter().map(|one| one.to_ascii_lowercase()).collect();
        if schemes.len() > MAX_SCHEMES {
            return Err(InvalidType::Schemes);
        }
        let all_are = schemes.iter().all(|scheme| is_scheme(scheme));
        if all_are { Ok(Self::Url { schemes }) } else { Err(InvalidType::Scheme) }
    }

    /// An integer within bounds, both included.
    ///
    /// # Errors
    /// When nothing lies within them.
    pub fn integer(min: Option<i64>, max: Option<i64>) -> Result<Self, InvalidType> {
        match (min, max) {
            (Some(min), Some(max)) if min > max => Err(InvalidType::EmptyRange),
            _ => Ok(Self::Integer { min, max }),
        }
    }

    /// Whether `text` has this form.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Url { schemes } => {
                let scheme = url::scheme(text).map(str::to_ascii_lowercase);
                scheme.is_some_and(|scheme| schemes.is_empty() || schemes.contains(&scheme))
            }
            Self::Port => integer(text).is_some_and(|number| (1..=65_535).contains(&number)),
            Self::Integer { min, max } => integer(text).is_some_and(|number| {
                min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max)
            }),
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Pattern(pattern) => pattern.regex.is_match(text),
        }
    }

    /// This type with what a later layer says of the same key: the later one may narrow it. Nothing
    /// when it says something else, or would let more through. Of two patterns nobody can tell
    /// which lets more through, so that a later one must be the same.
    #[must_use]
    pub fn narrowed_by(&self, later: &Self) -> Option<Self> {
        match (self, later) {
            (Self::Url { schemes }, Self::Url { schemes: later }) => {
                let all = schemes.is_empty() || later.is_subset(schemes);
                let narrowed = if later.is_empty() { schemes } else { later };
                all.then(|| Self::Url { schemes: narrowed.clone() })
            }
            (Self::Integer { min, max }, Self::Integer { min: later_min, max: later_max }) => {
                let within = later_min.is_none_or(|later| min.is_none_or(|min| min <= later))
                    && later_max.is_none_or(|later| max.is_none_or(|max| later <= max));
                within.then(|| Self::integer(later_min.or(*min), later_max.or(*max)).ok())?
            }
            (one, other) => (one == other).then(|| one.clone()),
        }
    }
}

/// One spelling each: what another reader takes for octal, or does not take at all, is none.
fn integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Whether `text` is an RFC 3986 scheme.
#[must_use]
pub fn is_scheme(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Completes "is not …" and "must be …".
impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { schemes } if schemes.is_empty() => f.write_str("a URL"),
            Self::Url { schemes } => {
                let schemes: Vec<&str> = schemes.iter().map(String::as_str).collect();
                write!(f, "a URL with the scheme {}", schemes.join(" or "))
            }
            Self::Port => f.write_str("a port from 1 to 65535"),
            Self::Integer { min: None, max: None } => f.write_str("an integer"),
            Self::Integer { min: Some(min), max: None } => write!(f, "an integer of at least {min}"),
            Self::Integer { min: None, max: Some(max) } => write!(f, "an integer of at most {max}"),
            Self::Integer { min: Some(min), max: Some(max) } => write!(f, "an integer from {min} to {max}"),
            Self::Boolean => f.write_str("true or false"),
            Self::Pattern(pattern) => write!(f, "a text of the pattern {pattern}"),
        }
    }
}

/// A regular expression, compiled within bounds; it takes time in proportion to a text's length,
/// whatever the text. Compared and written as its text.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

impl Pattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = InvalidType;

    fn from_str(text: &str) -> Result<Self, InvalidType> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(InvalidType::PatternTooLong);
        }
        // By itself first: `a)|(b` would step out of the group that anchors it.
        compile(text)?;
        Ok(Self { text: text.into(), regex: compile(&format!(r"\A(?:{text})\z"))? })
    }
}

fn compile(text: &str) -> Result<Regex, InvalidType> {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES).nest_limit(MAX_PATTERN_DEPTH);
    builder.build().map_err(|_| InvalidType::Pattern)
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// A key whose text has not the form that is asked of it. Holds nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistyped {
    /// The key.
    pub key: VariableName,
    /// What it must be.
    pub expected: ValueType,
}

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not {}", self.key, self.expected)
    }
}

#[cfg(test)]
mod tests;
