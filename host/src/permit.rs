//! The right to a boot's values. A [`Grant`] is what one outcome of the policies comes to: its
//! values put together once and sealed again under the process's key. A [`Permit`] is a caller's
//! right to one grant, and nothing else on the boot path can open a value.

mod environment;
mod held;
mod refusal;

use std::{collections::BTreeMap, sync::Arc};

pub use held::handed_out;
pub use refusal::Refusal;
use zeroize::Zeroizing;

use environment::{Frame, SealedEnvironment};

use crate::{
    audit::Given,
    auth::InstanceCaller,
    canonical::Canonical,
    clock::rfc3339,
    format::{self, CannotCarry, Format},
    id::{Digest, UnixSeconds, ValueId, VariableName},
    lease::{Counter, Counters, Held},
    model::{
        Moment, Piece, SealedValue,
        question::{Attribute, Decision, Encoding, Fragment, Resolution},
    },
    plan::{Plan, What},
    prepared::Prepared,
    render,
    resolve::{self, Choice, Settled, Unsettled},
    seal::{Buffer, CapsuleKey, MAX_CAPSULE_BYTES, NoRoom, OpenReason, seal_capsule},
};

/// One outcome's values, put together and sealed.
pub struct Grant {
    /// The JSON object of the environment, its values under the process's key.
    environment: SealedEnvironment,
    /// Plan digest and final assignments.
    identity: Digest,
    /// The identity in hex, as every ETag begins.
    identity_hex: String,
    given: Given,
    /// The same, as the plan numbers them.
    handed_out: Box<[u32]>,
    /// The versions of secrets among them, for who asks who holds one.
    held: Arc<[Held]>,
    /// What counts the boots without a lease that are given them; found at the first.
    counters: Counters,
    /// When they were last handed out by this grant: what was noted this second is not noted again.
    read: Moment,
    /// The warnings as a JSON list, ready for an answer.
    warnings_json: String,
    /// For the person who boots.
    pub warnings: Vec<String>,
    /// For `explain`.
    pub choices: Vec<Choice>,
    /// What the policies noted.
    pub annotations: Vec<Attribute>,
}

impl Grant {
    /// Puts together what `resolution` comes to.
    ///
    /// # Errors
    /// When a required variable is missing or has not its form, or a needed value did not open.
    pub fn compose(prepared: &Prepared, resolution: &Resolution, key: &CapsuleKey) -> Result<Self, Refusal> {
        let settled = resolve::settle(&prepared.plan, resolution);
        let Settled { choices, warnings } = settled.map_err(|error| refused(prepared, error))?;
        let values = prepared.values.open(key, &prepared.plan.digest).map_err(|_| Refusal::Damaged)?;
        let composer = Composer { prepared, choices: &choices, values: &values };
        let mut written = Zeroizing::new(Vec::with_capacity(values.len() * 2));
        let (keys, frame) = composer.write_values(&mut written)?;
        let identity = identity(&prepared.plan.digest, &choices);
        let sealed = seal_capsule(key, &identity, &written).ok_or(Refusal::TooLarge)?;
        Ok(Self {
            environment: SealedEnvironment::new(frame, sealed),
            identity,
            identity_hex: hex::encode(&identity.0[..16]),
            given: Given::new(&keys, &identity, &prepared.audit_basis),
            held: held::held(&prepared.plan, &choices, composer.handed_out()).into(),
            counters: Counters::new(),
            handed_out: composer.handed_out().filter_map(|index| index.try_into().ok()).collect(),
            read: Moment::default(),
            warnings_json: serde_json::Value::from(warnings.as_slice()).to_string(),
            warnings,
            choices,
            annotations: resolution.annotations.clone(),
        })
    }

    /// About how many bytes it keeps, for the memory's bound.
    #[must_use]
    pub fn weight(&self) -> usize {
        let templates = self.choices.iter().map(|choice| match choice {
            Choice::Template(fragments) => fragments.iter().map(fragment_weight).sum(),
            Choice::Candidate(_) | Choice::Omitted => 0,
        });
        let notes = self.annotations.iter().map(|note| note.key.len() + note.value.len() + size_of_val(note));
        self.environment.weight()
            + 2 * self.warnings_json.len()
            + self.given.weight()
            + self.choices.len() * size_of::<Choice>()
            + size_of_val(&*self.handed_out)
            + self.held.len() * (size_of::<Held>() + size_of::<(ValueId, Arc<Counter>)>())
            + templates.sum::<usize>()
            + notes.sum::<usize>()
            + size_of::<Self>()
    }
}

fn fragment_weight(fragment: &Fragment) -> usize {
    let text = if let Fragment::Literal(text) = fragment { text.len() } else { 0 };
    size_of_val(fragment) + text
}

/// What an unsettled resolution is to whoever boots.
fn refused(prepared: &Prepared, error: Unsettled) -> Refusal {
    match error {
        Unsettled::Missing(names) => Refusal::Missing(names),
        Unsettled::TemplateOfTemplate { decided_by, .. } => {
            let policy = prepared.chain.names().nth(decided_by as usize).unwrap_or_default();
            Refusal::Failed { policy: policy.to_owned(), reason: error.to_string(), deterministic: true }
        }
    }
}

