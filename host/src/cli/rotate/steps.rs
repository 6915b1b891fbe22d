//! What is said of each step: a line as it is taken, or one object at the end.

use serde_json::{Map, Value};

use crate::cli::output::Output;

/// The steps that were taken so far.
pub(super) struct Steps<'a> {
    output: &'a Output,
    told: Map<String, Value>,
}

impl<'a> Steps<'a> {
    /// Of what `about` says.
    pub(super) fn of(output: &'a Output, about: Value) -> Self {
        let told = if let Value::Object(told) = about { told } else { Map::new() };
        Self { output, told }
    }

    /// A step, for a person.
    pub(super) fn say(&self, step: &str, text: &str) -> anyhow::Result<()> {
        if self.output.is_json() {
            return Ok(());
        }
        let mut page = self.output.page();
        page.fields(&[(step, text.to_owned())]);
        Ok(self.output.show(&page)?)
    }

    /// What a script is told at the end.
    pub(super) fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.told.insert(name.to_owned(), value.into());
    }

    /// The end, or where it stops: `state` is for a script, `text` for a person.
    pub(super) fn end(mut self, state: &str, text: &str) -> anyhow::Result<()> {
        self.say(state, text)?;
        self.note("state", state);
        if self.output.is_json() { Ok(self.output.json(&self.told)?) } else { Ok(()) }
    }
}
