//! An environment as a grant keeps it: its values sealed in one capsule, and the names and the
//! punctuation of the JSON around them beside it, so that a boot opens no more than what is secret.

use super::OpenError;
use crate::{
    id::{Digest, VariableName},
    seal::{Buffer, Capsule, CapsuleKey, open_capsule},
};

/// The JSON object of an environment, its values sealed.
pub(super) struct SealedEnvironment {
    frame: Frame,
    /// The values, each as the inside of a JSON string, one right behind the other.
    values: Capsule,
}

/// All of the object but its values.
#[derive(Default)]
pub(super) struct Frame {
    text: String,
    parts: Vec<Part>,
}

/// Where the text before a value ends, and where the value ends among the values.
struct Part {
    text_end: usize,
    value_end: usize,
}

impl Frame {
    /// Adds `name`, whose value ends at byte `value_end` of the values.
    pub(super) fn add(&mut self, name: &VariableName, value_end: usize) {
        self.text.push_str(if self.parts.is_empty() { "\"" } else { "\",\"" });
        self.text.push_str(name.as_str());
        self.text.push_str("\":\"");
        self.parts.push(Part { text_end: self.text.len(), value_end });
    }

    /// What the finished object takes beside its values, in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len() + 3
    }
}

impl SealedEnvironment {
    pub(super) fn new(frame: Frame, values: Capsule) -> Self {
        Self { frame, values }
    }

    /// How much capacity of a buffer writing it takes, in bytes.
    pub(super) fn room(&self) -> usize {
        self.frame.len() + self.values.room()
    }

    /// About how many bytes it keeps.
    pub(super) fn weight(&self) -> usize {
        self.room() + self.frame.parts.len() * size_of::<Part>()
    }

    /// Opens the values and writes the whole object behind what is in `body`.
    ///
    /// # Errors
    /// When the capsule does not open, or `body` has less than [`Self::room`] left.
    pub(super) fn write(
        &self,
        key: &CapsuleKey,
        binding: &Digest,
        body: &mut Buffer,
    ) -> Result<(), OpenError> {
        let mut opened = Buffer::with_capacity(self.values.room());
        let range = open_capsule(key, binding, &self.values, &mut opened)?;
        let values = opened.expose(range);
        let text = self.frame.text.as_bytes();
        let (mut text_start, mut value_start) = (0, 0);
        body.push(b"{")?;
        for Part { text_end, value_end } in &self.frame.parts {
            // Both ends only grow, and were taken from these same texts.
            body.push(text.get(text_start..*text_end).unwrap_or_default())?;
            body.push(values.get(value_start..*value_end).unwrap_or_default())?;
            (text_start, value_start) = (*text_end, *value_end);
        }
        body.push(if self.frame.parts.is_empty() { b"}" } else { b"\"}" })?;
        Ok(())
    }
}