/// What a resolution comes to, as its grant would be identified: without a value being opened.
///
/// # Errors
/// As [`resolve::settle`].
pub fn settled_identity(plan: &Plan<SealedValue>, resolution: &Resolution) -> Result<Digest, Unsettled> {
    let settled = resolve::settle(plan, resolution)?;
    Ok(identity(&plan.digest, &settled.choices))
}

/// Hashes plan digest and final choices: equal identities, equal environments.
fn identity(plan: &Digest, choices: &[Choice]) -> Digest {
    let hash = Canonical::new("bootlace grant 1").bytes(&plan.0);
    hash.each(choices.iter(), |hash, choice| match choice {
        Choice::Omitted => hash.number(0),
        Choice::Candidate(candidate) => hash.number(1).number(u64::from(*candidate)),
        Choice::Template(fragments) => hash.number(2).each(fragments.iter(), add_fragment),
    })
    .finish()
}

/// Hashes all that policies answered.
#[must_use]
pub fn resolution_digest(resolution: &Resolution) -> Digest {
    let hash = Canonical::new("bootlace resolution 1");
    let hash = hash.each(resolution.assignments.iter(), |hash, assignment| {
        let hash = hash.number(u64::from(assignment.variable)).number(u64::from(assignment.decided_by));
        match &assignment.decision {
            Decision::Omit => hash.number(0),
            Decision::Bind(candidate) => hash.number(1).number(u64::from(*candidate)),
            Decision::Template(fragments) => hash.number(2).each(fragments.iter(), add_fragment),
        }
    });
    let hash = hash.each(resolution.warnings.iter(), |hash, warning| hash.text(warning));
    hash.each(resolution.annotations.iter(), |hash, note| hash.text(&note.key).text(&note.value)).finish()
}

fn add_fragment(hash: Canonical, fragment: &Fragment) -> Canonical {
    match fragment {
        Fragment::Literal(text) => hash.number(0).text(text),
        Fragment::Reference { candidate, encoding } => {
            hash.number(1).number(u64::from(*candidate)).number(*encoding as u64)
        }
    }
}

/// Writes chosen values out of one opened buffer.
struct Composer<'a> {
    prepared: &'a Prepared,
    choices: &'a [Choice],
    values: &'a Buffer,
}

impl Composer<'_> {
    /// The variables that there is anything of, as the plan numbers them.
    fn handed_out(&self) -> impl Iterator<Item = usize> {
        let variables = self.prepared.plan.variables.iter().enumerate();
        let injected = variables.filter(|(index, one)| one.inject && self.choices[*index] != Choice::Omitted);
        injected.map(|(index, _)| index)
    }

    /// Writes the values as the insides of JSON strings; gives their names, and what stands around
    /// them in the finished object.
    fn write_values(&self, out: &mut Vec<u8>) -> Result<(Vec<VariableName>, Frame), Refusal> {
        let mut keys = Vec::with_capacity(self.choices.len());
        let mut frame = Frame::default();
        let mut text = Zeroizing::new(Vec::new());
        let mut mistyped = Vec::new();
        for index in self.handed_out() {
            let variable = &self.prepared.plan.variables[index];
            text.clear();
            self.write_text(index, &mut text)?;
            // Here at last every text is known, also what a policy's template came to.
            mistyped.extend(variable.mistyped(&text));
            encode(&text, Encoding::JsonString, out);
            frame.add(&variable.name, out.len());
            within_answer(out.len() + frame.len())?;
            keys.push(variable.name.clone());
        }
        if mistyped.is_empty() { Ok((keys, frame)) } else { Err(Refusal::Mistyped(mistyped)) }
    }

    /// The text of variable `index` as it was chosen.
    fn write_text(&self, index: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match &self.choices[index] {
            Choice::Omitted => Ok(()),
            Choice::Candidate(candidate) => self.write_candidate(index, *candidate, out),
            Choice::Template(fragments) => fragments.iter().try_for_each(|fragment| match fragment {
                Fragment::Literal(text) => {
                    out.extend_from_slice(text.as_bytes());
                    Ok(())
                }
                Fragment::Reference { candidate, encoding } => {
                    let mut referred = Zeroizing::new(Vec::new());
                    let owner = self.prepared.plan.candidates[*candidate as usize].variable as usize;
                    self.write_candidate(owner, *candidate, &mut referred)?;
                    encode(&referred, *encoding, out);
                    within_answer(out.len())
                }
            }),
        }
    }

    fn write_candidate(&self, index: usize, candidate: u32, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let plan = &self.prepared.plan;
        let What::Template(template) = &plan.candidates[candidate as usize].what else {
            let span = self.prepared.values.span(candidate);
            let span = span.ok_or_else(|| Refusal::Unseal(plan.variables[index].name.clone()))?;
            out.extend_from_slice(self.values.expose(span));
            return Ok(());
        };
        for piece in &template.0 {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Reference { name, encoding } => {
                    let mut referred = Zeroizing::new(Vec::new());
                    if let Some(referred_index) = plan.index_of(name.as_str()) {
                        self.write_text(referred_index, &mut referred)?;
                    }
                    encode(&referred, *encoding, out);
                    within_answer(out.len())?;
                }
            }
        }
        Ok(())
    }
}

