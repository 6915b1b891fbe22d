//! A policy that tells everything it can see, in log lines, warnings and annotations, so that the
//! host's tests can look for what should not be there. It varies by every fact.

use bootlace_policy::{Attribute, Level, Outcome, PolicyError, Request, Resolution, log, resolve_policy};

resolve_policy!(
    name: "dump",
    version: "0.1.0",
    vary: [region, zone, instance_id, instance_attributes, release_labels],
    settings: ["*"],
    decide: decide,
);

/// Stays below the host's bounds (32 lines and 4 KiB of log, 64 KiB of answer), so that what it
/// tells is told.
const LOG_LINES: usize = 30;
const LOG_BYTES: usize = 3 * 1024;
const WARNING_BYTES: usize = 24 * 1024;
const ANNOTATION_BYTES: usize = 24 * 1024;

/// Changes nothing, and tells all.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let told = everything(request);
    let mut resolution = Resolution::new();
    for (key, value) in within(&told, LOG_BYTES).take(LOG_LINES) {
        log(Level::Info, &format!("{key}={value}"));
    }
    for (key, value) in within(&told, WARNING_BYTES) {
        resolution.warn(format!("{key}={value}"));
    }
    for (key, value) in within(&told, ANNOTATION_BYTES) {
        resolution.annotate(key, value);
    }
    Ok(resolution.into())
}

/// All that was told within a number of bytes, from the first on.
fn within(told: &[(String, String)], bytes: usize) -> impl Iterator<Item = &(String, String)> {
    let mut left = bytes;
    told.iter().take_while(move |(key, value)| {
        // 16 bytes for what the host counts beside the text.
        let size = key.len() + value.len() + 16;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    })
}

fn everything(request: &Request) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut tell = |key: &str, value: String| told.push((key.to_owned(), value));
    let environment = request.environment();
    tell("deployment", request.deployment().to_owned());
    tell("environment", environment.name.clone());
    tell("environment.kind", format!("{:?}", environment.kind));
    tell("environment.labels", labels(&environment.labels));
    if let Some(release) = request.release() {
        tell("release", release.number.to_string());
        tell("release.digest", release.digest.clone());
        tell("release.created-at", release.created_at.to_string());
        tell("release.labels", labels(&release.labels));
    }
    let instance = request.instance();
    tell("region", format!("{:?}", instance.region));
    tell("zone", format!("{:?}", instance.zone));
    tell("instance-id", format!("{:?}", instance.instance_id));
    tell("attributes", labels(&instance.attributes));
    for (key, value) in request.settings().iter() {
        tell("setting", format!("{key}={value}"));
    }
    for variable in request.variables() {
        let candidates = variable.candidates().len();
        tell(
            "variable",
            format!(
                "{} secret={} required={} declared={} chosen={:?} candidates={candidates}",
                variable.name(),
                variable.is_secret(),
                variable.is_required(),
                variable.is_declared(),
                variable.chosen().map(|chosen| chosen.version()),
            ),
        );
        for candidate in variable.candidates() {
            let row: Vec<_> = candidate.labels().map(|(key, value)| Attribute::new(key, value)).collect();
            tell(
                "candidate",
                format!(
                    "{} source={} owner={} secret={} version={} {}",
                    variable.name(),
                    candidate.source(),
                    candidate.owner(),
                    candidate.is_secret(),
                    candidate.version(),
                    labels(&row),
                ),
            );
        }
    }
    told
}

fn labels(attributes: &[Attribute]) -> String {
    let pairs = attributes.iter().map(|one| format!("{}={}", one.key, one.value));
    pairs.collect::<Vec<_>>().join(",")
}
