//! `bootlace var list`.

use super::{
    place::Place,
    wire::{Required, Values},
};
use crate::cli::{
    change::shown,
    output::{Output, Page, Table},
};

/// List what is in force, masked, with the layers it comes from
///
/// Without --environment, what the deployment's base sets; without --deployment, what is set for every
/// deployment. Plain values are shown in part; secrets never are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var list -d checkout -e staging
  bootlace var list -d checkout                           the base of all its environments
  bootlace var list -e staging                            what staging gives every deployment
  bootlace var list                                       what everybody is given everywhere
  bootlace var list -d checkout -e staging --reveal       plain values as a whole; this is recorded
  bootlace var list -d checkout -e staging --json | jq -r '.variables[].name'")]
pub struct Args {
    /// Show plain values as a whole; the host's audit log records who asked
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let whole = self.place.host.list(self.place.values(self.reveal), "variables")?;
        if output.is_json() {
            return Ok(output.json(&whole)?);
        }
        let values: Values = serde_json::from_value(whole)?;
        let mut page = output.page();
        list(&values, &mut page);
        page.line(&format!("{}, revision {}", self.place, values.revision));
        values.pin.iter().for_each(|pin| page.line(&pin.told()));
        Ok(output.show(&page)?)
    }
}

fn list(values: &Values, page: &mut Page) {
    let mut table = Table::new(&["NAME", "VALUE", "LAYER", "VERSION", "OWNER", "ETAG", "ABOUT"]);
    for one in &values.variables {
        let version = one.version.map(|version| version.to_string()).unwrap_or_default();
        let (value, etag) = (one.shown(), shown(one.etag));
        table.row(&[&one.name, value, &one.layer, &version, &one.owner, &etag, &one.description]);
    }
    page.table(&table);
    if !values.required.is_empty() {
        let form = |one: &Required| match &one.form {
            serde_json::Value::String(word) => format!("{}={word}", one.name),
            form => format!("{}={form}", one.name),
        };
        let required: Vec<_> = values.required.iter().map(form).collect();
        page.fields(&[("requires", required.join(", "))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    #[test]
    fn every_variable_is_a_row_and_no_secret_is_in_one() {
        let answer = r#"{"deployment":"checkout","environment":"staging","revision":5,"added-later":1,"variables":[
            {"name":"KEY","description":"signs","is_secret":true,"layer":"deployment-in-environment","version":2,
             "value":"leaked","owner":"api","etag":"\"5\"","changed":{"revision":5,"at":"…","by":"ada"}},
            {"name":"LEVEL","description":"","is_secret":false,"layer":"workspace","overrode":[],"version":null,
             "value":"w…","owner":"directory","etag":null,"changed":null},
            {"name":"NONE","is_secret":false,"layer":"deployment"}]}"#;
        let mut page = Page::new(Layout::Pipe);
        list(&serde_json::from_str(answer).unwrap(), &mut page);
        let expected = "\
NAME\tVALUE\tLAYER\tVERSION\tOWNER\tETAG\tABOUT
KEY\t••••\tdeployment-in-environment\t2\tapi\t5\tsigns
LEVEL\tw…\tworkspace\t\tdirectory\t\t
NONE\t(no value)\tdeployment\t\t\t\t
";
        assert_eq!(page.as_str(), expected);
    }
}
