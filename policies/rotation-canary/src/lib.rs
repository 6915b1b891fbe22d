//! Gives the newest version of a secret to a stable share of instances, the version before it to
//! the others: a rotation that can be watched before it is everywhere.
//!
//! Settings: `variable`, the name of the secret; `percent`, 0 to 100, the share that gets the newest
//! version; `salt` (optional): another one draws another share, so that the same instances are not
//! the canary of every rotation. A greater `percent` keeps the instances that a smaller one chose.
//! An instance that does not say its id gets the older version, with a warning, until the share is all of them.

use bootlace_policy::{Outcome, PolicyError, Request, Resolution, Settings, Violation, resolve_policy};

resolve_policy!(
    name: "rotation-canary",
    version: "0.1.0",
    vary: [instance_id],
    settings: ["variable", "percent", "salt"],
    decide: decide,
    validate: validate,
);

/// Chooses between the two newest versions.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let settings = request.settings();
    let (Some(name), Some(percent)) = (settings.get("variable"), percent(settings)) else {
        return Err(PolicyError::InvalidSettings("variable and percent are needed".into()));
    };
    let mut resolution = Resolution::new();
    let Some(variable) = request.variable(name) else {
        resolution.warn(format!("the plan has no variable {name}"));
        return Ok(resolution.into());
    };
    let mut versions: Vec<_> = variable.candidates().collect();
    versions.sort_by_key(|candidate| std::cmp::Reverse(candidate.version()));
    versions.dedup_by_key(|candidate| candidate.version());
    let [newest, older, ..] = versions[..] else {
        // One version is no rotation: the choice so far stands.
        return Ok(resolution.into());
    };
    let id = request.instance().instance_id.as_deref();
    let everybody = percent == 100;
    if id.is_none() && !everybody {
        resolution.warn(format!("an instance without an id gets the older version of {name}"));
    }
    let canary =
        everybody || id.is_some_and(|id| bucket(settings.get("salt").unwrap_or_default(), id) < percent);
    resolution.bind(if canary { newest } else { older });
    resolution.annotate("canary", if canary { "newest" } else { "older" });
    Ok(resolution.into())
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    if settings.get("variable").is_none_or(str::is_empty) {
        violations.push(Violation::new("missing-setting", "the secret's name is needed").about("variable"));
    }
    if percent(settings).is_none() {
        let message = "a whole number from 0 to 100 is needed";
        violations.push(Violation::new("invalid-percent", message).about("percent"));
    }
    violations
}

fn percent(settings: Settings<'_>) -> Option<u64> {
    let percent: u8 = settings.get("percent")?.parse().ok()?;
    (percent <= 100).then_some(percent.into())
}

/// 0 to 99, evenly, the same for the same id and salt, parted by a byte that UTF-8 never has: FNV-1a
/// (64 bits), finished by MurmurHash3's `fmix64`, because ids often differ in their last letters only,
/// which FNV alone hardly spreads.
fn bucket(salt: &str, id: &str) -> u64 {
    let bytes = salt.bytes().chain([0xff]).chain(id.bytes());
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash ^ (hash >> 33)) % 100
}

#[cfg(test)]
mod tests;
