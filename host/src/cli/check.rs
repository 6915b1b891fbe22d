//! `bootlace check`: what pipelines and monitors report of a release, which promotions rest on.

use clap::{Subcommand, builder::PossibleValuesParser};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    connection::AdminHost,
    output::{Output, Page, Table},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
    model::promotion::Conclusion,
};

/// Report what a check found of a release, and list what was reported
///
/// Promotion policies decide by it. A promotion that waits for a check goes on when it is reported.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace check report -d checkout --release 18 -e staging e2e --conclusion success
  bootlace check report -d checkout --release 18 -e staging load --conclusion success \\
      --measure p99=212.5:ms --measure error-rate=0.2:percent
  bootlace check list -d checkout --release 18")]
pub struct Args {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    host: AdminHost,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what was reported last under each name
    List {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// Of this release only
        #[arg(long, value_name = "NUMBER")]
        release: Option<u64>,
        /// In this environment only
        #[arg(long, short, value_name = "NAME")]
        environment: Option<EnvironmentName>,
    },
    /// Report a check; a newer report of a name takes the place of the one before
    Report(Report),
}

#[derive(Debug, clap::Args)]
struct Report {
    /// The check's name, which policies know it by
    #[arg(value_name = "CHECK")]
    name: String,

    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The release's number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: u64,

    /// The environment where it was looked at
    #[arg(long, short, value_name = "NAME")]
    environment: EnvironmentName,

    /// What it found; `pending` where it has not ended
    #[arg(long, value_name = "HOW")]
    #[arg(value_parser = PossibleValuesParser::new(Conclusion::ALL.map(Conclusion::as_str)))]
    conclusion: String,

    /// A number that it measured, with its unit, if it has one; may be repeated
    #[arg(long = "measure", value_name = "NAME=NUMBER[:UNIT]", value_parser = measure)]
    measures: Vec<Measure>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Measure {
    name: String,
    value: f64,
    #[serde(default)]
    unit: String,
}

/// `GET /api/v1/deployments/{id}/checks`; members may be added.
#[derive(Deserialize)]
struct Checks {
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    release: u64,
    environment: String,
    name: String,
    conclusion: String,
    completed: Option<String>,
    measures: Vec<Measure>,
    by: String,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let checks = match &self.action {
            Action::List { deployment, release, environment } => {
                let request = Request::get(&of(deployment))
                    .query_if("release", release.map(|number| number.to_string()).as_deref())
                    .query_if("environment", environment.as_ref().map(EnvironmentName::as_str));
                let whole = self.host.list(request, "checks")?;
                if output.is_json() {
                    return Ok(output.json(&whole)?);
                }
                serde_json::from_value(whole)?
            }
            Action::Report(report) => {
                let request = Request::post(&of(&report.deployment));
                let answer = self.host.ask(request.body("application/json", report.body().to_string()))?;
                if output.is_json() {
                    return Ok(output.raw(&answer.body)?);
                }
                Checks { checks: vec![answer.json()?] }
            }
        };
        let mut page = output.page();
        checks.render(&mut page);
        Ok(output.show(&page)?)
    }
}

impl Report {
    fn body(&self) -> Value {
        let measures = self.measures.iter();
        let measures = measures.map(|one| json!({ "name": one.name, "value": one.value, "unit": one.unit }));
        json!({
            "release": self.release, "environment": self.environment.as_str(), "name": self.name,
            "conclusion": self.conclusion, "measures": measures.collect::<Vec<_>>(),
        })
    }
}

impl Checks {
    fn render(&self, page: &mut Page) {
        let header = ["RELEASE", "ENVIRONMENT", "CHECK", "CONCLUSION", "COMPLETED", "MEASURES", "BY"];
        let mut table = Table::new(&header);
        for Check { release, environment, name, conclusion, completed, measures, by } in &self.checks {
            let measures = measures.iter().map(|Measure { name, value, unit }| match unit.as_str() {
                "" => format!("{name}={value}"),
                unit => format!("{name}={value} {unit}"),
            });
            let (release, measures) = (release.to_string(), measures.collect::<Vec<_>>().join(", "));
            let completed = completed.as_deref().unwrap_or_default();
            table.row(&[&release, environment, name, conclusion, completed, &measures, by]);
        }
        page.table(&table);
    }
}

fn of(deployment: &DeploymentId) -> [&str; 5] {
    ["api", "v1", "deployments", deployment.as_str(), "checks"]
}

/// Reads `NAME=NUMBER[:UNIT]`.
fn measure(text: &str) -> Result<Measure, &'static str> {
    let advice = "write it as NAME=NUMBER or NAME=NUMBER:UNIT, such as p99=212.5:ms";
    let (name, rest) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(advice)?;
    let (number, unit) = rest.split_once(':').unwrap_or((rest, ""));
    let value = number.parse().ok().filter(|value: &f64| value.is_finite()).ok_or(advice)?;
    Ok(Measure { name: name.to_owned(), value, unit: unit.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    #[test]
    fn a_measure_is_a_finite_number_with_or_without_a_unit() {
        let read = |name: &str, value, unit: &str| Measure { name: name.into(), value, unit: unit.into() };
        for (text, expected) in [
            ("p99=212.5:ms", read("p99", 212.5, "ms")),
            ("error-rate=0.2:percent", read("error-rate", 0.2, "percent")),
            ("requests=-3:1/s:all", read("requests", -3.0, "1/s:all")),
            ("ratio=1e-3", read("ratio", 0.001, "")),
        ] {
            assert_eq!(measure(text), Ok(expected));
        }
        for wrong in ["", "p99", "=1", "p99=", "p99=ms", "p99=:ms", "p99=NaN", "p99=inf:s", "p99=1ms"] {
            assert!(measure(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_check_is_a_row_with_its_measures() {
        let answer = r#"{"checks":[{"release":18,"environment":"staging","name":"e2e","conclusion":"success",
            "completed":"2026-11-22T12:00:00Z","by":"ci","measures":[{"name":"p99","value":212.5,"unit":"ms"},
            {"name":"error-rate","value":0.001,"unit":""}],"added-later":1}]}"#;
        let mut page = Page::new(Layout::Pipe);
        serde_json::from_str::<Checks>(answer).unwrap().render(&mut page);
        let expected = "\
RELEASE\tENVIRONMENT\tCHECK\tCONCLUSION\tCOMPLETED\tMEASURES\tBY
18\tstaging\te2e\tsuccess\t2026-11-22T12:00:00Z\tp99=212.5 ms, error-rate=0.001\tci
";
        assert_eq!(page.as_str(), expected);
    }
}
