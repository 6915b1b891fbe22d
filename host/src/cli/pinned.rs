//! What a deployment is pinned to in an environment, wherever it is printed.

use serde::Deserialize;

/// It runs with the set of an earlier activation; members may be added.
#[derive(Debug, Deserialize)]
pub(crate) struct Pinned {
    activation: u64,
    held_back: Vec<String>,
    policies: bool,
    problem: Option<String>,
}

impl Pinned {
    /// As a line.
    pub(crate) fn told(&self) -> String {
        let Self { activation, held_back, policies, problem } = self;
        let mut held_back = held_back.clone();
        held_back.extend(policies.then(|| "policies".to_owned()));
        let problem = problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
        let what = if held_back.is_empty() { "nothing".to_owned() } else { held_back.join(", ") };
        format!("pinned to the set of activation {activation}; held back: {what}{problem}")
    }
}
