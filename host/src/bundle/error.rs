use super::{BundleForm, WireError};
use crate::{
    fields::Malformed,
    id::{InvalidName, Revision, Uid, UnixSeconds},
    model::{InvalidDays, value_type::InvalidType},
    signing::SignerId,
};

/// The check that a bundle did not pass. In the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More bytes than allowed.
    #[error("the bundle is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Something else altogether.
    #[error("not a bundle")]
    Magic,
    /// A later version's bundle.
    #[error("the bundle has format {format}, which this version does not know")]
    Format {
        /// The format.
        format: u16,
    },
    /// The header does not read.
    #[error("the bundle's header does not read")]
    Header(#[source] Malformed),
    /// A stored bundle where an input was expected, or the other way round.
    #[error("the bundle is not the {expected:?} form that belongs here")]
    WrongForm {
        /// What was expected.
        expected: BundleForm,
    },
    /// Nobody whom we trust for this.
    #[error("the bundle's signer {signer} is not trusted here")]
    UnknownSigner {
        /// Who it says it is.
        signer: SignerId,
    },
    /// Changed, or signed by somebody else.
    #[error("the bundle's signature by {signer} does not fit")]
    Signature {
        /// Who it should be.
        signer: SignerId,
    },
    /// Too late to push it.
    #[error("the bundle expired at {} (seconds since 1970)", not_after.0)]
    Expired {
        /// When.
        not_after: UnixSeconds,
    },
    /// Made for another workspace, perhaps of the same name.
    #[error("the bundle is for the workspace with the id {found}")]
    OtherWorkspace {
        /// The id it is for.
        found: Uid,
    },
    /// Made from a revision that is not the current one.
    #[error("the bundle was made from revision {parent}, but {current} is current")]
    StaleParent {
        /// The revision it was made from.
        parent: Revision,
        /// The current revision.
        current: Revision,
    },
    /// Cut short, or with something behind it.
    #[error("the bundle's body should have {announced} bytes and has {found}")]
    Length {
        /// What the header says.
        announced: u64,
        /// What is there.
        found: u64,
    },
    /// Changed.
    #[error("the bundle's body is not the one that was signed")]
    Digest,
    /// More of something than allowed.
    #[error("the bundle has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not the encoding of a body.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Not a configuration.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The header announces other numbers than the body holds.
    #[error("the bundle's header counts other things than its body holds")]
    Counts,
}

/// What is wrong in a body, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", prefix(at))]
pub struct ContentError {
    /// The place, such as `deployments.checkout.base.variables.PORT.versions.0.value`.
    pub at: String,
    /// What is wrong. It quotes nothing.
    pub reason: InvalidContent,
}

/// What may be wrong in a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContent {
    /// A name breaks its rule.
    #[error(transparent)]
    Name(InvalidName),
    /// More entries than allowed.
    #[error("more than {limit} entries")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Longer than allowed.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A kind that this version does not know.
    #[error("an unknown kind")]
    UnknownCode,
    /// A stored value in an input, or the other way round.
    #[error("a value in a form that does not belong here")]
    WrongForm,
    /// A structured value that is no JSON or nests too deep.
    #[error("not JSON, or nested too deep")]
    Json,
    /// None, out of order, or without the current one.
    #[error("versions must be there, ascend from 1 and include the current one")]
    Versions,
    /// Counted from 1.
    #[error("numbers count from 1")]
    Number,
    /// No number of days.
    #[error(transparent)]
    Interval(InvalidDays),
    /// A form that no text could have, or a pattern that is none.
    #[error(transparent)]
    Type(InvalidType),
    /// Something that belongs to nothing in the bundle, or that says nothing.
    #[error("what a later format adds belongs to nothing, or says nothing")]
    Loose,
    /// A policy's component is not in the bundle.
    #[error("the policy's component is missing")]
    ComponentMissing,
    /// A component under another's digest.
    #[error("a component does not have its digest")]
    ComponentDigest,
    /// A component of no policy.
    #[error("a component belongs to no policy")]
    ComponentUnused,
}

impl InvalidContent {
    pub(super) fn at(self, at: &str) -> ContentError {
        ContentError { at: at.to_owned(), reason: self }
    }
}

impl ContentError {
    /// The same, one level further out.
    pub(super) fn under(mut self, outer: &str) -> Self {
        let joint = if self.at.is_empty() { "" } else { "." };
        self.at = format!("{outer}{joint}{}", self.at);
        self
    }
}

fn prefix(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}
