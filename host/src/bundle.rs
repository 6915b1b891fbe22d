//! One workspace's configuration as signed bytes: `header | signature[64] | body`. A pushed bundle
//! is *input*, signed by a trusted operator for one workspace and one parent revision; a stored
//! one is what a host keeps of it, signed by the host. The statements differ, so that neither
//! passes for the other, whoever holds which key.
//!
//! The checks come in one order, cheapest and least trusting first: size, magic, signature,
//! expiry, parent, digest, decode, content. Nothing is decoded before the signature holds.
//! Decoding costs time in proportion to the bundle: callers do it off the serving threads.

mod checked;
mod error;
mod form;
mod header;
mod last;
mod limits;
mod more;
mod part;
mod read;
mod whole;
mod wire;
mod write;

pub use error::{BundleError, ContentError, InvalidContent};
pub use header::{BundleForm, Counts, Header};
pub use limits::{BundleLimits, MAX_BUNDLE_BYTES};
pub use part::{read_part, write_part};
pub use wire::WireError;

use crate::{
    canonical::sha256,
    id::{Digest, Revision, Uid, UnixSeconds},
    keyring::WrappedDataKey,
    model::{Configuration, InputValue, SealedValue},
    signing::{OperatorKey, Signature, SignerId, Statement, StoreKey, TrustedSigners, VerifyingKey},
};
use form::Form;

const SIGNATURE_BYTES: usize = 64;

/// What the header says beyond the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The revision that the content was made from.
    pub parent: Revision,
    /// When it was made.
    pub created: UnixSeconds,
    /// From when on it is not to be pushed any more.
    pub not_after: UnixSeconds,
}

/// What a push has to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The workspace's random id.
    pub workspace: Uid,
    /// The workspace's current revision.
    pub revision: Revision,
    /// Now.
    pub now: UnixSeconds,
}

/// A bundle that passed every check.
#[derive(Debug)]
pub struct Opened<V> {
    /// Its header.
    pub header: Header,
    /// Its content.
    pub configuration: Configuration<V>,
    /// The wrapped data keys; none in a pushed bundle.
    pub data_keys: Vec<WrappedDataKey>,
    /// SHA-256 of the whole bundle: names a push in the record.
    pub digest: Digest,
}

/// Makes the bundle that an operator pushes.
///
/// # Errors
/// When it is larger than [`MAX_BUNDLE_BYTES`].
pub fn sign_input(
    configuration: &Configuration<InputValue>,
    envelope: Envelope,
    key: &OperatorKey,
) -> Result<Vec<u8>, BundleError> {
    let signer = key.verifying_key().id();
    let sign = |header: &[u8]| key.sign(Statement::PushedBundle, header);
    assemble(BundleForm::Input, configuration, &[], envelope, signer, sign)
}

/// Makes the bundle that a host keeps of the revision after `envelope.parent`.
///
/// # Errors
/// When it is larger than [`MAX_BUNDLE_BYTES`].
pub fn sign_stored(
    configuration: &Configuration<SealedValue>,
    data_keys: &[WrappedDataKey],
    envelope: Envelope,
    key: &StoreKey,
) -> Result<Vec<u8>, BundleError> {
    let signer = key.verifying_key().id();
    let sign = |header: &[u8]| key.sign(Statement::StoredBundle, header);
    assemble(BundleForm::Stored, configuration, data_keys, envelope, signer, sign)
}

/// Reads the header of a bundle without believing it: for a look at a file, or to find out which
/// workspace a push is for. [`open_input`] checks it.
///
/// # Errors
/// When the bundle is too large or its header malformed.
pub fn inspect(bytes: &[u8], limits: &BundleLimits) -> Result<Header, BundleError> {
    split(bytes, limits).map(|parts| parts.header)
}

/// Opens what an operator pushed.
///
/// # Errors
/// With the first check that fails.
pub fn open_input(
    bytes: &[u8],
    trusted: &TrustedSigners,
    limits: &BundleLimits,
    expected: Expected,
) -> Result<Opened<InputValue>, BundleError> {
    let parts = split(bytes, limits)?;
    let signer = parts.header.signer;
    let key = trusted.named(signer).ok_or(BundleError::UnknownSigner { signer })?;
    parts.verify(BundleForm::Input, Statement::PushedBundle, key)?;
    parts.fits(expected)?;
    parts.open(bytes, limits)
}

