//! Lets a release move when its checks passed where it comes from, it ran there long enough, and what
//! was measured holds.
//!
//! Settings, at least one: `checks`, names, comma-separated; `soak`, how long the release has to be active
//! in the source, such as `30m`; `thresholds`, comma-separated, such as `error-rate<=0.01, p99<250 ms`, on
//! every measure of that name that a finished check reported, in that unit.
//!
//! A failed check and a threshold that does not hold deny; what is pending or was not reported defers,
//! and so does a soak that is not over, until it is. A neutral check has passed.

mod threshold;

use bootlace_policy::{
    Conclusion, Deferral, Evaluation, PolicyError, PromotionRequest, Settings, Violation, promotion_policy,
};

use threshold::Threshold;

promotion_policy!(
    name: "required-checks",
    version: "0.1.0",
    settings: ["checks", "soak", "thresholds"],
    evaluate: evaluate,
    validate: validate,
);

struct Wanted<'a> {
    checks: Vec<&'a str>,
    soak: u64,
    thresholds: Vec<Threshold<'a>>,
}

/// Looks at checks, measures and soak.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let wanted = read(request.settings())?;
    let source = &request.source.environment.name;
    let (mut violations, mut waiting) = (Vec::new(), Vec::new());
    for name in wanted.checks {
        match request.check(name).map(|check| check.conclusion) {
            Some(Conclusion::Success | Conclusion::Neutral) => {}
            Some(Conclusion::Failure) => {
                let message = format!("check {name} failed in {source}");
                violations.push(Violation::new("check-failed", message).about(name));
            }
            Some(Conclusion::Pending) => waiting.push(format!("check {name} is pending in {source}")),
            None => waiting.push(format!("check {name} was not reported in {source}")),
        }
    }
    for threshold in &wanted.thresholds {
        let finished = request.measures(threshold.measure);
        let mut finished = finished.filter(|(check, _)| check.conclusion != Conclusion::Pending).peekable();
        if finished.peek().is_none() {
            waiting.push(format!("no check reported {} in {source}", threshold.measure));
        }
        violations.extend(finished.filter_map(|(check, measure)| threshold.breach(&check.name, measure)));
    }
    if !violations.is_empty() {
        return Ok(Evaluation::unless(violations));
    }
    let number = request.release.number;
    let mut left = None;
    match request.soaked_seconds() {
        _ if wanted.soak == 0 => {}
        None => waiting.push(format!("release {number} is not active in {source}")),
        Some(soaked) if soaked >= wanted.soak => {}
        Some(soaked) => {
            let soak = wanted.soak;
            waiting.push(format!("release {number} is active in {source} for {soaked} of {soak} seconds"));
            left = Some(soak - soaked);
        }
    }
    if waiting.is_empty() {
        return Ok(Evaluation::allow());
    }
    let deferral = Deferral::new(waiting.join("; "));
    Ok(left.map_or(deferral.clone(), |seconds| deferral.retry_after(seconds)).into())
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    read(settings).err().unwrap_or_default()
}

fn read(settings: Settings<'_>) -> Result<Wanted<'_>, Vec<Violation>> {
    let mut violations = Vec::new();
    if settings.iter().next().is_none() {
        let message = "checks, soak or thresholds is needed";
        violations.push(Violation::new("missing-setting", message).about("checks"));
    }
    let soak = settings.duration("soak").unwrap_or_else(|wrong| {
        violations.push(wrong);
        None
    });
    let mut thresholds = Vec::new();
    for text in settings.list("thresholds").into_iter().flatten() {
        match Threshold::parse(text) {
            Some(threshold) => thresholds.push(threshold),
            None => {
                let message =
                    format!("{text} is not a measure, <, <=, > or >=, and a number, such as p99<250 ms");
                violations.push(Violation::new("invalid-threshold", message).about("thresholds"));
            }
        }
    }
    let checks: Vec<_> = settings.list("checks").into_iter().flatten().collect();
    for (key, is_empty) in [("checks", checks.is_empty()), ("thresholds", thresholds.is_empty())] {
        if is_empty && settings.get(key).is_some_and(|text| text.bytes().all(|byte| b", ".contains(&byte))) {
            violations.push(Violation::new("empty-setting", "it names nothing; leave it out").about(key));
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Wanted { checks, soak: soak.unwrap_or(0), thresholds })
}

#[cfg(test)]
mod tests;