/// Stops a text as soon as no answer could hold it: a few references may name the same large value
/// many times over.
fn within_answer(bytes: usize) -> Result<(), Refusal> {
    if bytes > MAX_CAPSULE_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
}

/// Values are texts since they were checked on their way in, so every encoding can carry them.
fn encode(value: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
    let written = render::encode(value, encoding, out);
    debug_assert!(written.is_ok(), "a value that is no text was let in");
}

/// A caller's right to a grant.
pub struct Permit<'a> {
    caller: &'a InstanceCaller<'a>,
    grant: Arc<Grant>,
    /// That the environment is about to expire, as JSON.
    notice: Option<String>,
}

impl<'a> Permit<'a> {
    /// Permits `caller` what its own prepared plan came to.
    #[must_use]
    pub fn new(caller: &'a InstanceCaller<'a>, grant: Arc<Grant>) -> Self {
        Self { caller, grant, notice: None }
    }

    /// The same, with a warning where the environment is about to expire.
    #[must_use]
    pub fn at(self, now: UnixSeconds) -> Self {
        let environment = &self.caller.prepared.plan.environment;
        let notice = environment.expires_soon(now).map(|at| {
            let notice = format!(
                "environment {} expires at {}: nothing boots there then",
                environment.name,
                rfc3339(at)
            );
            serde_json::Value::from(notice).to_string()
        });
        Self { notice, ..self }
    }

    /// The names it opens.
    #[must_use]
    pub fn given(&self) -> &Given {
        &self.grant.given
    }

    /// The versions of secrets that it opens.
    #[must_use]
    pub fn held(&self) -> &Arc<[Held]> {
        &self.grant.held
    }

    /// What counts the boots without a lease that are given these.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.grant.counters
    }

    /// Notes that they were handed out.
    pub fn note_read(&self, now: UnixSeconds) {
        if self.grant.read.advance(now) {
            self.caller.prepared.usage.read(&self.grant.handed_out, now);
        }
    }

    /// Identifies the answer: plan digest, final assignments, format.
    #[must_use]
    pub fn etag(&self, format: Format) -> String {
        ["\"", &self.grant.identity_hex, "-", format.as_str(), "\""].concat()
    }

    /// Opens the values and writes the answer's body, which is wiped when it is dropped.
    ///
    /// # Errors
    /// When the format cannot carry a value.
    pub fn open(&self, format: Format, key: &CapsuleKey) -> Result<Buffer, OpenError> {
        let InstanceCaller { prepared, served, .. } = self.caller;
        let grant = &self.grant;
        if format == Format::Json {
            let revision = served.snapshot.revision;
            let notice = self.notice.as_deref().unwrap_or_default();
            let warnings = grant.warnings_json.len() + notice.len();
            let fixed = prepared.body_head.len() + prepared.body_middle.len() + warnings + 64;
            // Sized once: a buffer that grew would leave copies of values behind.
            let mut body = Buffer::with_capacity(fixed + grant.environment.room());
            body.push(prepared.body_head.as_bytes())?;
            body.push(revision.to_string().as_bytes())?;
            body.push(prepared.body_middle.as_bytes())?;
            grant.environment.write(key, &grant.identity, &mut body)?;
            body.push(b",\"warnings\":")?;
            // The list stays open for one more.
            let (list, end) = grant.warnings_json.split_at(grant.warnings_json.len() - 1);
            body.push(list.as_bytes())?;
            if !notice.is_empty() && !grant.warnings.is_empty() {
                body.push(b",")?;
            }
            body.push(notice.as_bytes())?;
            body.push(end.as_bytes())?;
            body.push(b"}")?;
            return Ok(body);
        }
        let mut json = Buffer::with_capacity(grant.environment.room());
        grant.environment.write(key, &grant.identity, &mut json)?;
        let variables: BTreeMap<String, String> =
            serde_json::from_slice(json.as_ref()).map_err(|_| OpenError::Capsule(OpenReason::Malformed))?;
        let mut body = Vec::with_capacity(json.len() * 2 + 1024);
        format::write(format, &prepared.object_name, &variables, &mut body)?;
        Ok(body.into())
    }
}

/// Why a permit did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A value does not survive the format.
    #[error(transparent)]
    CannotCarry(#[from] CannotCarry),
    /// The process's own capsule does not open: memory was damaged.
    #[error("a capsule of this process does not open")]
    Capsule(#[from] OpenReason),
    /// The buffer was sized too small.
    #[error("the answer does not fit the buffer made for it")]
    NoRoom(#[from] NoRoom),
}

impl OpenError {
    /// The stable code of contract.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CannotCarry(_) => "invalid",
            Self::Capsule(_) | Self::NoRoom(_) => "internal",
        }
    }
}
