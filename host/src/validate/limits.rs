//! How much of anything one workspace may hold.

/// Violations reported at once.
pub const VIOLATIONS: usize = 1_000;
/// Environments of a workspace.
pub const ENVIRONMENTS: usize = 200;
/// Deployments of a workspace.
pub const DEPLOYMENTS: usize = 10_000;
/// Data services of a workspace.
pub const SERVICES: usize = 1_000;
/// Tools of a workspace.
pub const TOOLS: usize = 1_000;
/// Tools that one deployment calls in one environment.
pub const TOOLS_PER_PLACE: usize = 100;
/// Credentials of one tool in one environment.
pub const TOOL_CREDENTIALS: usize = 16;
/// Policies of a workspace.
pub const POLICIES: usize = 200;
/// Bytes of one policy's component.
pub const COMPONENT_BYTES: usize = 1 << 20;
/// Attachments of a workspace.
pub const ATTACHMENTS: usize = 20_000;
/// Policies that one boot asks.
pub const POLICIES_PER_BOOT: usize = 8;
/// Variables of one layer; also bindings, and required names.
pub const VARIABLES_PER_LAYER: usize = 1_000;
/// Patterns that a workspace requires keys to match; each is compiled.
pub const PATTERNS: usize = 200;
/// Bytes of one value.
pub const VALUE_BYTES: usize = 64 << 10;
/// Bytes of one `sealed:` text: a value padded, with its key and tag, in base64.
pub const SEALED_TEXT_BYTES: usize = 96 << 10;
/// Live versions of one value.
pub const VERSIONS: usize = 16;
/// Pieces of one template.
pub const TEMPLATE_PIECES: usize = 64;
/// Bytes of one description.
pub const DESCRIPTION_BYTES: usize = 1 << 10;
/// Endpoints of one instance.
pub const ENDPOINTS: usize = 32;
/// Options of one endpoint.
pub const OPTIONS: usize = 32;
/// Bytes of one short text: a host, a user, a database, a role, a release's digest.
pub const TEXT_BYTES: usize = 512;
/// Labels of one thing.
pub const LABELS: usize = 32;
/// Bytes of one label, key and value together.
pub const LABEL_BYTES: usize = 256;
/// Settings of one attachment.
pub const SETTINGS: usize = 64;
/// Bytes of one setting, key and value together.
pub const SETTING_BYTES: usize = 4 << 10;
/// Releases of one deployment.
pub const RELEASES: usize = 1_000;
/// A release's number: all that a JSON number can say exactly (RFC 8259, section 6).
pub const RELEASE_NUMBER: u64 = (1 << 53) - 1;
/// Keys that one release declares.
pub const KEYS_PER_RELEASE: usize = 4_000;
