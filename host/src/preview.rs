//! A glimpse of plain values, for lists and explanations: at most four characters and a quarter of
//! the value. Secrets have none.

use crate::{
    model::question::Sensitivity,
    plan::{Candidate, What},
    prepared::Prepared,
    resolve::Choice,
    seal::CapsuleKey,
};

/// Shown in place of every secret.
pub const MASK: &str = "••••";

/// By variable: the beginning of its value, where it is plain and was chosen from what is stored.
#[must_use]
pub fn of_plain(prepared: &Prepared, choices: &[Choice], key: &CapsuleKey) -> Vec<Option<String>> {
    plain(prepared, choices, key, beginning)
}

/// By variable: the plan's own choice for it, as a list shows it.
#[must_use]
pub fn of_plan(prepared: &Prepared, key: &CapsuleKey) -> Vec<Option<String>> {
    plain(prepared, &of_its_own(prepared), key, beginning)
}

/// The same, whole. For a request that was recorded in the audit log.
#[must_use]
pub fn reveal_plain(prepared: &Prepared, key: &CapsuleKey) -> Vec<Option<String>> {
    plain(prepared, &of_its_own(prepared), key, str::to_owned)
}

fn of_its_own(prepared: &Prepared) -> Vec<Choice> {
    prepared.plan.variables.iter().map(|variable| Choice::Candidate(variable.default)).collect()
}

fn plain(
    prepared: &Prepared,
    choices: &[Choice],
    key: &CapsuleKey,
    show: impl Fn(&str) -> String,
) -> Vec<Option<String>> {
    let plan = &prepared.plan;
    let Ok(values) = prepared.values.open(key, &plan.digest) else { return Vec::new() };
    let preview = |choice: &Choice| {
        let Choice::Candidate(index) = choice else { return None };
        let candidate = plan.candidates.get(*index as usize).filter(|one| is_plain(one))?;
        if let What::Template(_) = candidate.what {
            return Some("(template)".to_owned());
        }
        let text = std::str::from_utf8(values.expose(prepared.values.span(*index)?)).ok()?;
        Some(show(text))
    };
    choices.iter().map(preview).collect()
}

fn is_plain<V>(candidate: &Candidate<V>) -> bool {
    candidate.sensitivity == Sensitivity::Plain
}

fn beginning(text: &str) -> String {
    let length = text.chars().count();
    let shown: String = text.chars().take(4.min(length / 4)).collect();
    format!("{shown}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_four_characters_and_a_quarter_at_most() {
        for (text, shown) in
            [("", "…"), ("abc", "…"), ("abcd", "a…"), ("warning", "w…"), ("ü234567890123456789", "ü234…")]
        {
            assert_eq!(beginning(text), shown);
        }
    }
}
