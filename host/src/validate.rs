//! What must hold of a configuration before it may serve: all violations at once, each with the
//! place it is about. Nothing here knows files; [`crate::source`] maps places to lines, a push
//! answers them as text. A violation names what is wrong and never quotes a value.

mod domains;
pub mod limits;
mod namespaces;
mod pairs;
mod path;
mod rule;
mod services;
mod structure;
mod tools;
mod types;
mod values;

use std::collections::BTreeMap;

pub use path::Path;
pub use rule::Rule;

use crate::{
    id::{DeploymentId, EnvironmentName},
    model::{Configuration, InputValue, PlainValue, SealedValue},
};

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// What it is about.
    pub path: Path,
    /// What is wrong, and what to do.
    pub rule: Rule,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.rule)
    }
}

/// How a value is held, as far as it can be told without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Readable, of so many bytes.
    Plain(usize),
    /// Sealed to an environment's public key, so many bytes of text.
    SealedText(usize),
    /// Sealed by a host, plain or secret alike.
    Held,
}

/// A value that can be asked for its form.
pub trait Inspect {
    /// How it is held.
    fn form(&self) -> Form;

    /// Its text, where it is readable; what is sealed is looked at when it is opened.
    fn readable(&self) -> Option<&str> {
        None
    }
}

impl Inspect for InputValue {
    fn form(&self) -> Form {
        match self {
            Self::Plain(PlainValue::Text(text) | PlainValue::Json(text)) => Form::Plain(text.len()),
            Self::Sealed(sealed) => Form::SealedText(sealed.0.len()),
        }
    }

    fn readable(&self) -> Option<&str> {
        match self {
            Self::Plain(plain) => Some(plain.injected()),
            Self::Sealed(_) => None,
        }
    }
}

impl Inspect for SealedValue {
    fn form(&self) -> Form {
        Form::Held
    }
}

/// Every violation of `configuration`, in the order of their places; at most
/// [`limits::VIOLATIONS`].
#[must_use]
pub fn check<V: Inspect>(configuration: &Configuration<V>) -> Vec<Violation> {
    let mut found = Findings::default();
    structure::check(configuration, &mut found);
    types::counts(configuration, &mut found);
    values::check(configuration, &mut found);
    services::check(configuration, &mut found);
    tools::check(configuration, &mut found);
    domains::check(configuration, &mut found);
    namespaces::check(configuration, &mut found);
    pairs::check(configuration, &mut found);
    found.finish()
}

/// Every activation that names a release, deployment or environment that is not there.
#[must_use]
pub fn check_active<V>(
    configuration: &Configuration<V>,
    active: &BTreeMap<DeploymentId, BTreeMap<EnvironmentName, u64>>,
) -> Vec<Violation> {
    let mut found = Findings::default();
    for (deployment, environments) in active {
        let path = Path::of("active").at(deployment);
        let Some(app) = configuration.deployments.get(deployment) else {
            found.add(path, Rule::UnknownDeployment(deployment.clone()));
            continue;
        };
        for (environment, number) in environments {
            let path = path.clone().at(environment);
            if !app.environments.contains_key(environment) {
                found.add(path, Rule::EnvironmentNotUsed(deployment.clone(), environment.clone()));
            } else if !app.releases.contains_key(number) {
                found.add(path, Rule::UnknownRelease(deployment.clone(), *number));
            }
        }
    }
    found.finish()
}

/// Collects violations.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    /// Some more are taken than are reported, so that repeated ones crowd out few others.
    fn add(&mut self, path: Path, rule: Rule) {
        if self.0.len() < 4 * limits::VIOLATIONS {
            self.0.push(Violation { path, rule });
        }
    }

    fn at_most(&mut self, path: impl FnOnce() -> Path, what: &'static str, count: usize, limit: usize) {
        if count > limit {
            self.add(path(), Rule::TooMany { what, count, limit });
        }
    }

    fn finish(mut self) -> Vec<Violation> {
        self.0.sort();
        self.0.dedup();
        self.0.truncate(limits::VIOLATIONS);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stay_bounded_while_they_are_collected() {
        let mut found = Findings::default();
        for at in 0..10 * limits::VIOLATIONS {
            found.add(Path::of("attachments").at(at), Rule::BadPort);
        }
        assert_eq!(found.0.len(), 4 * limits::VIOLATIONS);
        assert_eq!(found.finish().len(), limits::VIOLATIONS);
    }
}
