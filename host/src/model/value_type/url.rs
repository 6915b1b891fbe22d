//! Absolute URLs with an authority (RFC 3986, section 3), as configuration holds them.

/// The scheme of a URL; nothing when `text` is none. The authority may name several hosts, as
/// libpq's connection URIs do, or none where a path follows, as in `file:///etc/app`.
pub(super) fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let somewhere = !authority.is_empty() || path.len() > 1;
    (super::is_scheme(scheme) && somewhere && is_written_well(rest) && is_authority(authority))
        .then_some(scheme)
}

/// Nothing but RFC 3986's characters, and every `%` with two hex digits after it.
fn is_written_well(text: &str) -> bool {
    const MARKS: &[u8] = b"-._~:/?#[]@!$&'()*+,;=";
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)),
        _ => byte.is_ascii_alphanumeric() || MARKS.contains(byte),
    })
}

fn is_authority(authority: &str) -> bool {
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    !user.contains(['@', '[', ']']) && hosts.split(',').all(is_host_and_port)
}

fn is_host_and_port(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    !host.contains(['[', ']']) && is_port(port)
}

/// RFC 3986 lets the port be empty.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}
