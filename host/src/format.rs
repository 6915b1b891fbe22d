//! The formats an environment is handed out in. A value that a format cannot carry is refused,
//! naming the key, never mangled.

use std::{collections::BTreeMap, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes of a line from which on docker does not read it (Go's `bufio.MaxScanTokenSize`).
pub(crate) const DOCKER_LINE_BYTES: usize = 64 << 10;

/// An output format of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The whole answer as JSON.
    Json,
    /// `NAME='value'` lines as python-dotenv and docker compose read them.
    Dotenv,
    /// `docker run --env-file`: `NAME=value`, everything up to the end of the line as it stands.
    Docker,
    /// systemd's `EnvironmentFile=` (systemd.exec(5)).
    Systemd,
    /// POSIX shell `export` commands.
    Shell,
    /// A Kubernetes `Secret` manifest, as JSON.
    K8sSecret,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] =
        [Self::Json, Self::Dotenv, Self::Docker, Self::Systemd, Self::Shell, Self::K8sSecret];

    /// As written in `?format=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Docker => "docker",
            Self::Systemd => "systemd",
            Self::Shell => "shell",
            Self::K8sSecret => "k8s-secret",
        }
    }

    /// The `Content-Type` of an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::K8sSecret => "application/json",
            _ => "text/plain; charset=utf-8",
        }
    }
}

/// The text names no format.
#[derive(Debug, thiserror::Error)]
#[error("unknown format; use json, dotenv, docker, systemd, shell or k8s-secret")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

/// A value that the format cannot carry.
#[derive(Debug, thiserror::Error)]
#[error(
    "the value of {key} holds {what}, which the format {format} cannot carry; use json or another format"
)]
pub struct CannotCarry {
    key: String,
    what: &'static str,
    format: &'static str,
}

impl CannotCarry {
    /// The variable's name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Writes `variables` to `out`. `name` is what the Kubernetes
/// secret is called.
///
/// # Errors
/// When a value does not survive the format.
pub fn write(
    format: Format,
    name: &str,
    variables: &BTreeMap<String, String>,
    out: &mut Vec<u8>,
) -> Result<(), CannotCarry> {
    if format == Format::K8sSecret {
        out.extend_from_slice(kubernetes(name, variables).to_string().as_bytes());
        out.push(b'\n');
        return Ok(());
    }
    for (key, value) in variables {
        let refuse = |what| CannotCarry { key: key.clone(), what, format: format.as_str() };
        if value.contains('\0') {
            return Err(refuse("a NUL byte"));
        }
        match format {
            Format::Json | Format::K8sSecret => {}
            Format::Docker if value.contains(['\n', '\r']) => return Err(refuse("a line break")),
            Format::Docker if key.len() + 1 + value.len() >= DOCKER_LINE_BYTES => {
                return Err(refuse("more than docker reads on a line"));
            }
            Format::Docker => push(out, &[key, "=", value]),
            Format::Shell => {
                push(out, &["export ", key, "='"]);
                push_escaped(out, value, |c| (c == '\'').then_some(r"'\''"));
                out.push(b'\'');
            }
            Format::Systemd if value.contains('\r') => return Err(refuse("a carriage return")),
            Format::Systemd => {
                push(out, &[key, "=\""]);
                push_escaped(out, value, |c| match c {
                    '"' => Some("\\\""),
                    '\\' => Some("\\\\"),
                    '$' => Some("\\$"),
                    '`' => Some("\\`"),
                    _ => None,
                });
                out.push(b'"');
            }
            Format::Dotenv if value.contains("${") => return Err(refuse("`${`")),
            Format::Dotenv if !value.contains(['\'', '\\', '\r']) => push(out, &[key, "='", value, "'"]),
            // Between double quotes docker compose expands `$NAME`; python-dotenv does not, and keeps
            // the backslash of `\$`: there is no way that both read back.
            Format::Dotenv if value.contains('$') => {
                return Err(refuse("`$` beside a quote, backslash or carriage return"));
            }
            Format::Dotenv => {
                push(out, &[key, "=\""]);
                push_escaped(out, value, |c| match c {
                    '"' => Some("\\\""),
                    '\\' => Some("\\\\"),
                    '\n' => Some("\\n"),
                    '\r' => Some("\\r"),
                    _ => None,
                });
                out.push(b'"');
            }
        }
        out.push(b'\n');
    }
    Ok(())
}

fn kubernetes(name: &str, variables: &BTreeMap<String, String>) -> serde_json::Value {
    let data: serde_json::Map<_, _> =
        variables.iter().map(|(key, value)| (key.clone(), STANDARD.encode(value).into())).collect();
    serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": "Opaque", "data": data,
    })
}

fn push(out: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

fn push_escaped(out: &mut Vec<u8>, value: &str, escape: impl Fn(char) -> Option<&'static str>) {
    let mut utf8 = [0; 4];
    for c in value.chars() {
        let text = escape(c).unwrap_or_else(|| c.encode_utf8(&mut utf8));
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Format, value: &str, expect: &str) {
        let mut out = Vec::new();
        let written = write(format, "x", &[("K".into(), value.into())].into(), &mut out);
        let shown = written.map_or_else(|error| error.what.to_owned(), |()| String::from_utf8(out).unwrap());
        assert_eq!(shown.trim_end_matches('\n'), expect, "{format:?} {value:?}");
    }

    #[test]
    fn each_format_carries_a_value_or_refuses_it() {
        check(Format::Shell, "it's $HOME", r"export K='it'\''s $HOME'");
        check(Format::Docker, "a b=#c'\"", "K=a b=#c'\"");
        check(Format::Docker, "a\nb", "a line break");
        check(Format::Docker, &"x".repeat(65_533), &format!("K={}", "x".repeat(65_533)));
        check(Format::Docker, &"x".repeat(65_534), "more than docker reads on a line");
        check(Format::Systemd, "a\"b\\c$d", r#"K="a\"b\\c\$d""#);
        check(Format::Systemd, "a\nb", "K=\"a\nb\"");
        check(Format::Dotenv, "a\nb $x #", "K='a\nb $x #'");
        check(Format::Dotenv, "it's\n", r#"K="it's\n""#);
        check(Format::Dotenv, "a${B}", "`${`");
        check(Format::Dotenv, "it's $B", "`$` beside a quote, backslash or carriage return");
        check(Format::Shell, "a\0", "a NUL byte");
    }

    #[test]
    fn the_shell_reads_back_what_was_exported() {
        let odd = "p@ss:w/rd#%&= ü '\"\\ $(id) `id`\n\ttail ";
        let mut script = Vec::new();
        write(Format::Shell, "x", &[("K".into(), odd.into())].into(), &mut script).unwrap();
        script.extend_from_slice(b"printf %s \"$K\"");
        let mut shell = std::process::Command::new("sh");
        let read = shell.arg("-c").arg(String::from_utf8(script).unwrap()).output().unwrap();
        assert_eq!(String::from_utf8(read.stdout).unwrap(), odd);
    }
}
