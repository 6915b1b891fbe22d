//! Two answers to one question, compared without a value being opened: by what each key's value would come
//! from. Equal sources give equal values; a value that was stored again may hold the same text, and whether
//! it does is not told.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    canonical::Canonical,
    generation::Decided,
    id::{Digest, VariableName},
    model::{
        Piece, SealedValue,
        question::{Facts, Fragment},
    },
    permit::Refusal,
    plan::{Candidate, Plan, What, content_id},
    prepared::Prepared,
    resolve::Choice,
};

/// What a question comes to.
pub struct Answered {
    /// Why nothing is handed out; none where something is.
    pub refusal: Option<Refusal>,
    /// What the policies used, in wasmtime's units; none where one failed.
    pub fuel: Option<u64>,
    /// What each key that is handed out comes from.
    keys: BTreeMap<VariableName, Digest>,
}

/// A question that would be answered otherwise.
pub struct ChangedAnswer {
    /// What the instance says about itself.
    pub facts: Arc<Facts>,
    /// The boots that said just that.
    pub boots: u64,
    /// What they are answered.
    pub before: Arc<Answered>,
    /// What they would be.
    pub after: Arc<Answered>,
    /// The keys that differ, by name; none where either is refused.
    pub keys: Vec<ChangedKey>,
}

/// A key that would be other.
pub struct ChangedKey {
    /// Its name.
    pub name: VariableName,
    /// What becomes of it.
    pub fate: KeyFate,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFate {
    /// It comes from elsewhere.
    Value,
    /// It is handed out.
    Appears,
    /// It is handed out no more.
    Disappears,
}

impl ChangedAnswer {
    /// Whether what is handed out would be refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.before.refusal.is_none() && self.after.refusal.is_some()
    }
}

impl Answered {
    /// What `prepared` comes to.
    pub(super) fn of(prepared: &Prepared, fuel: Option<u64>, decided: Decided) -> Self {
        match decided {
            Ok(grant) => Self { refusal: None, fuel, keys: sources(&prepared.plan, &grant.choices) },
            Err(refusal) => Self { refusal: Some(refusal), fuel, keys: BTreeMap::new() },
        }
    }
}

/// The question, if its two answers differ.
pub(super) fn changed(
    facts: &Arc<Facts>,
    boots: u64,
    [before, after]: [Arc<Answered>; 2],
) -> Option<ChangedAnswer> {
    let mut keys = Vec::new();
    if before.refusal.is_none() && after.refusal.is_none() {
        keys = differing(&before.keys, &after.keys);
    }
    let differs = before.refusal != after.refusal || !keys.is_empty();
    differs.then(|| ChangedAnswer { facts: Arc::clone(facts), boots, before, after, keys })
}

fn differing(
    before: &BTreeMap<VariableName, Digest>,
    after: &BTreeMap<VariableName, Digest>,
) -> Vec<ChangedKey> {
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let gone = gone.map(|(name, _)| (name, KeyFate::Disappears));
    let other = after.iter().filter_map(|(name, source)| match before.get(name) {
        None => Some((name, KeyFate::Appears)),
        Some(was) => (was != source).then_some((name, KeyFate::Value)),
    });
    let all: BTreeMap<_, _> = gone.chain(other).collect();
    all.into_iter().map(|(name, fate)| ChangedKey { name: name.clone(), fate }).collect()
}

/// What each key that is handed out comes from.
fn sources(plan: &Plan<SealedValue>, choices: &[Choice]) -> BTreeMap<VariableName, Digest> {
    let mut sources = Sources { plan, choices, known: vec![None; choices.len()] };
    let variables = plan.variables.iter().enumerate();
    let given = variables.filter(|(at, one)| one.inject && choices.get(*at) != Some(&Choice::Omitted));
    given.map(|(at, one)| (one.name.clone(), sources.of(at))).collect()
}

struct Sources<'a> {
    plan: &'a Plan<SealedValue>,
    choices: &'a [Choice],
    /// By variable: a template may refer to one many times over.
    known: Vec<Option<Digest>>,
}

impl Sources<'_> {
    fn of(&mut self, index: usize) -> Digest {
        if let Some(Some(known)) = self.known.get(index) {
            return *known;
        }
        let (plan, hash) = (self.plan, Canonical::new("bootlace what-if source 1"));
        let source = match self.choices.get(index) {
            None | Some(Choice::Omitted) => hash.number(0),
            Some(Choice::Candidate(candidate)) => {
                let candidate = plan.candidates.get(*candidate as usize);
                self.candidate(hash.number(1), candidate)
            }
            Some(Choice::Template(fragments)) => {
                let hash = hash.number(2);
                hash.each(fragments.iter(), |hash, fragment| match fragment {
                    Fragment::Literal(text) => hash.number(0).text(text),
                    Fragment::Reference { candidate, encoding } => {
                        let candidate = plan.candidates.get(*candidate as usize);
                        let id = candidate.map(|one| content_id(&one.what).0).unwrap_or_default();
                        hash.number(1).number(*encoding as u64).bytes(&id)
                    }
                })
            }
        };
        let source = source.finish();
        if let Some(known) = self.known.get_mut(index) {
            *known = Some(source);
        }
        source
    }

    fn candidate(&mut self, hash: Canonical, candidate: Option<&Candidate<SealedValue>>) -> Canonical {
        let Some(candidate) = candidate else { return hash.number(0) };
        let What::Template(template) = &candidate.what else {
            return hash.number(1).bytes(&content_id(&candidate.what).0);
        };
        template.0.iter().fold(hash.number(2), |hash, piece| match piece {
            Piece::Literal(text) => hash.number(0).text(text),
            Piece::Reference { name, encoding } => {
                let referred = self.plan.index_of(name.as_str()).map(|index| self.of(index));
                hash.number(1).number(*encoding as u64).bytes(&referred.map(|one| one.0).unwrap_or_default())
            }
        })
    }
}
