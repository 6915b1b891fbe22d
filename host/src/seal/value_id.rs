use crate::{
    canonical::Canonical,
    id::ValueId,
    model::{InputValue, PlainValue},
};

/// The id of a value that comes from a directory: the head of SHA-256 over the `sealed:` text, or
/// over name and value if it is plain. A secret's plaintext never enters, so that the id is no
/// oracle; the same text under the same name keeps its id from push to push.
#[must_use]
pub fn input_value_id(name: &str, value: &InputValue) -> ValueId {
    let hash = Canonical::new("bootlace value id 1");
    let digest = match value {
        InputValue::Sealed(text) => hash.text("sealed").text(&text.0),
        InputValue::Plain(PlainValue::Text(text)) => hash.text("text").text(name).text(text),
        InputValue::Plain(PlainValue::Json(json)) => hash.text("json").text(name).text(json),
    };
    let mut id = [0; 16];
    id.copy_from_slice(&digest.finish().0[..16]);
    ValueId(id)
}
