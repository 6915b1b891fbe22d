use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::reader::{Node, Reader, SourceFile};
use crate::{
    id::EnvironmentName,
    model::{EnvironmentKeys, KeyId},
    validate::Path,
};

/// The environments' key pairs, and who vouches for them: `keys.toml`. Reading it verifies
/// nothing; a tool that seals must verify it against a pinned signer first, or a change to this
/// file captures secrets.
/// ```toml
/// signer = "<64 hex digits>"
/// signature = "<128 hex digits>"
/// [environments.production]
/// public = "<64 hex digits>"
/// root-key = "<16 hex digits>"
/// private = "<base64>"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeysFile {
    /// The keys, by environment.
    pub environments: BTreeMap<EnvironmentName, EnvironmentKeys>,
    /// The signer's Ed25519 public key and its signature over the workspace's id and the
    /// environments' names, ids and public keys.
    pub signature: Option<([u8; 32], [u8; 64])>,
}

impl KeysFile {
    /// The file's text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# Written by bootlace. Public keys seal secrets; private ones are wrapped by a root key.\n",
        );
        if let Some((signer, signature)) = &self.signature {
            let (signer, signature) = (hex::encode(signer), hex::encode(signature));
            // Writing to a String does not fail.
            let _ = write!(text, "signer = \"{signer}\"\nsignature = \"{signature}\"\n");
        }
        for (name, keys) in &self.environments {
            let (public, private) = (hex::encode(keys.public), STANDARD.encode(&keys.wrapped_private));
            let root = keys.root_key;
            let _ = write!(text, "\n[environments.\"{name}\"]\npublic = \"{public}\"\n");
            let _ = write!(text, "root-key = \"{root}\"\nprivate = \"{private}\"\n");
        }
        text
    }
}

pub(super) fn read(file: &SourceFile<'_>, reader: &mut Reader) -> Option<KeysFile> {
    let root = file.root();
    reader.is_table(&root, &["signer", "signature", "environments"]);
    let signer = root.child("signer").map(|node| bytes(&node, reader));
    let signature = root.child("signature").map(|node| bytes(&node, reader));
    if signer.is_some() != signature.is_some() {
        reader.problem(&root, "`signer` and `signature` belong together; write both");
    }
    let mut environments = BTreeMap::new();
    if let Some(node) = root.child("environments") {
        reader.table(&node);
        for (name, node) in node.entries() {
            let name: Option<EnvironmentName> = reader.parse_text(&node, name);
            let keys = one_environment(&node, reader);
            if let Some(name) = &name {
                reader.place(Path::of("keys").at(name), &node);
            }
            environments.extend(name.zip(keys));
        }
    }
    Some(KeysFile { environments, signature: signer.flatten().zip(signature.flatten()) })
}

fn one_environment(node: &Node<'_>, reader: &mut Reader) -> Option<EnvironmentKeys> {
    if !reader.is_table(node, &["public", "root-key", "private"]) {
        return None;
    }
    let public = reader.needed(node, "public", "the public key");
    let public = public.and_then(|node| bytes(&node, reader));
    let root = reader.needed(node, "root-key", "the root key's id");
    let root = root.and_then(|node| bytes(&node, reader));
    let private = reader.needed(node, "private", "the wrapped private key")?;
    let wrapped_private = match STANDARD.decode(reader.text(&private)?) {
        Ok(bytes) if bytes.len() <= MAX_WRAPPED_BYTES => bytes,
        _ => {
            reader.problem(&private, "is not base64 of a wrapped key");
            return None;
        }
    };
    Some(EnvironmentKeys { public: public?, root_key: KeyId(root?), wrapped_private })
}

/// Bytes of a wrapped private key; it holds 32, a header and a tag.
const MAX_WRAPPED_BYTES: usize = 512;

/// So many bytes in hex.
pub(super) fn bytes<const N: usize>(node: &Node<'_>, reader: &mut Reader) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = hex::decode_to_slice(reader.text(node)?, &mut bytes);
    if decoded.is_err() {
        reader.problem(node, format_args!("is not {} hex digits", N * 2));
    }
    decoded.ok().map(|()| bytes)
}
