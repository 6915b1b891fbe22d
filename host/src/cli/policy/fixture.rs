//! A fixture: one question to a policy, and the answer that is expected. What is not expected must
//! not happen: a variable that is not named keeps the plan's choice, and there are no warnings.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::model::{
    EnvironmentType,
    question::{
        Answer, AskedCandidate, AskedEnvironment, AskedRelease, AskedVariable, Attribute, CandidateLabel,
        Decision, Facts, Fragment, Resolution, Sensitivity, Subject,
    },
};

/// The form of a fixture, for help.
pub const FORM: &str = r#"
A fixture is a TOML file; everything but [expect] and the variables is optional:

  deployment = "checkout"
  environment = { name = "production", type = "production", labels = { tier = "gold" } }
  release = { number = 7, digest = "sha256:00", created = 1767225600, labels = { branch = "main" } }
  facts = { region = "us-east-1", zone = "a", instance = "i-1", attributes = { size = "small" } }
  settings = { variables = "DATABASE_URL" }

  [variables.DATABASE_URL]
  secret = true          # may hold a secret, and its candidates are secrets
  required = true        # a boot without it is refused
  declared = true        # the release lists it; true unless said otherwise
  chosen = 0             # the plan's choice, by place in the list; the first unless said otherwise
  candidates = [         # versions count up unless said, owner is the environment
    { source = "service orders-db", owner = "production", labels = { role = "primary" } },
    { version = 2, secret = false, labels = { role = "replica", region = "us-east-1" } },
  ]

  [expect]
  bind = { DATABASE_URL = { role = "replica" }, JWT_KEY = 2 }     # by labels, or by version
  omit = ["TAX_KEY"]
  template = { GREETING = "from ${DATABASE_HOST}" }               # references as names
  deny = ["no-active-release"]                                    # codes, instead of all the above
  warnings = ["the plan has no variable TYPO"]
  annotations = { canary = "newest" }                             # compared only if given"#;

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
        let facts = Facts {
            region: facts.region,
            zone: facts.zone,
            instance: facts.instance,
            attributes: attributes(&facts.attributes),
        };
        Ok(Self { subject: Arc::new(subject), facts, settings, expect })
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FixtureFile {
    #[serde(default = "checkout")]
    deployment: String,
    #[serde(default)]
    environment: EnvironmentFile,
    release: Option<ReleaseFile>,
    #[serde(default)]
    facts: FactsFile,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, VariableFile>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EnvironmentFile {
    name: String,
    r#type: String,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseFile {
    number: u64,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    created: u64,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FactsFile {
    region: Option<String>,
    zone: Option<String>,
    instance: Option<String>,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VariableFile {
    #[serde(default)]
    secret: bool,
    #[serde(default)]
    required: bool,
    #[serde(default = "yes")]
    declared: bool,
    #[serde(default)]
    chosen: usize,
    #[serde(default)]
    candidates: Vec<CandidateFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CandidateFile {
    version: Option<u64>,
    source: Option<String>,
    owner: Option<String>,
    secret: Option<bool>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    bind: BTreeMap<String, Choice>,
    omit: Vec<String>,
    template: BTreeMap<String, String>,
    deny: Option<Vec<String>>,
    warnings: Vec<String>,
    annotations: Option<BTreeMap<String, String>>,
}

/// How a fixture names a candidate.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a version, or a table of labels")]
enum Choice {
    Version(u64),
    Labels(BTreeMap<String, String>),
}

impl Default for EnvironmentFile {
    fn default() -> Self {
        Self { name: "production".into(), r#type: "production".into(), labels: BTreeMap::new() }
    }
}

impl FixtureFile {
    fn subject(&self) -> anyhow::Result<Subject> {
        let kind = EnvironmentType::ALL.into_iter().find(|kind| kind.as_str() == self.environment.r#type);
        let kind = kind.with_context(|| {
            let known: Vec<_> = EnvironmentType::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("environment.type is none of {}", known.join(", "))
        })?;
        let environment = AskedEnvironment {
            name: self.environment.name.clone(),
            kind,
            labels: attributes(&self.environment.labels),
        };
        let release = self.release.as_ref().map(|release| AskedRelease {
            number: release.number,
            digest: release.digest.clone(),
            created_at: release.created,
            labels: attributes(&release.labels),
        });
        let mut subject = Subject {
            deployment: self.deployment.clone(),
            environment,
            release,
            variables: Vec::new(),
            candidates: Vec::new(),
            sources: Vec::new(),
            labels: Vec::new(),
            candidate_labels: Vec::new(),
        };
        for (name, variable) in &self.variables {
            variable.add(name, &mut subject)?;
        }
        Ok(subject)
    }
}

impl VariableFile {
    fn add(&self, name: &str, subject: &mut Subject) -> anyhow::Result<()> {
        let first = subject.candidates.len();
        let index = u32::try_from(subject.variables.len())?;
        for (place, candidate) in self.candidates.iter().enumerate() {
            candidate.add(index, place, self.secret, subject)?;
        }
        let chosen = match self.candidates.len() {
            0 => None,
            count if self.chosen < count => Some(u32::try_from(first + self.chosen)?),
            count => bail!("{name}: chosen = {}, but it has {count} candidates", self.chosen),
        };
        subject.variables.push(AskedVariable {
            name: name.to_owned(),
            sensitivity: sensitivity(self.secret),
            required: self.required,
            declared: self.declared,
            chosen,
        });
        Ok(())
    }
}

impl CandidateFile {
    fn add(&self, variable: u32, place: usize, secret: bool, subject: &mut Subject) -> anyhow::Result<()> {
        let owner = self.owner.clone().unwrap_or_else(|| subject.environment.name.clone());
        let source = self.source.clone().unwrap_or_else(|| format!("environment {owner}"));
        let candidate = u32::try_from(subject.candidates.len())?;
        subject.candidates.push(AskedCandidate {
            variable,
            source: place_of(&mut subject.sources, source)?,
            owner: place_of(&mut subject.sources, owner)?,
            sensitivity: sensitivity(self.secret.unwrap_or(secret)),
            version: self.version.unwrap_or(place as u64 + 1),
        });
        for label in attributes(&self.labels) {
            let label = place_of(&mut subject.labels, label)?;
            subject.candidate_labels.push(CandidateLabel { candidate, label });
        }
        Ok(())
    }
}

impl Expect {
    /// An expectation about a variable that is not asked about would always hold.
    fn check(&self, subject: &Subject) -> anyhow::Result<()> {
        let named = self.bind.keys().chain(&self.omit).chain(self.template.keys());
        let mut seen = std::collections::BTreeSet::new();
        for name in named {
            let Some(index) = subject.variables.iter().position(|variable| variable.name == *name) else {
                bail!("expect names {name}, which is none of the variables");
            };
            if !seen.insert(name) {
                bail!("expect names {name} twice");
            }
            if let Some(choice) = self.bind.get(name) {
                let own = |at: u32| subject.candidates.get(at as usize).map(|one| one.variable as usize);
                let count = u32::try_from(subject.candidates.len())?;
                let fits = (0..count).any(|at| own(at) == Some(index) && choice.is(subject, at));
                if !fits {
                    bail!("expect.bind: {name} has no candidate with {}", choice.describe());
                }
            }
        }
        if self.deny.is_some() && !seen.is_empty() {
            bail!("expect: a denied boot binds, omits and writes nothing; leave out deny or the rest");
        }
        Ok(())
    }
}

impl Choice {
    fn is(&self, subject: &Subject, index: u32) -> bool {
        match self {
            Self::Version(version) => {
                subject.candidates.get(index as usize).is_some_and(|candidate| candidate.version == *version)
            }
            Self::Labels(labels) => {
                let carried: Vec<_> = labels_of(subject, index).collect();
                attributes(labels).iter().all(|label| carried.contains(&label))
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Version(version) => format!("version {version}"),
            Self::Labels(labels) => attributes(labels).iter().map(pair).collect::<Vec<_>>().join(" "),
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

fn attributes(table: &BTreeMap<String, String>) -> Vec<Attribute> {
    table.iter().map(|(key, value)| Attribute::new(key, value)).collect()
}

fn sensitivity(secret: bool) -> Sensitivity {
    if secret { Sensitivity::Secret } else { Sensitivity::Plain }
}

/// The index of `item` in `table`, where it is put if it is new.
fn place_of<T: PartialEq>(table: &mut Vec<T>, item: T) -> anyhow::Result<u32> {
    let known = table.iter().position(|known| *known == item);
    let index = known.unwrap_or_else(|| {
        table.push(item);
        table.len() - 1
    });
    Ok(u32::try_from(index)?)
}

fn checkout() -> String {
    "checkout".into()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::{Assignment, Denial, Violation};

    const REPLICAS: &str = r#"
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

    #[test]
    fn a_fixture_that_could_not_fail_or_not_hold_is_refused() {
        for wrong in [
            "bind = { CASHE = 1 }",
            "bind = { CACHE = 3 }",
            "bind = { CACHE = { role = 'witness' } }",
            "bind = { LOG_LEVEL = { role = 'replica' } }",
            "omit = ['CASHE']",
            "bind = { CACHE = 1 }\nomit = ['CACHE']",
            "deny = ['a']\nomit = ['CACHE']",
            "binds = { CACHE = 1 }",
        ] {
            assert!(Fixture::parse(&format!("{REPLICAS}\n[expect]\n{wrong}")).is_err(), "{wrong}");
        }
        assert!(Fixture::parse(REPLICAS).is_err(), "without [expect]");
        let type_unknown = format!("environment = {{ type = 'live' }}\n{REPLICAS}\n[expect]");
        assert!(Fixture::parse(&type_unknown).unwrap_err().to_string().contains("pre-production"));
    }

    #[test]
    fn the_form_in_the_help_is_read() {
        let lines: Vec<_> = FORM.lines().skip_while(|line| !line.contains("deployment =")).collect();
        let text = lines.join("\n");
        let refused = Fixture::parse(&text).unwrap_err().to_string();
        // The example names more variables than it has; its form is understood.
        assert!(refused.contains("which is none of the variables"), "{refused}");
    }
}
