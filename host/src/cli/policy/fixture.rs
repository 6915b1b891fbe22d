//! A fixture: one question to a policy, and the answer that is expected. What is not expected must
//! not happen: a variable that is not named keeps the plan's choice, and there are no warnings.

mod form;
mod promotion;

use std::{collections::BTreeMap, sync::Arc};

pub use form::FORM;
use form::{Expect, FixtureFile, attributes};
pub use promotion::{FORM as PROMOTION_FORM, PromotionFixture};

use crate::model::{
    PolicyKind,
    question::{Answer, AskedVariable, Attribute, Decision, Facts, Fragment, Resolution, Subject},
};

/// A fixture of either kind of policy.
#[derive(Debug)]
pub enum AnyFixture {
    /// A boot.
    Resolve(Box<Fixture>),
    /// A promotion: what has a `[promotion]`.
    Promotion(Box<PromotionFixture>),
}

impl AnyFixture {
    /// Reads a fixture.
    ///
    /// # Errors
    /// Where it is of neither form, or expects what cannot be.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let table: toml::Table = text.parse()?;
        Ok(if table.contains_key("promotion") {
            Self::Promotion(Box::new(PromotionFixture::parse(text)?))
        } else {
            Self::Resolve(Box::new(Fixture::parse(text)?))
        })
    }

    /// Which policies can be asked.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        match self {
            Self::Resolve(_) => PolicyKind::Resolve,
            Self::Promotion(_) => PolicyKind::Promotion,
        }
    }

    /// The attachment's settings.
    #[must_use]
    pub fn settings(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Resolve(fixture) => &fixture.settings,
            Self::Promotion(fixture) => &fixture.settings,
        }
    }
}

/// A question and its expected answer.
#[derive(Debug)]
pub struct Fixture {
    /// What is asked about.
    pub subject: Arc<Subject>,
    /// What the instance says about itself.
    pub facts: Facts,
    /// The attachment's settings.
    pub settings: BTreeMap<String, String>,
    expect: Expect,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is about: a variable's name, `warnings`, `outcome`.
    pub about: String,
    /// What the fixture expects.
    pub expected: String,
    /// What the policy answered.
    pub answered: String,
}

impl Fixture {
    /// Reads a fixture.
    ///
    /// # Errors
    /// Where it is not of the form, or expects what cannot be.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let file: FixtureFile = toml::from_str(text)?;
        let subject = file.subject()?;
        file.expect.check(&subject)?;
        let FixtureFile { facts, settings, expect, .. } = file;
        Ok(Self { subject: Arc::new(subject), facts: facts.into(), settings, expect })
    }

    /// Everything in `answer` that is not as expected.
    #[must_use]
    pub fn differences(&self, answer: &Answer) -> Vec<Difference> {
        match (answer, &self.expect.deny) {
            (Answer::Resolved(resolution), None) => self.compare(resolution),
            (Answer::Denied(denial), Some(expected)) => {
                let codes: Vec<_> = denial.violations.iter().map(|one| one.code.clone()).collect();
                differ("denial", &list(expected), &list(&codes)).into_iter().collect()
            }
            (Answer::Denied(denial), None) => {
                let reasons: Vec<_> =
                    denial.violations.iter().map(|one| format!("{} ({})", one.code, one.message)).collect();
                differ("outcome", "resolved", &format!("denied: {}", list(&reasons))).into_iter().collect()
            }
            (Answer::Resolved(_), Some(expected)) => {
                differ("outcome", &format!("denied: {}", list(expected)), "resolved").into_iter().collect()
            }
        }
    }

    fn compare(&self, resolution: &Resolution) -> Vec<Difference> {
        let variables = self.subject.variables.iter().enumerate();
        let mut differences: Vec<_> =
            variables.filter_map(|(index, variable)| self.compare_one(index, variable, resolution)).collect();
        differences.extend(differ("warnings", &list(&self.expect.warnings), &list(&resolution.warnings)));
        if let Some(expected) = &self.expect.annotations {
            let answered: Vec<_> = resolution.annotations.iter().map(pair).collect();
            let expected: Vec<_> = attributes(expected).iter().map(pair).collect();
            differences.extend(differ("annotations", &list(&expected), &list(&answered)));
        }
        differences
    }

    fn compare_one(
        &self,
        index: usize,
        variable: &AskedVariable,
        resolution: &Resolution,
    ) -> Option<Difference> {
        let assigned = resolution.assignments.iter().find(|one| one.variable as usize == index);
        let planned = variable.chosen.map_or(Decision::Omit, Decision::Bind);
        let decision = assigned.map_or(&planned, |one| &one.decision);
        let (expected, holds) = self.expected(variable, &planned, decision);
        (!holds).then(|| Difference {
            about: variable.name.clone(),
            expected,
            answered: self.describe(decision),
        })
    }

    /// What is expected of a variable, in words, and whether `decision` is that.
    fn expected(&self, variable: &AskedVariable, planned: &Decision, decision: &Decision) -> (String, bool) {
        let name = variable.name.as_str();
        if let Some(choice) = self.expect.bind.get(name) {
            let holds = matches!(decision, Decision::Bind(index) if choice.is(&self.subject, *index));
            return (choice.describe(), holds);
        }
        if let Some(text) = self.expect.template.get(name) {
            return (format!("template {text:?}"), self.describe(decision) == format!("template {text:?}"));
        }
        if self.expect.omit.iter().any(|omitted| omitted == name) {
            return ("omitted".into(), *decision == Decision::Omit);
        }
        (format!("{}, the plan's choice", self.describe(planned)), decision == planned)
    }

    fn describe(&self, decision: &Decision) -> String {
        match decision {
            Decision::Omit => "omitted".into(),
            Decision::Bind(index) => describe_candidate(&self.subject, *index),
            Decision::Template(fragments) => {
                let text: String = fragments.iter().map(|fragment| self.fragment(fragment)).collect();
                format!("template {text:?}")
            }
        }
    }

    fn fragment(&self, fragment: &Fragment) -> String {
        match fragment {
            Fragment::Literal(text) => text.clone(),
            Fragment::Reference { candidate, .. } => {
                let variable = self.subject.candidates.get(*candidate as usize).map(|one| one.variable);
                let variable = variable.and_then(|index| self.subject.variables.get(index as usize));
                format!("${{{}}}", variable.map_or("?", |variable| &variable.name))
            }
        }
    }
}

