//! Every bound on a bundle, in one place. They hold for what is signed, too: an operator's
//! mistake must not take a host down. What a configuration may hold is said once, in
//! [`crate::validate::limits`]; a bundle that holds more is not read to its end.

use crate::validate::limits;

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
    /// Patterns that required keys must match; each is compiled.
    pub patterns: usize,
    /// Tools in the workspace.
    pub tools: usize,
    /// Tools that one deployment calls in one environment.
    pub tools_per_place: usize,
    /// Credentials of one tool in one environment.
    pub tool_credentials: usize,
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
            // Above the policies' own limit, so that whoever exceeds that is told which policy does.
            component_bytes: 4 * limits::COMPONENT_BYTES,
            environments: limits::ENVIRONMENTS,
            deployments: limits::DEPLOYMENTS,
            services: limits::SERVICES,
            policies: limits::POLICIES,
            values: 500_000,
            data_keys: 10_000,
            attachments: limits::ATTACHMENTS,
            layer_entries: limits::VARIABLES_PER_LAYER,
            versions: limits::VERSIONS,
            releases: limits::RELEASES,
            release_keys: limits::KEYS_PER_RELEASE,
            endpoints: limits::ENDPOINTS,
            attributes: largest([limits::LABELS, limits::OPTIONS, limits::SETTINGS]),
            pieces: limits::TEMPLATE_PIECES,
            patterns: limits::PATTERNS,
            tools: limits::TOOLS,
            tools_per_place: limits::TOOLS_PER_PLACE,
            tool_credentials: limits::TOOL_CREDENTIALS,
            text_bytes: largest([
                limits::TEXT_BYTES,
                limits::DESCRIPTION_BYTES,
                limits::LABEL_BYTES,
                limits::SETTING_BYTES,
            ]),
            literal_bytes: limits::VALUE_BYTES,
            value_bytes: limits::VALUE_BYTES,
            sealed_bytes: limits::SEALED_TEXT_BYTES,
            json_depth: 32,
        }
    }
}

/// One bound for things that the validator tells apart.
fn largest<const N: usize>(bounds: [usize; N]) -> usize {
    bounds.into_iter().fold(0, usize::max)
}
