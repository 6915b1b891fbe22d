//! Whether a secret of one environment is another's: a password of production that was copied to staging,
//! or the other way round. Values are compared by fingerprints under a key that this process drew and
//! nobody keeps, so that what is compared tells nothing of a value to whoever sees it.
//!
//! What it tells is an oracle all the same: whoever may write staging's secrets could write guesses of
//! production's there, and ask. So few new versions of a secret are compared in a day ([`NEW_PER_DAY`]);
//! which ones were is kept, and the others wait for a later day.

use std::collections::BTreeMap;

use crate::{
    fields::{Malformed, Reader, Writer},
    id::{EnvironmentName, Uid, UnixSeconds, ValueId, VariableName},
    keyring::{FingerprintKey, Mac},
    model::question::Sensitivity,
    plan::What,
    prepared::Prepared,
    seal::CapsuleKey,
};

/// How many versions of a secret that were not compared before are compared in a day: of one deployment, all
/// environments together, and with one value that several deployments share, all of those together.
pub const NEW_PER_DAY: usize = 5;
/// How many versions of a secret are remembered as compared; the oldest is forgotten first.
const REMEMBERED: usize = 256;
const DAY_SECONDS: i64 = 86_400;

/// A version of a secret, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The variable.
    pub name: VariableName,
    /// Where it is the one in force.
    pub environment: EnvironmentName,
    /// Which one.
    pub id: ValueId,
    /// The deployments that it is the value of.
    pub home: Home,
}

/// Whose value a version is: who could compare with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// One deployment's.
    Deployment,
    /// Every deployment's in its environment.
    Environment(EnvironmentName),
    /// Every deployment's everywhere.
    Workspace,
}

/// The versions of secrets that are in force in a pair, in the order of their names. What a binding or a
/// tool is given is no variable of somebody's choosing, and left out.
#[must_use]
pub fn versions(prepared: &Prepared) -> Vec<Version> {
    stored(prepared).map(|(version, _)| version).collect()
}

/// The fingerprints of the versions that `wanted` names.
#[must_use]
pub fn of(
    prepared: &Prepared,
    capsule: &CapsuleKey,
    key: &FingerprintKey,
    wanted: impl Fn(&Version) -> bool,
) -> Vec<(Version, Mac)> {
    let Ok(values) = prepared.values.open(capsule, &prepared.plan.digest) else { return Vec::new() };
    let wanted = stored(prepared).filter(|(version, _)| wanted(version));
    wanted
        .filter_map(|(version, candidate)| {
            let text = values.expose(prepared.values.span(candidate)?);
            // Nobody learns anything from two secrets that are both empty.
            (!text.is_empty()).then(|| (version, key.mac(text)))
        })
        .collect()
}

/// The versions in force, each with its candidate.
fn stored(prepared: &Prepared) -> impl Iterator<Item = (Version, u32)> {
    let plan = &prepared.plan;
    let secret = plan.variables.iter().filter(|variable| variable.sensitivity == Sensitivity::Secret);
    secret.filter_map(|variable| {
        let What::Stored { address, value } = &plan.candidates.get(variable.default as usize)?.what else {
            return None;
        };
        let environment = plan.environment.name.clone();
        let home = match (address.deployment == Uid::NONE, address.environment == Uid::NONE) {
            (true, true) => Home::Workspace,
            (true, false) => Home::Environment(environment.clone()),
            (false, _) => Home::Deployment,
        };
        Some((Version { name: variable.name.clone(), environment, id: value.id, home }, variable.default))
    })
}

/// Which versions of one secret were compared, and when: what bounds how many new ones are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared(BTreeMap<ValueId, UnixSeconds>);

impl Compared {
    /// Takes `version` among those that are compared; whether it may be. One that was compared before
    /// may be at any time.
    pub fn admit(&mut self, version: ValueId, now: UnixSeconds) -> bool {
        if !self.has_room(version, now) {
            return false;
        }
        if self.0.contains_key(&version) {
            return true;
        }
        if self.0.len() >= REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(version, now);
        true
    }

    /// Whether [`admit`](Self::admit) would take it.
    #[must_use]
    pub fn has_room(&self, version: ValueId, now: UnixSeconds) -> bool {
        self.0.contains_key(&version) || self.new_since(now) < NEW_PER_DAY
    }

