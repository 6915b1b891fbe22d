//! Checked names. A name that exists as one of these types has passed its rule, so that no
//! later code has to ask again, and two kinds of name cannot be swapped by accident.
//!
//! One spelling each: lower-case ASCII for everything that appears in a path, so that no two
//! names differ only in case, in Unicode form or in percent-encoding.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct InvalidName {
    kind: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as shared text: no copy.
            #[must_use]
            pub fn to_arc(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { kind: $kind, rule: $rule })
                }
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name!(
    /// A tenant's name, such as `acme`.
    WorkspaceId,
    "workspace name",
    is_slug,
    "use 1 to 63 of a-z, 0-9 and -, starting with a letter or digit"
);
name!(
    /// An app's name, such as `checkout`.
    DeploymentId,
    "deployment name",
    is_slug,
    "use 1 to 63 of a-z, 0-9 and -, starting with a letter or digit"
);
name!(
    /// A data service's name, such as `orders-db`.
    ServiceId,
    "service name",
    is_slug,
    "use 1 to 63 of a-z, 0-9 and -, starting with a letter or digit"
);
name!(
    /// A policy's name, such as `region-affinity`.
    PolicyName,
    "policy name",
    is_slug,
    "use 1 to 63 of a-z, 0-9 and -, starting with a letter or digit"
);
name!(
    /// An environment's name: `production`, or with segments, `preview/pr-42`.
    EnvironmentName,
    "environment name",
    is_environment,
    "use up to 3 segments joined by /, each 1 to 63 of a-z, 0-9, - and _, starting with a letter or digit"
);
name!(
    /// A variable's name, such as `DATABASE_URL`.
    VariableName,
    "variable name",
    is_variable,
    "use 1 to 128 of A-Z, a-z, 0-9 and _, not starting with a digit"
);

name!(
    /// A tool's name, such as `webhook`.
    ToolName,
    "tool name",
    is_slug,
    "use 1 to 63 of a-z, 0-9 and -, starting with a letter or digit"
);
name!(
    /// The name of one of a tool's credentials, such as `api-key`. Short enough that a variable's
    /// name can be made of it and a tool's.
    CredentialName,
    "credential name",
    is_credential,
    "use 1 to 48 of a-z, 0-9 and -, starting with a letter or digit"
);
name!(
    /// A host name, such as `staging.example.com` (RFC 1035, RFC 1123): ASCII in lower case; what is
    /// not ASCII is written as IDNA writes it (RFC 5890), so that nothing only looks like another.
    DomainName,
    "domain",
    is_domain,
    "use at most 253 characters, in labels of 1 to 63 of a-z, 0-9 and -, with a - neither first nor last; write other letters as `xn--…`"
);
name!(
    /// The name of a data namespace, such as `acme-checkout-staging-threads`.
    NamespaceName,
    "namespace name",
    is_namespace,
    "use 1 to 255 of a-z, 0-9, -, _ and ., starting with a letter or digit"
);

fn is_slug(text: &str) -> bool {
    is_segment(text) && !text.contains('_')
}

fn is_segment(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let first = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 63 && text.as_bytes().first().is_some_and(first) && text.bytes().all(rest)
}

fn is_environment(text: &str) -> bool {
    text.split('/').count() <= 3 && text.split('/').all(is_segment)
}

fn is_variable(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128 && text.bytes().all(rest) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

fn is_credential(text: &str) -> bool {
    text.len() <= 48 && is_slug(text)
}

fn is_domain(text: &str) -> bool {
    // An address is no name, and a resolver takes what ends in digits for one.
    let named = text.rsplit('.').next().is_some_and(|top| !top.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 253 && named && text.split('.').all(is_domain_label)
}

fn is_domain_label(label: &str) -> bool {
    // RFC 5891, section 4.2.3.1: two hyphens there are reserved, but for IDNA's own prefix.
    let reserved = label.get(2..4) == Some("--") && !(label.starts_with("xn--") && label.len() > 4);
    is_slug(label) && !label.ends_with('-') && !reserved
}

fn is_namespace(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let first = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 255 && text.as_bytes().first().is_some_and(first) && text.bytes().all(rest)
}

impl EnvironmentName {
    /// Whether it is a preview's: `preview/<source>`.
    #[must_use]
    pub fn is_preview(&self) -> bool {
        self.as_str().starts_with("preview/")
    }
}

/// The random 16 bytes that a workspace, environment or deployment carries beside its name, so
/// that a recreated `qa` cannot open what the old `qa` sealed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub [u8; 16]);

impl Uid {
    /// Stands for "no such thing" in associated data: a value of no one deployment.
    pub const NONE: Self = Self([0; 16]);
}

/// Names one stored value; never derived from a secret's plaintext (crypto rules in the crate doc).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub [u8; 16]);

/// A SHA-256 digest. Displayed as `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// Why a text is not 16 or 32 bytes in hex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hex digits")]
pub struct InvalidHex {
    digits: usize,
}

macro_rules! hex_bytes {
    ($type:ident, $prefix:literal, $bytes:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; $bytes * 2];
                hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = InvalidHex;
            fn from_str(text: &str) -> Result<Self, InvalidHex> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidHex { digits: $bytes * 2 })?;
                Ok(Self(bytes))
            }
        }
    };
}

hex_bytes!(Uid, "", 16);
hex_bytes!(ValueId, "", 16);
hex_bytes!(Digest, "sha256:", 32);

/// A workspace's revision, counted from 1; 0 is "nothing yet".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A point in time: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct UnixSeconds(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling_each() {
        for good in ["production", "preview/pr-42", "demo/eu/1"] {
            assert!(good.parse::<EnvironmentName>().is_ok(), "{good}");
        }
        for bad in
            ["", "/", "a/", "/a", "a//b", "Production", "prod%2Fx", "a/b/c/d", "..", "a.b", "рrod", "a b"]
        {
            assert!(bad.parse::<EnvironmentName>().is_err(), "{bad}");
        }
        for bad in ["1A", "", "A-B", "A B", "É", "A=B"] {
            assert!(bad.parse::<VariableName>().is_err(), "{bad}");
        }
        assert!("a_b".parse::<DeploymentId>().is_err());
    }

    #[test]
    fn domains_are_host_names_in_lower_case_ascii() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        for good in ["localhost", "example.com", "a-b.1c.example", "xn--bcher-kva.example", &longest] {
            assert!(good.parse::<DomainName>().is_ok(), "{good}");
        }
        let long_label = format!("{label}a.example");
        let too_long = format!("{longest}b");
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A.example",
            "bücher.example",
            "a_b.example",
            "-a.example",
            "a-.example",
            "*.example",
            "a b",
            "192.168.0.1",
            "a.1",
            "ab--c.example",
            "xn--.example",
            "a.example:80",
            "https://a",
            &long_label,
            &too_long,
        ] {
            assert!(bad.parse::<DomainName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_read_back_what_they_print() {
        let digest = Digest([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("sha256:12".parse::<Digest>().is_err());
    }
}
