use std::{fmt::Write as _, str::FromStr, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{BaseUrl, json_types, user_agent};
use crate::{entropy::fresh, system};

/// One request, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    patience: Option<Duration>,
}

/// A token as it travels. Never printed: the header value is marked sensitive.
#[derive(Clone)]
pub struct BearerToken(HeaderValue);

/// The text cannot be a token. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token: use the text as it was issued, one line of letters, digits and _")]
pub struct InvalidToken;

/// All but RFC 3986's unreserved characters, so that no name can end its segment or parameter.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Request {
    /// Reads `segments`, the parts of a path between its slashes, not encoded.
    #[must_use]
    pub fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// Sends something new.
    #[must_use]
    pub fn post(segments: &[&str]) -> Self {
        Self::new(Method::POST, segments)
    }

    /// Puts something in its place.
    #[must_use]
    pub fn put(segments: &[&str]) -> Self {
        Self::new(Method::PUT, segments)
    }

    /// Changes a part of something.
    #[must_use]
    pub fn patch(segments: &[&str]) -> Self {
        Self::new(Method::PATCH, segments)
    }

    /// Removes something.
    #[must_use]
    pub fn delete(segments: &[&str]) -> Self {
        Self::new(Method::DELETE, segments)
    }

    fn new(method: Method, segments: &[&str]) -> Self {
        let path = segments.iter().fold(String::new(), |path, segment| path + "/" + &encode(segment));
        Self { method, path, headers: Vec::new(), body: Bytes::new(), patience: None }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        let (name, value) = (encode(name), encode(value));
        write!(self.path, "{joint}{name}={value}").expect("writing to a String does not fail");
        self
    }

    /// Adds a query parameter if there is a value.
    #[must_use]
    pub fn query_if(self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value { self.query(name, value) } else { self }
    }

    /// The body, and what it is.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Only if the resource is still at `revision`.
    #[must_use]
    pub fn if_match(self, revision: u64) -> Self {
        let tag = HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits and quotes");
        self.header(header::IF_MATCH, tag)
    }

    /// Only if the resource is not there yet.
    #[must_use]
    pub fn if_absent(self) -> Self {
        self.if_none_match("*")
    }

    /// Only if the answer is not the one of that identity; else the host says 304.
    #[must_use]
    pub fn if_none_match(self, etag: &str) -> Self {
        match HeaderValue::from_str(etag) {
            Ok(etag) => self.header(header::IF_NONE_MATCH, etag),
            // No header that came over HTTP; asking without a condition is always right.
            Err(_) => self,
        }
    }

    /// Asks for a lease of that length, in whole seconds.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.header(HeaderName::from_static("bootlace-lease"), HeaderValue::from(lease.as_secs()))
    }

    /// How long one attempt may take, where the host has more to do than usual.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    pub(super) fn patience_or(&self, usual: Duration) -> Duration {
        self.patience.unwrap_or(usual)
    }

    /// The same with a fresh key, if it is a change: a host makes it once for each key, so that it may
    /// be sent again where the answer was lost.
    pub(super) fn keyed(&self) -> Self {
        if self.method == Method::GET {
            return self.clone();
        }
        let key = hex::encode(fresh::<16>(&mut system::entropy));
        let key = HeaderValue::from_str(&key).expect("hex digits");
        self.clone().header(IDEMPOTENCY_KEY, key)
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn to_http(&self, base: &BaseUrl, token: Option<&BearerToken>) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = base.join(&self.path);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, json_types());
        headers.extend([user_agent()]);
        headers.extend(self.headers.iter().cloned());
        headers.extend(token.map(|token| (header::AUTHORIZATION, token.0.clone())));
        request
    }
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

impl FromStr for BearerToken {
    type Err = InvalidToken;
    /// Surrounding white space is not part of a token: files end in a newline.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let token = text.trim();
        let is_word = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if token.is_empty() || token.len() > 256 || !is_word {
            return Err(InvalidToken);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment_or_parameter() {
        let request = Request::get(&["api", "v1", "environments", "preview/pr-42?x=1"])
            .query("region", "eu&environment=production")
            .query_if("zone", None)
            .query("attr.a=b", "ü");
        assert_eq!(
            request.path,
            "/api/v1/environments/preview%2Fpr-42%3Fx%3D1?region=eu%26environment%3Dproduction&attr.a%3Db=%C3%BC"
        );
    }

    #[test]
    fn a_token_is_one_word() {
        assert!("bl_instance_abc123\n".parse::<BearerToken>().is_ok());
        for bad in ["", "\n", "a b", "a\r\nX-Evil: 1", "ключ", &"a".repeat(257)] {
            assert!(bad.parse::<BearerToken>().is_err(), "{bad:?}");
        }
    }
}
