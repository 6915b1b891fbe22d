//! `bootlace explain`: where a value comes from, and why.

mod answer;

use self::answer::{Boot, Candidate, Explanation, Key, PolicyRun};
use super::{
    block_on,
    connection::AdminHost,
    facts::FactArgs,
    output::{MASK, Output, Page, Table},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName, VariableName},
};

/// Say where a value comes from, and why
///
/// Shows the layer a key comes from and what it overrode, the candidates a policy could choose
/// from, what was decided and by which policy. Values are previews; secrets are never shown. Give
/// the facts of an instance to see what it would get. With --boot, a boot of the audit log is run again
/// with its own facts, on what was served then, and compared with what was recorded.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace explain DATABASE_URL --deployment checkout --environment production
  bootlace explain DATABASE_URL -d checkout -e production --region eu-west
  bootlace explain -d checkout -e preview/pr-42                 every key, in a table
  bootlace explain --boot b-3-1f -d checkout -e production     a boot of the audit log
  bootlace explain -d checkout -e staging --json | jq .keys")]
pub struct Args {
    /// The key; every key without it
    key: Option<VariableName>,

    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    environment: EnvironmentName,

    /// A boot of the audit log, by its id, run again with the facts that it told
    #[arg(long, value_name = "ID")]
    boot: Option<String>,

    #[command(flatten)]
    facts: FactArgs,

    #[command(flatten)]
    host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let client = self.host.client()?;
        let path = ["api", "v1", "deployments", self.deployment.as_str(), "explain"];
        let request = Request::get(&path)
            .query("environment", self.environment.as_str())
            .query_if("key", self.key.as_ref().map(VariableName::as_str));
        // A boot has facts of its own.
        let request = match &self.boot {
            Some(id) => request.query("boot", id),
            None => self.facts.tell(request),
        };
        let request = self.host.within(request);
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        if output.is_json() {
            return Ok(output.raw(&answer.body)?);
        }
        let mut page = output.page();
        render(&answer.json()?, self.key.is_some(), &mut page);
        Ok(output.show(&page)?)
    }
}

fn render(explanation: &Explanation, in_full: bool, page: &mut Page) {
    if let Some(boot) = &explanation.boot {
        render_boot(boot, page);
    }
    if in_full {
        explanation.keys.iter().for_each(|key| render_key(key, page));
    } else {
        page.table(&summary(&explanation.keys));
    }
    if let Some(denial) = &explanation.denial {
        page.heading("This boot is refused", &format!("by policy {}", denial.policy));
        for violation in &denial.violations {
            page.line(&format!("  - {} ({})", violation.message, violation.code));
        }
        page.gap();
    }
    if let Some(refusal) = &explanation.refusal {
        page.heading("This boot is refused", &refusal.code);
        page.line(&format!("  {}", refusal.detail));
        page.gap();
    }
    page.table(&policies(explanation));
    explanation.policies.iter().for_each(|policy| render_log(policy, page));
    let Explanation { workspace, deployment, environment, revision, asking_us, .. } = explanation;
    let asked = asking_us.map(|us| format!(", policies asked in {us} µs")).unwrap_or_default();
    page.line(&format!("{workspace}/{deployment} in {environment}, revision {revision}{asked}"));
    explanation.pin.iter().for_each(|pin| page.line(&pin.told()));
}

/// Whether a boot comes to what was recorded of it.
fn render_boot(boot: &Boot, page: &mut Page) {
    page.heading(&format!("Boot {}", boot.id), &boot.outcome);
    let differs = boot.differs.join(", ");
    page.line(&if boot.same {
        "It comes to the same again.".to_owned()
    } else {
        format!("It comes to something else now; not as it was recorded: {differs}.")
    });
    page.gap();
}

/// What a policy said, for its author.
fn render_log(policy: &PolicyRun, page: &mut Page) {
    for line in &policy.log {
        page.line(&format!("{} {}: {}", policy.name, line.level, line.text));
    }
    if policy.dropped_lines > 0 {
        page.line(&format!("{} said {} lines more than are kept", policy.name, policy.dropped_lines));
    }
}

fn render_key(key: &Key, page: &mut Page) {
    page.heading(&key.name, &key.qualities().join(", "));
    let overrides = key.overrides.iter().map(|lower| format!("{} ({})", lower.layer, lower.source));
    page.fields(&[
        ("about", key.description.clone()),
        ("value", shown(key).to_owned()),
        ("from", key.source.clone()),
        ("layer", key.layer.clone()),
        ("version", key.version.map(|version| version.to_string()).unwrap_or_default()),
        ("overrides", overrides.collect::<Vec<_>>().join(", ")),
        ("decision", key.decision.clone()),
        ("decided by", key.decided_by.clone().unwrap_or_else(|| "the plan, no policy changed it".into())),
    ]);
    page.table(&candidates(&key.candidates));
    page.gap();
}

fn summary(keys: &[Key]) -> Table {
    let mut table = Table::new(&["KEY", "VALUE", "FROM", "LAYER", "DECIDED BY"]);
    for key in keys {
        let decided_by = key.decided_by.as_deref().unwrap_or("-");
        table.row(&[&key.name, shown(key), &key.source, &key.layer, decided_by]);
    }
    table
}

