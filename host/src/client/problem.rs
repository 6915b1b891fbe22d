use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a host says when it refuses: RFC 9457 problem details with Bootlace's extension members.
/// Every member may be missing; what is not known here is kept in `more`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Stable and machine-readable, such as `missing-required`.
    pub code: String,
    /// The code in words, the same every time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What is wrong this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The variables it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Every reason a policy or a check gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The workspace's current revision, where another one was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Violation {
    /// Stable and machine-readable.
    pub code: String,
    /// For a person.
    pub message: String,
    /// What it is about, often a variable's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The policy that gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl Problem {
    /// The one line that says what is wrong.
    #[must_use]
    pub fn summary(&self) -> &str {
        match &self.detail {
            Some(detail) if !detail.is_empty() => detail,
            _ => &self.title,
        }
    }

    /// The body if it is a problem, or a problem that says what came instead. A body of another
    /// kind is not quoted: it comes from something that is not a Bootlace host.
    pub(super) fn read(status: StatusCode, content_type: &str, body: &[u8]) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let told = essence.eq_ignore_ascii_case("application/problem+json");
        match serde_json::from_slice::<Self>(body) {
            Ok(problem) if told => Self { status: status.as_u16(), ..problem },
            _ => Self::unexplained(status, essence),
        }
    }

    fn unexplained(status: StatusCode, content_type: &str) -> Self {
        let detail = if status.is_redirection() {
            "it sends us elsewhere, and a token does not follow".to_owned()
        } else {
            let kind = if content_type.is_empty() { "nothing" } else { content_type };
            format!("it answered {status} with {kind} where a Bootlace host explains itself")
        };
        let title = status.canonical_reason().unwrap_or("unknown status").to_owned();
        Self { title, status: status.as_u16(), detail: Some(detail), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_what_it_does_not_know() {
        let body = br#"{"type":"about:blank","title":"Conflict","status":409,"code":"conflict",
            "detail":"revision 41 is not current","revision":42,"holder":"p-7"}"#;
        let problem = Problem::read(StatusCode::CONFLICT, "application/problem+json; charset=utf-8", body);
        assert_eq!((problem.code.as_str(), problem.revision), ("conflict", Some(42)));
        assert_eq!(problem.summary(), "revision 41 is not current");
        assert_eq!(problem.more["holder"], "p-7");
    }

    #[test]
    fn an_answer_of_another_kind_is_named_and_not_quoted() {
        for (kind, body) in [
            ("text/html", &b"<b>proxy secret</b>"[..]),
            ("application/problem+json", b"{\"keys\":7}"),
            ("", b""),
        ] {
            let problem = Problem::read(StatusCode::BAD_GATEWAY, kind, body);
            assert_eq!((problem.status, problem.code.as_str()), (502, ""));
            assert!(!problem.summary().contains("secret"), "{}", problem.summary());
        }
    }
}