fn describe_candidate(subject: &Subject, index: u32) -> String {
    let Some(candidate) = subject.candidates.get(index as usize) else { return "no candidate".into() };
    let labels: Vec<_> = labels_of(subject, index).map(pair).collect();
    let owner = subject.sources.get(candidate.owner as usize).map_or("", String::as_str);
    let gap = if labels.is_empty() { "" } else { " " };
    format!("{}{gap}(version {} of {owner})", labels.join(" "), candidate.version)
}

fn labels_of(subject: &Subject, candidate: u32) -> impl Iterator<Item = &Attribute> {
    let rows = subject.candidate_labels.iter().filter(move |row| row.candidate == candidate);
    rows.filter_map(|row| subject.labels.get(row.label as usize))
}

fn differ(about: &str, expected: &str, answered: &str) -> Option<Difference> {
    (expected != answered).then(|| Difference {
        about: about.to_owned(),
        expected: expected.to_owned(),
        answered: answered.to_owned(),
    })
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn pair(attribute: &Attribute) -> String {
    format!("{}={}", attribute.key, attribute.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::{Assignment, Denial, Violation};

    pub(super) const REPLICAS: &str = r#"
        facts = { region = "us-east-1" }
        [variables.CACHE]
        secret = true
        candidates = [{ labels = { role = "primary" } }, { labels = { role = "replica" } }]
        [variables.LOG_LEVEL]
        candidates = [{}]
    "#;

    fn fixture(expect: &str) -> Fixture {
        Fixture::parse(&format!("{REPLICAS}\n[expect]\n{expect}")).unwrap()
    }

    fn resolved(assignments: &[(u32, Decision)]) -> Answer {
        let one = |(variable, decision): &(u32, Decision)| Assignment {
            variable: *variable,
            decision: decision.clone(),
            decided_by: 0,
        };
        let assignments = assignments.iter().map(one).collect();
        Answer::Resolved(Resolution { assignments, ..Resolution::default() })
    }

    fn about(fixture: &Fixture, answer: &Answer) -> Vec<String> {
        fixture.differences(answer).into_iter().map(|one| one.about).collect()
    }

    #[test]
    fn a_candidate_is_expected_by_labels_or_by_version() {
        let replica = resolved(&[(0, Decision::Bind(1))]);
        for expect in ["bind = { CACHE = { role = 'replica' } }", "bind = { CACHE = 2 }"] {
            assert!(about(&fixture(expect), &replica).is_empty(), "{expect}");
            assert_eq!(about(&fixture(expect), &resolved(&[])), ["CACHE"], "{expect}");
        }
    }

    #[test]
    fn what_is_not_expected_must_not_happen() {
        let fixture = fixture("omit = ['CACHE']");
        assert!(about(&fixture, &resolved(&[(0, Decision::Omit)])).is_empty());
        assert_eq!(about(&fixture, &resolved(&[(0, Decision::Omit), (1, Decision::Omit)])), ["LOG_LEVEL"]);
        let warned = Answer::Resolved(Resolution {
            assignments: vec![Assignment { variable: 0, decision: Decision::Omit, decided_by: 0 }],
            warnings: vec!["careful".into()],
            annotations: Vec::new(),
        });
        assert_eq!(about(&fixture, &warned), ["warnings"]);
    }

    #[test]
    fn a_difference_reads_like_a_sentence_on_both_sides() {
        let fixture = fixture("bind = { CACHE = { role = 'replica' } }");
        let [difference] = &fixture.differences(&resolved(&[]))[..] else { panic!("not one difference") };
        assert_eq!(difference.expected, "role=replica");
        assert_eq!(difference.answered, "role=primary (version 1 of production)");
    }

    #[test]
    fn a_template_is_expected_with_its_references_as_names() {
        let fixture = fixture("template = { LOG_LEVEL = 'x ${LOG_LEVEL}' }");
        let reference = Fragment::Reference { candidate: 2, encoding: crate::model::question::Encoding::Raw };
        let written = Decision::Template(vec![Fragment::Literal("x ".into()), reference]);
        assert!(about(&fixture, &resolved(&[(1, written)])).is_empty());
    }

    #[test]
    fn a_denial_is_expected_by_its_codes() {
        let violation = |code: &str| Violation { code: code.into(), message: "m".into(), field: None };
        let denied = |codes: &[&str]| {
            let violations = codes.iter().map(|code| violation(code)).collect();
            Answer::Denied(Denial { denied_by: 0, violations })
        };
        let fixture = fixture("deny = ['a', 'b']");
        assert!(about(&fixture, &denied(&["a", "b"])).is_empty());
        assert_eq!(about(&fixture, &denied(&["a"])), ["denial"]);
        assert_eq!(about(&fixture, &resolved(&[])), ["outcome"]);
        assert_eq!(about(&self::fixture(""), &denied(&["a"])), ["outcome"]);
    }
}