fn candidates(candidates: &[Candidate]) -> Table {
    let mut table = Table::new(&["CHOSEN", "CANDIDATE", "SOURCE", "OWNER", "VERSION", "LABELS"]);
    for candidate in candidates {
        let labels: Vec<_> = candidate.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.row(&[
            if candidate.chosen { "*" } else { "" },
            &candidate.index.to_string(),
            &candidate.source,
            &candidate.owner,
            &candidate.version.to_string(),
            &labels.join(" "),
        ]);
    }
    table
}

fn policies(explanation: &Explanation) -> Table {
    let mut table = Table::new(&["POLICY", "DIGEST", "SETTINGS", "FUEL"]);
    for policy in &explanation.policies {
        let settings: Vec<_> = policy.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let fuel = policy.fuel.map(|fuel| fuel.to_string()).unwrap_or_default();
        table.row(&[&policy.name, &policy.digest, &settings.join(" "), &fuel]);
    }
    table
}

/// A secret is masked here whatever the host sent: two have to fail before one is shown.
fn shown(key: &Key) -> &str {
    if key.secret { MASK } else { key.value.as_deref().unwrap_or("(no value)") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    const ANSWER: &str = r#"{"workspace":"acme","deployment":"checkout","environment":"production","revision":42,
        "keys":[{"name":"DATABASE_URL","secret":true,"required":true,"declared":true,
            "source":"service orders-db","layer":"deployment in environment","version":3,
            "overrides":[{"layer":"environment","source":"variable"}],
            "candidates":[
                {"index":0,"source":"service orders-db","owner":"production","version":3,
                 "labels":{"region":"us-east","role":"primary"},"chosen":false},
                {"index":1,"source":"service orders-db","owner":"production","version":3,
                 "labels":{"region":"eu-west","role":"replica"},"chosen":true}],
            "decided_by":"region-affinity","decision":"bind candidate 1","value":"postgres://leaked",
            "injected":true,"description":"The orders database"}],
        "policies":[{"name":"region-affinity","digest":"sha256:ab","settings":{"fallback":"primary"},"fuel":5120}],
        "denial":null,"added-later":7}"#;

    fn rendered(answer: &str, in_full: bool) -> String {
        let mut page = Page::new(Layout::Pipe);
        render(&serde_json::from_str(answer).unwrap(), in_full, &mut page);
        anstream::adapter::strip_str(page.as_str()).to_string()
    }

    #[test]
    fn one_key_is_told_in_full_and_its_secret_is_not() {
        let expected = "\
DATABASE_URL  secret, required, declared
about\tThe orders database
value\t••••
from\tservice orders-db
layer\tdeployment in environment
version\t3
overrides\tenvironment (variable)
decision\tbind candidate 1
decided by\tregion-affinity
CHOSEN\tCANDIDATE\tSOURCE\tOWNER\tVERSION\tLABELS
\t0\tservice orders-db\tproduction\t3\tregion=us-east role=primary
*\t1\tservice orders-db\tproduction\t3\tregion=eu-west role=replica
POLICY\tDIGEST\tSETTINGS\tFUEL
region-affinity\tsha256:ab\tfallback=primary\t5120
acme/checkout in production, revision 42
";
        assert_eq!(rendered(ANSWER, true), expected);
    }

    #[test]
    fn every_key_is_a_row_and_no_secret_is_in_one() {
        let text = rendered(ANSWER, false);
        assert!(
            text.contains(
                "DATABASE_URL\t••••\tservice orders-db\tdeployment in environment\tregion-affinity\n"
            )
        );
        assert!(!text.contains("leaked"));
    }

    #[test]
    fn a_refusal_and_what_policies_said_are_told() {
        let answer = r#"{"workspace":"acme","deployment":"checkout","environment":"staging","revision":1,"keys":[],
            "policies":[{"name":"loud","digest":"sha256:ab","fuel":7,"dropped_lines":2,
                "log":[{"level":"warn","text":"no replica near"}]}],
            "refusal":{"code":"unseal-failed","detail":"DATABASE_URL cannot be opened on this host"}}"#;
        let text = rendered(answer, false);
        for line in [
            "This boot is refused  unseal-failed",
            "  DATABASE_URL cannot be opened on this host",
            "loud warn: no replica near",
            "loud said 2 lines more than are kept",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_boot_that_was_run_again_says_in_what_it_differs() {
        let answer = r#"{"workspace":"acme","deployment":"checkout","environment":"staging","revision":7,"keys":[],
            "boot":{"id":"b-7","outcome":"allowed","same":false,"differs":["plan","answer"]}}"#;
        let expected =
            "Boot b-7  allowed\nIt comes to something else now; not as it was recorded: plan, answer.\n";
        assert!(rendered(answer, false).starts_with(expected));
    }

    #[test]
    fn an_answer_of_bare_bones_is_enough() {
        let bare = r#"{"workspace":"acme","deployment":"checkout","environment":"staging","revision":1,
            "keys":[{"name":"LOG_LEVEL","source":"variable","layer":"workspace base","value":"debug"}]}"#;
        assert!(rendered(bare, true).contains("value\tdebug\n"));
    }
}
