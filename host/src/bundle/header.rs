//! What stands in front of a bundle, in the clear: enough to refuse it before reading on.

use super::{BundleError, BundleLimits};
use crate::{
    fields::{Malformed, Reader, Writer},
    id::{Digest, Revision, Uid, UnixSeconds, WorkspaceId},
    keyring::WrappedDataKey,
    model::{Configuration, Content, Layer},
    signing::SignerId,
};

/// The first bytes of every bundle.
pub(super) const MAGIC: &[u8; 8] = b"BLACEBND";
/// The versions that are read. A header is the same in all; a body of each goes on behind that of the one
/// before. What an earlier one can carry is written as that, which older hosts read, too.
const FORMATS: [u16; 3] = [1, 2, 3];
/// The longest header, in bytes.
const MAX_HEADER_BYTES: usize = 512;
/// `magic, format, header length`.
const PREAMBLE_BYTES: usize = 12;

/// Which of the two a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleForm {
    /// What an operator pushes: plain and `sealed:…` values. Signed by an operator.
    Input,
    /// What a host keeps: every value sealed, with its wrapped data keys. Signed by the host.
    Stored,
}

/// A bundle's header. Believe it only when it comes out of an [`super::Opened`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the format.
    pub format: u16,
    /// Input or stored.
    pub form: BundleForm,
    /// The workspace's name.
    pub workspace: WorkspaceId,
    /// Its random id.
    pub uid: Uid,
    /// The revision that the content was made from; a stored bundle's own revision is the next.
    pub parent: Revision,
    /// When it was made.
    pub created: UnixSeconds,
    /// From when on it is not to be pushed any more.
    pub not_after: UnixSeconds,
    /// How much is in it.
    pub counts: Counts,
    /// The length of the body, in bytes.
    pub body_length: u64,
    /// SHA-256 of the body.
    pub body_digest: Digest,
    /// Who says that he signed it.
    pub signer: SignerId,
}

/// How much is in a bundle: refused before decoding when it is too much, and after decoding when
/// it is not what was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Environments.
    pub environments: u32,
    /// Deployments.
    pub deployments: u32,
    /// Services.
    pub services: u32,
    /// Policies.
    pub policies: u32,
    /// Values, credentials and every live version included.
    pub values: u32,
    /// Wrapped data keys.
    pub data_keys: u32,
}

impl Header {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let counts = &self.counts;
        let fields = Writer::new()
            .u16(match self.form {
                BundleForm::Input => 0,
                BundleForm::Stored => 1,
            })
            .raw(&self.uid.0)
            .text(self.workspace.as_str())
            .u64(self.parent.0)
            .i64(self.created.0)
            .i64(self.not_after.0)
            .u32(counts.environments)
            .u32(counts.deployments)
            .u32(counts.services)
            .u32(counts.policies)
            .u32(counts.values)
            .u32(counts.data_keys)
            .u64(self.body_length)
            .raw(&self.body_digest.0)
            .raw(&self.signer.0)
            .finish();
        // A header is its fixed fields and a name of at most 63 bytes.
        let length = u16::try_from(PREAMBLE_BYTES + fields.len()).unwrap_or(u16::MAX);
        Writer::new().raw(MAGIC).u16(self.format).u16(length).raw(&fields).finish()
    }

    /// Reads the header and says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), BundleError> {
        if !bytes.starts_with(MAGIC) {
            return Err(BundleError::Magic);
        }
        let mut preamble = Reader::new(bytes.get(MAGIC.len()..).unwrap_or_default());
        let format = preamble.u16().map_err(BundleError::Header)?;
        if !FORMATS.contains(&format) {
            return Err(BundleError::Format { format });
        }
        let length = usize::from(preamble.u16().map_err(BundleError::Header)?);
        let cut = || BundleError::Header(Malformed { offset: bytes.len() });
        if length > MAX_HEADER_BYTES {
            return Err(BundleError::Header(Malformed { offset: MAGIC.len() + 2 }));
        }
        let fields = bytes.get(PREAMBLE_BYTES..length).ok_or_else(cut)?;
        let header = Self::read_fields(format, fields).map_err(|Malformed { offset }| {
            BundleError::Header(Malformed { offset: PREAMBLE_BYTES + offset })
        })?;
        Ok((header, length))
    }

    fn read_fields(format: u16, fields: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(fields);
        let unknown = reader.malformed();
        let form = match reader.u16()? {
            0 => BundleForm::Input,
            1 => BundleForm::Stored,
            _ => return Err(unknown),
        };
        let uid = Uid(reader.array()?);
        let unnamed = reader.malformed();
        let header = Self {
            format,
            form,
            uid,
            workspace: reader.text()?.parse().map_err(|_| unnamed)?,
            parent: Revision(reader.u64()?),
            created: UnixSeconds(reader.i64()?),
            not_after: UnixSeconds(reader.i64()?),
            counts: Counts {
                environments: reader.u32()?,
                deployments: reader.u32()?,
                services: reader.u32()?,
                policies: reader.u32()?,
                values: reader.u32()?,
                data_keys: reader.u32()?,
            },
            body_length: reader.u64()?,
            body_digest: Digest(reader.array()?),
            signer: SignerId(reader.array()?),
        };
        reader.end()?;
        Ok(header)
    }
}

impl Counts {
    pub(super) fn of<V>(configuration: &Configuration<V>, data_keys: &[WrappedDataKey]) -> Self {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Self {
            environments: count(configuration.environments.len()),
            deployments: count(configuration.deployments.len()),
            services: count(configuration.services.len()),
            policies: count(configuration.policies.len()),
            values: count(values(configuration)),
            data_keys: count(data_keys.len()),
        }
    }

    pub(super) fn within(&self, limits: &BundleLimits) -> Result<(), BundleError> {
        let announced = [
            ("environments", self.environments, limits.environments),
            ("deployments", self.deployments, limits.deployments),
            ("services", self.services, limits.services),
            ("policies", self.policies, limits.policies),
            ("values", self.values, limits.values),
            ("data keys", self.data_keys, limits.data_keys),
        ];
        let too_many = |(_, count, limit): &(_, u32, usize)| {
            usize::try_from(*count).map_or(true, |count| count > *limit)
        };
        match announced.into_iter().find(too_many) {
            Some((what, _, limit)) => Err(BundleError::TooMany { what, limit }),
            None => Ok(()),
        }
    }
}

fn values<V>(configuration: &Configuration<V>) -> usize {
    let deployments = configuration.deployments.values();
    let layers = deployments
        .flat_map(|deployment| {
            deployment.environments.values().map(|special| &special.layer).chain([&deployment.base])
        })
        .chain(configuration.environment_layers.values())
        .chain([&configuration.base]);
    let instances = configuration.services.values().flat_map(|service| service.instances.values());
    let profiles = configuration.tools.values().flat_map(|tool| tool.profiles.values()).map(|profile| {
        let credentials = profile.credentials.values().map(|credential| credential.versions.len());
        usize::from(profile.settings.is_some()) + credentials.sum::<usize>()
    });
    layers.map(in_layer).sum::<usize>()
        + instances.map(|instance| instance.credential.len()).sum::<usize>()
        + profiles.sum::<usize>()
}

fn in_layer<V>(layer: &Layer<V>) -> usize {
    let live = |content: &Content<V>| match content {
        Content::Versions { versions, .. } => versions.len(),
        Content::Template(_) => 0,
    };
    layer.variables.values().map(|variable| live(&variable.content)).sum()
}