/// Opens what this host has kept. It has no expiry here: the last known good serves even then, and
/// says so.
///
/// # Errors
/// With the first check that fails.
pub fn open_stored(
    bytes: &[u8],
    store: &VerifyingKey,
    limits: &BundleLimits,
) -> Result<Opened<SealedValue>, BundleError> {
    let parts = split(bytes, limits)?;
    let signer = parts.header.signer;
    if signer != store.id() {
        return Err(BundleError::UnknownSigner { signer });
    }
    parts.verify(BundleForm::Stored, Statement::StoredBundle, store)?;
    parts.open(bytes, limits)
}

fn assemble<V: Form>(
    form: BundleForm,
    configuration: &Configuration<V>,
    data_keys: &[WrappedDataKey],
    envelope: Envelope,
    signer: SignerId,
    sign: impl Fn(&[u8]) -> Signature,
) -> Result<Vec<u8>, BundleError> {
    let body = write::body(configuration, data_keys);
    let (format, body) = whole::write(configuration, body);
    let header = Header {
        format: format.into(),
        form,
        workspace: configuration.workspace.clone(),
        uid: configuration.uid,
        parent: envelope.parent,
        created: envelope.created,
        not_after: envelope.not_after,
        counts: Counts::of(configuration, data_keys),
        body_length: body.len() as u64,
        body_digest: sha256(&body),
        signer,
    };
    let header = header.to_bytes();
    if header.len() + SIGNATURE_BYTES + body.len() > MAX_BUNDLE_BYTES {
        return Err(BundleError::TooLarge { limit: MAX_BUNDLE_BYTES });
    }
    Ok([header.as_slice(), &sign(&header).0, &body].concat())
}

/// A bundle taken apart, of which nothing is believed yet.
struct Parts<'a> {
    header: Header,
    signed: &'a [u8],
    signature: Signature,
    body: &'a [u8],
}

fn split<'a>(bytes: &'a [u8], limits: &BundleLimits) -> Result<Parts<'a>, BundleError> {
    let limit = limits.bundle_bytes.min(MAX_BUNDLE_BYTES);
    if bytes.len() > limit {
        return Err(BundleError::TooLarge { limit });
    }
    let (header, length) = Header::read(bytes)?;
    let cut = BundleError::Length { announced: header.body_length, found: 0 };
    let (signed, rest) = bytes.split_at_checked(length).ok_or_else(|| cut.clone())?;
    let (signature, body) = rest.split_first_chunk::<SIGNATURE_BYTES>().ok_or(cut)?;
    Ok(Parts { header, signed, signature: Signature(*signature), body })
}

impl Parts<'_> {
    fn verify(&self, form: BundleForm, statement: Statement, key: &VerifyingKey) -> Result<(), BundleError> {
        if self.header.form != form {
            return Err(BundleError::WrongForm { expected: form });
        }
        key.verify(statement, self.signed, &self.signature)
            .map_err(|error| BundleError::Signature { signer: error.signer })
    }

    fn fits(&self, expected: Expected) -> Result<(), BundleError> {
        let header = &self.header;
        if expected.now >= header.not_after {
            return Err(BundleError::Expired { not_after: header.not_after });
        }
        if header.uid != expected.workspace {
            return Err(BundleError::OtherWorkspace { found: header.uid });
        }
        if header.parent != expected.revision {
            return Err(BundleError::StaleParent { parent: header.parent, current: expected.revision });
        }
        Ok(())
    }

    fn open<V: Form>(self, bytes: &[u8], limits: &BundleLimits) -> Result<Opened<V>, BundleError> {
        let (announced, found) = (self.header.body_length, self.body.len() as u64);
        if announced != found {
            return Err(BundleError::Length { announced, found });
        }
        if sha256(self.body) != self.header.body_digest {
            return Err(BundleError::Digest);
        }
        self.header.counts.within(limits)?;
        let (body, beyond) = whole::read(self.header.format, self.body)?;
        let (configuration, data_keys) = read::body(body, &self.header.workspace, self.header.uid, limits)?;
        let configuration = beyond.add(configuration, limits)?;
        if Counts::of(&configuration, &data_keys) != self.header.counts {
            return Err(BundleError::Counts);
        }
        Ok(Opened { header: self.header, configuration, data_keys, digest: sha256(bytes) })
    }
}

#[cfg(test)]
mod tests;