    /// When another new version may be compared, if none may be now.
    #[must_use]
    pub fn next(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        let mut today: Vec<_> = self.0.values().filter(|at| is_of_today(**at, now)).collect();
        today.sort_unstable();
        let first = today.len().checked_sub(NEW_PER_DAY).and_then(|over| today.get(over))?;
        Some(UnixSeconds(first.0.saturating_add(DAY_SECONDS)))
    }

    fn new_since(&self, now: UnixSeconds) -> usize {
        self.0.values().filter(|at| is_of_today(**at, now)).count()
    }

    /// `1 | each: id[16], at i64`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let each = |out: Writer, (id, at): (&ValueId, &UnixSeconds)| out.raw(&id.0).i64(at.0);
        self.0.iter().fold(Writer::new().u8(1), each).finish()
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the bytes are not of a known format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes);
        if fields.u8()? != 1 {
            return Err(fields.malformed());
        }
        let mut rest = Reader::new(fields.rest());
        let mut all = BTreeMap::new();
        for _ in 0..bytes.len() / 24 {
            all.insert(ValueId(rest.array()?), UnixSeconds(rest.i64()?));
        }
        rest.end()?;
        Ok(Self(all))
    }
}

fn is_of_today(at: UnixSeconds, now: UnixSeconds) -> bool {
    now.0.saturating_sub(at.0) < DAY_SECONDS
}

/// The pairs of versions, of the same name in different environments, that have the same fingerprint.
#[must_use]
pub fn equal(of_target: &[(Version, Mac)], others: &[(Version, Mac)]) -> Vec<(Version, Version)> {
    let mut found = Vec::new();
    for (target, mac) in of_target {
        let same = others.iter().filter(|(other, of)| {
            other.name == target.name && other.environment != target.environment && of == mac
        });
        found.extend(same.map(|(other, _)| (target.clone(), other.clone())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ValueId {
        ValueId([number; 16])
    }

    #[test]
    fn five_new_versions_are_compared_in_a_day_and_those_of_before_at_any_time() {
        let (mut compared, now) = (Compared::default(), UnixSeconds(1_000_000));
        for number in 0..5 {
            assert!(compared.admit(id(number), UnixSeconds(now.0 + i64::from(number))));
        }
        assert!(!compared.admit(id(5), now), "a sixth guess");
        assert!(compared.admit(id(0), now), "again");
        assert_eq!(compared.next(now), Some(UnixSeconds(now.0 + DAY_SECONDS)));
        let read = Compared::from_bytes(&compared.to_bytes()).unwrap();
        assert_eq!(read, compared);
        let tomorrow = UnixSeconds(now.0 + DAY_SECONDS);
        assert!(!compared.admit(id(5), UnixSeconds(tomorrow.0 - 1)));
        assert!(compared.admit(id(5), tomorrow), "the first one's day is over");
        assert!(!compared.admit(id(6), tomorrow), "and the second one's not");
        for bad in [&[][..], &[2], &[1, 0], &compared.to_bytes()[..30]] {
            assert!(Compared::from_bytes(bad).is_err());
        }
    }

    #[test]
    fn a_year_of_guesses_is_five_a_day() {
        let (mut compared, mut admitted) = (Compared::default(), 0);
        for hour in 0..24 * 365_i64 {
            let mut version = [0; 16];
            version[..8].copy_from_slice(&hour.to_le_bytes());
            admitted += usize::from(compared.admit(ValueId(version), UnixSeconds(hour * 3600)));
            assert!(compared.0.len() <= REMEMBERED);
        }
        assert!(admitted <= 5 * 366, "{admitted}");
    }

    #[test]
    fn equal_is_what_has_one_name_in_two_environments() {
        let version = |name: &str, environment: &str, number| Version {
            name: name.parse().unwrap(),
            environment: environment.parse().unwrap(),
            id: id(number),
            home: Home::Deployment,
        };
        let target =
            [(version("A", "production", 1), Mac([1; 32])), (version("B", "production", 2), Mac([2; 32]))];
        let others = [
            (version("A", "staging", 3), Mac([1; 32])),
            (version("B", "staging", 4), Mac([1; 32])),
            (version("A", "production", 1), Mac([1; 32])),
        ];
        let found = equal(&target, &others);
        assert_eq!(found, [(target[0].0.clone(), others[0].0.clone())]);
    }
}
