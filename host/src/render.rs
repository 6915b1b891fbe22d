//! Endpoints written as URLs, and values written into templates. Pure: bytes are appended to the
//! caller's buffer, which alone has to be wiped; no secret passes through another allocation here.
//! A buffer that grows leaves copies behind, so reserve [`url_capacity`] or [`encoded_capacity`]
//! first.

use std::net::Ipv6Addr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

pub use crate::model::value_type::is_scheme;
use crate::model::{Endpoint, ServiceKind, Tls, question::Encoding};

/// The option of a generic service that names its URL's scheme.
pub const SCHEME_OPTION: &str = "scheme";

/// Why something cannot be written. What was written before stays in the buffer: drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A generic service without a usable option `scheme`.
    #[error("a generic service needs the option `scheme`, such as `amqp`")]
    NoScheme,
    /// Bytes that are no text, in a JSON string.
    #[error("only text can be written as a JSON string")]
    NotText,
}

/// Appends the URL of `endpoint` to `out`. `user` may be empty, `password` absent.
///
/// Forms: libpq's connection URI (PostgreSQL documentation, 34.1.1.2), with Unix-socket directories
/// percent-encoded as the host; `redis:` and `rediss:` as `redis-cli -u` reads them; RFC 3986
/// otherwise. Every part is percent-encoded but RFC 3986's unreserved characters.
///
/// # Errors
/// [`RenderError::NoScheme`].
pub fn url(
    kind: ServiceKind,
    endpoint: &Endpoint,
    user: &str,
    password: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), RenderError> {
    out.extend_from_slice(scheme(kind, endpoint)?.as_bytes());
    out.extend_from_slice(b"://");
    user_info(kind, user, password, out);
    host(&endpoint.host, out);
    out.extend_from_slice(format!(":{}", endpoint.port).as_bytes());
    if !endpoint.database.is_empty() {
        out.push(b'/');
        percent(endpoint.database.as_bytes(), out);
    }
    query(kind, endpoint, out);
    Ok(())
}

/// No URL of these parts is longer, in bytes.
#[must_use]
pub fn url_capacity(endpoint: &Endpoint, user: &str, password_len: usize) -> usize {
    let options: usize = endpoint.options.iter().map(|(key, value)| key.len() + value.len() + 1).sum();
    let region = endpoint.region.as_ref().map_or(0, String::len);
    let parts = user.len() + password_len + endpoint.host.len() + endpoint.database.len() + region + options;
    64 + 3 * parts
}

/// Appends `value` to `out`, written as `encoding` says.
///
/// # Errors
/// [`RenderError::NotText`], for [`Encoding::JsonString`] alone.
pub fn encode(value: &[u8], encoding: Encoding, out: &mut Vec<u8>) -> Result<(), RenderError> {
    match encoding {
        Encoding::Raw => out.extend_from_slice(value),
        Encoding::Percent => percent(value, out),
        Encoding::JsonString => {
            json_string(std::str::from_utf8(value).map_err(|_| RenderError::NotText)?, out)
        }
        Encoding::Base64 => base64(value, out),
    }
    Ok(())
}

/// No value of `len` bytes is longer once encoded, in bytes.
#[must_use]
pub fn encoded_capacity(len: usize, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Raw => len,
        Encoding::Percent => len.saturating_mul(3),
        Encoding::JsonString => len.saturating_mul(6),
        Encoding::Base64 => len.div_ceil(3).saturating_mul(4),
    }
}

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn scheme(kind: ServiceKind, endpoint: &Endpoint) -> Result<&str, RenderError> {
    let encrypted = endpoint.tls != Tls::Disable;
    Ok(match kind {
        ServiceKind::Postgres => "postgres",
        ServiceKind::Redis if encrypted => "rediss",
        ServiceKind::Redis => "redis",
        ServiceKind::Bucket if encrypted => "https",
        ServiceKind::Bucket => "http",
        ServiceKind::Generic => {
            let scheme = endpoint.options.get(SCHEME_OPTION).filter(|scheme| is_scheme(scheme));
            scheme.ok_or(RenderError::NoScheme)?
        }
    })
}

/// `redis-cli` (7.0, checked) takes a user info without a colon for a password, and an empty user for
/// a user of that name: so a user without a password keeps the colon, and nobody in particular is
/// `default`, as Redis calls it.
fn user_info(kind: ServiceKind, user: &str, password: Option<&[u8]>, out: &mut Vec<u8>) {
    if user.is_empty() && password.is_none() {
        return;
    }
    let user = if user.is_empty() && kind == ServiceKind::Redis { "default" } else { user };
    percent(user.as_bytes(), out);
    if password.is_some() || kind == ServiceKind::Redis {
        out.push(b':');
    }
    percent(password.unwrap_or_default(), out);
    out.push(b'@');
}

fn host(host: &str, out: &mut Vec<u8>) {
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    if address.parse::<Ipv6Addr>().is_err() {
        return percent(host.as_bytes(), out);
    }
    out.push(b'[');
    out.extend_from_slice(address.as_bytes());
    if let Some(zone) = zone {
        out.extend_from_slice(b"%25"); // RFC 6874
        percent(zone.as_bytes(), out);
    }
    out.push(b']');
}

/// What the TLS choice and the region imply, then the options in key order.
fn query(kind: ServiceKind, endpoint: &Endpoint, out: &mut Vec<u8>) {
    let sslmode = match endpoint.tls {
        Tls::Disable => "disable",
        Tls::Require => "require",
        Tls::Verify => "verify-full",
    };
    let implied = match kind {
        ServiceKind::Postgres => Some(("sslmode", sslmode)),
        ServiceKind::Bucket => endpoint.region.as_deref().map(|region| ("region", region)),
        ServiceKind::Redis | ServiceKind::Generic => None,
    };
    let implied = implied.filter(|(key, _)| !endpoint.options.contains_key(*key));
    let options = endpoint.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let options = options.filter(|(key, _)| kind != ServiceKind::Generic || *key != SCHEME_OPTION);
    for (at, (key, value)) in implied.into_iter().chain(options).enumerate() {
        if at == 0 && endpoint.database.is_empty() {
            out.push(b'/');
        }
        out.push(if at == 0 { b'?' } else { b'&' });
        percent(key.as_bytes(), out);
        out.push(b'=');
        percent(value.as_bytes(), out);
    }
}

fn percent(bytes: &[u8], out: &mut Vec<u8>) {
    for part in percent_encode(bytes, RESERVED) {
        out.extend_from_slice(part.as_bytes());
    }
}

/// RFC 8259, section 7, without the quotes.
fn json_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            _ => out.push(byte),
        }
    }
}

fn base64(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_capacity(value.len(), Encoding::Base64), 0);
    // The slice is as long as padded base64 ever is.
    let written = STANDARD.encode_slice(value, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests;
