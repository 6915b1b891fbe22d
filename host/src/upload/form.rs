//! What kind of file was uploaded, told from its first bytes.

use super::Refusal;
use crate::policy::Limits;

/// What may be uploaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A component.
    Component,
    /// A core module, which may have interface types embedded.
    Module,
}

/// # Errors
/// What it is instead, and what to do about it.
pub(super) fn recognise(uploaded: &[u8], limits: &Limits) -> Result<Form, Refusal> {
    if uploaded.len() > limits.component_bytes {
        let (size, limit) = (uploaded.len(), limits.component_bytes);
        return Err(Refusal::new("too-large", format!("the file has {size} bytes, and may have {limit}")));
    }
    match uploaded {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(Form::Component),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(Form::Module),
        [0, b'a', b's', b'm', ..] => {
            Err(Refusal::new("wrong-version", "the file is WebAssembly of another version of the format"))
        }
        [0x7f, b'E', b'L', b'F', ..] => {
            Err(Refusal::new("precompiled", "the file is compiled already; upload the component itself"))
        }
        _ if is_text(uploaded) => {
            Err(Refusal::new("text", "the file is text; upload a binary component (wasm-tools parse)"))
        }
        _ => Err(Refusal::new("not-wasm", "the file is not a WebAssembly component")),
    }
}

fn is_text(uploaded: &[u8]) -> bool {
    uploaded.trim_ascii_start().starts_with(b"(") || uploaded.starts_with(b";;")
}
