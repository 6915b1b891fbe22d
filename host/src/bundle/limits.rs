//! Every bound on a bundle, in one place. They hold for what is signed, too: an operator's
//! mistake must not take a host down.

/// What a host takes in one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleLimits {
    /// The whole bundle, in bytes. At most [`MAX_BUNDLE_BYTES`].
    pub bundle_bytes: usize,
    /// One policy's component, in bytes.
    pub component_bytes: usize,
    /// Environments in the workspace.
    pub environments: usize,
    /// Deployments in the workspace.
    pub deployments: usize,
    /// Services in the workspace.
    pub services: usize,
    /// Policies in the workspace.
    pub policies: usize,
    /// Values in the whole bundle, credentials and every live version included.
    pub values: usize,
    /// Wrapped data keys.
    pub data_keys: usize,
    /// Attachments of policies.
    pub attachments: usize,
    /// Variables, requirements or bindings in one layer.
    pub layer_entries: usize,
    /// Live versions of one value.
    pub versions: usize,
    /// Releases of one deployment.
    pub releases: usize,
    /// Keys that one release declares.
    pub release_keys: usize,
    /// Endpoints of one instance of a service.
    pub endpoints: usize,
    /// Entries of one map of labels, options or settings.
    pub attributes: usize,
    /// Pieces of one template.
    pub pieces: usize,
    /// A description, label, setting, host, role or other short text, in bytes.
    pub text_bytes: usize,
    /// A literal piece of a template, in bytes.
    pub literal_bytes: usize,
    /// A value, in bytes, before it is sealed.
    pub value_bytes: usize,
    /// A value, in bytes, as a `sealed:…` text or as sealed bytes.
    pub sealed_bytes: usize,
    /// How deep lists and tables of a structured value may nest.
    pub json_depth: usize,
}

/// The hard end of [`BundleLimits::bundle_bytes`]: the decoder's own limit is a constant.
pub const MAX_BUNDLE_BYTES: usize = 64 * 1024 * 1024;

impl Default for BundleLimits {
    fn default() -> Self {
        Self {
            bundle_bytes: MAX_BUNDLE_BYTES,
            component_bytes: 4 * 1024 * 1024,
            environments: 1_000,
            deployments: 10_000,
            services: 10_000,
            policies: 1_000,
            values: 500_000,
            data_keys: 10_000,
            attachments: 10_000,
            layer_entries: 4_000,
            versions: 16,
            releases: 200,
            release_keys: 4_000,
            endpoints: 64,
            attributes: 64,
            pieces: 256,
            text_bytes: 4 * 1024,
            literal_bytes: 16 * 1024,
            value_bytes: crate::seal::MAX_VALUE_BYTES,
            sealed_bytes: 128 * 1024,
            json_depth: 32,
        }
    }
}
