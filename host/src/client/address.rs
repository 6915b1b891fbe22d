use std::{fmt, str::FromStr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

/// Where a listener is: scheme, authority and, behind a proxy, a path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

/// Why a text is not a host's address. The text is not repeated: it may hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// No URL at all.
    #[error("not a URL; write it like http://127.0.0.1:7300")]
    Syntax,
    /// Neither of the two schemes.
    #[error("a host's address starts with http:// or https://")]
    Scheme,
    /// A user or password in front of the host name.
    #[error("a host's address carries no user or password; give a token instead")]
    Credentials,
    /// A query.
    #[error("a host's address ends before the query")]
    Query,
}

impl BaseUrl {
    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The URL of something on this host. `path` starts with a slash and is encoded already.
    pub(super) fn join(&self, path: &str) -> Uri {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.prefix))
            .build()
            .expect("a checked authority and an encoded path make a URL")
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let parts = text.parse::<Uri>().map_err(|_| InvalidUrl::Syntax)?.into_parts();
        let scheme = parts.scheme.ok_or(InvalidUrl::Scheme)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidUrl::Scheme);
        }
        let authority = parts.authority.ok_or(InvalidUrl::Syntax)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        let path = parts.path_and_query.ok_or(InvalidUrl::Syntax)?;
        if path.query().is_some() {
            return Err(InvalidUrl::Query);
        }
        Ok(Self { scheme, authority, prefix: path.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_what_it_prints() {
        for (text, printed) in [
            ("http://127.0.0.1:7300", "http://127.0.0.1:7300"),
            ("https://edge.example/", "https://edge.example"),
            ("https://edge.example/bootlace/", "https://edge.example/bootlace"),
            ("http://[::1]:7300", "http://[::1]:7300"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn an_address_that_would_leak_or_mislead_is_refused() {
        for (text, why) in [
            ("127.0.0.1:7300", InvalidUrl::Scheme),
            ("edge", InvalidUrl::Scheme),
            ("ftp://edge", InvalidUrl::Scheme),
            ("https://user:pw@edge", InvalidUrl::Credentials),
            ("https://edge/?workspace=acme", InvalidUrl::Query),
            ("http://a b", InvalidUrl::Syntax),
            ("", InvalidUrl::Syntax),
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_prefix_stays_in_front_of_every_path() {
        let base: BaseUrl = "https://edge.example/bootlace".parse().unwrap();
        assert_eq!(
            base.join("/v1/boot?region=eu").to_string(),
            "https://edge.example/bootlace/v1/boot?region=eu"
        );
    }
}
