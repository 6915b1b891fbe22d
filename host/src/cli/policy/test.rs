//! `bootlace policy test`: a policy's answers to the questions of fixtures.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{
    SettingArgs,
    fixture::{Difference, FORM, Fixture},
    trial,
};
use crate::{
    cli::{
        exit::Misuse,
        output::{Output, Page, Table},
    },
    model::{PolicyKind, question::Attribute},
    policy::{Chain, Link, Loaded, LogLevel, LogLine, Verdict},
    upload::{RehearsalError, take_settings, twice},
};

/// Ask a policy the questions of fixtures, and compare its answers
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub struct Args {
    /// The component or core module
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,

    /// The directory of fixtures, *.toml
    #[arg(long, value_name = "DIR", default_value = "fixtures")]
    pub fixtures: PathBuf,

    /// Settings for all fixtures; a fixture's own come first
    #[command(flatten)]
    pub settings: SettingArgs,

    /// Show what the policy logged
    #[arg(long, short)]
    pub verbose: bool,
}

fn help() -> String {
    format!(
        "\
Examples:
  bootlace policy test region-affinity.wasm
  bootlace policy test region-affinity.wasm --fixtures near --setting variables=CACHE_URL
  bootlace policy test region-affinity.wasm --json | jq '.fixtures[] | select(.passed | not)'
{FORM}"
    )
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        // First what costs nothing: a fixture that is none is wrong usage.
        let fixtures = read(&self.fixtures)?;
        let progress = output.progress("compiling");
        let loaded = trial(&self.file)?.loaded;
        if loaded.kind() != PolicyKind::Resolve {
            let shown = self.file.display();
            return Err(
                Misuse(format!("{shown} is a promotion policy; fixtures are for resolve policies")).into()
            );
        }
        progress.now("asking");
        let told: BTreeMap<_, _> = self.settings.settings.iter().cloned().collect();
        let runs: Vec<Run> =
            fixtures.into_iter().map(|(name, fixture)| Run::of(name, &fixture, &loaded, &told)).collect();
        drop(progress);
        let failed = runs.iter().filter(|run| !run.passed()).count();
        if output.is_json() {
            output.json(&as_json(&loaded, &runs))?;
        } else {
            let mut page = output.page();
            put(&mut page, &loaded, &runs, self.verbose);
            output.show(&page)?;
        }
        if failed > 0 {
            bail!("{failed} of {} fixtures failed", runs.len());
        }
        Ok(())
    }
}

/// What came of one fixture.
struct Run {
    name: String,
    result: Result<Verdict, String>,
    differences: Vec<Difference>,
    /// The log up to a failure; else the verdict has it.
    failed_log: Vec<LogLine>,
    took: Duration,
}

impl Run {
    fn of(name: String, fixture: &Fixture, loaded: &Arc<Loaded>, told: &BTreeMap<String, String>) -> Self {
        let mut settings = told.clone();
        settings.extend(fixture.settings.clone());
        let settings: Vec<_> = settings.into_iter().map(|(key, value)| Attribute { key, value }).collect();
        let began = Instant::now();
        let result = ask(fixture, loaded, settings);
        // Two questions.
        let took = began.elapsed() / 2;
        let differences = result.as_ref().map(|verdict| fixture.differences(&verdict.answer));
        let differences = differences.unwrap_or_default();
        let (result, failed_log) = match result {
            Ok(verdict) => (Ok(verdict), Vec::new()),
            Err(Failed { reason, log }) => (Err(reason), log),
        };
        Self { name, result, differences, failed_log, took }
    }

    fn passed(&self) -> bool {
        self.result.is_ok() && self.differences.is_empty()
    }

    fn fuel(&self) -> Option<u64> {
        self.result.as_ref().ok().map(Verdict::fuel)
    }

    fn log(&self) -> impl Iterator<Item = &LogLine> {
        let answered = self.result.iter().flat_map(|verdict| &verdict.links).flat_map(|link| &link.log);
        answered.chain(&self.failed_log)
    }

    fn dropped_lines(&self) -> u32 {
        self.result.iter().flat_map(|verdict| &verdict.links).map(|link| link.dropped_lines).sum()
    }
}

struct Failed {
    reason: String,
    log: Vec<LogLine>,
}

fn ask(fixture: &Fixture, loaded: &Arc<Loaded>, settings: Vec<Attribute>) -> Result<Verdict, Failed> {
    let failed = |reason: String| Failed { reason, log: Vec::new() };
    take_settings(loaded, &settings).map_err(|error| failed(error.to_string()))?;
    let name = loaded.descriptor().name.clone();
    let link = Link { loaded: Arc::clone(loaded), settings, name, tally: Arc::default() };
    let chain = Chain::new(loaded.engine(), vec![link], Arc::clone(&fixture.subject));
    let chain = chain.map_err(|error| failed(error.to_string()))?;
    let facts = chain.vary().narrow(&fixture.facts);
    twice(&chain, &facts).map_err(|error| {
        let reason = error.to_string();
        let log = if let RehearsalError::Decide(failure) = error { failure.log } else { Vec::new() };
        Failed { reason, log }
    })
}

/// Every fixture of a directory, by name.
fn read(directory: &Path) -> anyhow::Result<Vec<(String, Fixture)>> {
    let unusable = || Misuse(format!("cannot read fixtures from {}", directory.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(unusable)? {
        let path = entry.with_context(unusable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Misuse(format!("there are no fixtures (*.toml) in {}", directory.display())).into());
    }
    let fixtures = paths.iter().map(|path| {
        let wrong = || Misuse(format!("{} is no fixture (see bootlace policy test --help)", path.display()));
        let text = fs::read_to_string(path).with_context(wrong)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, Fixture::parse(&text).with_context(wrong)?))
    });
    fixtures.collect()
}

fn put(page: &mut Page, loaded: &Loaded, runs: &[Run], verbose: bool) {
    let described = loaded.descriptor();
    page.heading(&format!("{} {}", described.name, described.version), &summary(runs));
    page.gap();
    let mut table = Table::new(&["FIXTURE", "RESULT", "FUEL", "TIME"]);
    for run in runs {
        let result = if run.passed() { "ok" } else { "failed" };
        let fuel = run.fuel().map(|fuel| fuel.to_string()).unwrap_or_default();
        table.row(&[&run.name, result, &fuel, &format!("{} us", run.took.as_micros())]);
    }
    page.table(&table);
    for run in runs.iter().filter(|run| !run.passed()) {
        page.gap();
        page.heading(&run.name, "failed");
        if let Err(reason) = &run.result {
            page.line(&format!("  {reason}"));
        }
        for Difference { about, expected, answered } in &run.differences {
            page.line(&format!("  {about}"));
            page.line(&format!("    - {expected}"));
            page.line(&format!("    + {answered}"));
        }
    }
    for run in runs.iter().filter(|run| verbose && run.log().next().is_some()) {
        page.gap();
        page.heading(&run.name, "log");
        for line in run.log() {
            page.line(&format!("  {:<5} {}", level(line.level), line.text));
        }
        if run.dropped_lines() > 0 {
            page.line(&format!("  and {} lines beyond the limits", run.dropped_lines()));
        }
    }
}

fn summary(runs: &[Run]) -> String {
    let passed = runs.iter().filter(|run| run.passed()).count();
    format!("{passed} of {} fixtures as expected", runs.len())
}

fn as_json(loaded: &Loaded, runs: &[Run]) -> Value {
    let fixtures: Vec<_> = runs.iter().map(run_as_json).collect();
    let described = loaded.descriptor();
    json!({
        "policy": { "name": described.name, "version": described.version, "digest": loaded.digest().to_string() },
        "fixtures": fixtures,
        "passed": runs.iter().filter(|run| run.passed()).count(),
        "failed": runs.iter().filter(|run| !run.passed()).count(),
    })
}

fn run_as_json(run: &Run) -> Value {
    let differences = run.differences.iter();
    let differences: Vec<_> = differences
        .map(|one| json!({ "about": one.about, "expected": one.expected, "answered": one.answered }))
        .collect();
    let log: Vec<_> =
        run.log().map(|line| json!({ "level": level(line.level), "text": line.text })).collect();
    json!({
        "name": run.name, "passed": run.passed(), "failure": run.result.as_ref().err(), "fuel": run.fuel(),
        "microseconds": u64::try_from(run.took.as_micros()).unwrap_or(u64::MAX), "differences": differences,
        "log": log, "dropped_lines": run.dropped_lines(),
    })
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::output::Layout,
        policy::{Engine, EngineSettings, Limits, Memory},
        upload::{Compiler, Trial},
    };

    /// A sample or a test guest, on an engine that is patient with a busy machine.
    fn load(path: &str) -> Arc<Loaded> {
        let limits = Limits { wall_ms: 20_000, chain_wall_ms: 20_000, ..Limits::default() };
        let settings = EngineSettings { limits, memory: Memory::OnDemand, ..EngineSettings::default() };
        let engine = Engine::new(&settings).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let component = fs::read(root.join(path)).unwrap();
        Trial::new(&engine, &Compiler::InProcess, &component).unwrap().loaded
    }

    fn run(loaded: &Arc<Loaded>, fixture: &str) -> Run {
        Run::of("one".into(), &Fixture::parse(fixture).unwrap(), loaded, &BTreeMap::new())
    }

    fn shown(loaded: &Loaded, runs: &[Run]) -> String {
        let mut page = Page::new(Layout::Terminal);
        put(&mut page, loaded, runs, true);
        anstream::adapter::strip_str(page.as_str()).to_string()
    }

    const REPLICAS: &str = r#"
        settings = { variables = "DATABASE_URL" }
        facts = { region = "us-east-1" }
        [variables.DATABASE_URL]
        secret = true
        candidates = [
            { labels = { role = "primary", region = "eu-west-1" } },
            { labels = { role = "replica", region = "us-east-1" } },
        ]
    "#;

    #[test]
    fn a_sample_answers_as_its_fixture_expects_and_not_otherwise() {
        let affinity = load("policies/dist/region-affinity.wasm");
        let near = format!("{REPLICAS}\n[expect]\nbind = {{ DATABASE_URL = {{ role = 'replica' }} }}");
        let right = run(&affinity, &near);
        assert!(right.passed() && right.fuel().is_some_and(|fuel| fuel > 0), "{:?}", right.differences);
        let wrong = run(&affinity, &format!("{REPLICAS}\n[expect]\nbind = {{ DATABASE_URL = 1 }}"));
        assert!(!wrong.passed());
        let text = shown(&affinity, &[right, wrong]);
        assert!(text.contains("1 of 2 fixtures as expected"), "{text}");
        let diff =
            "  DATABASE_URL\n    - version 1\n    + region=us-east-1 role=replica (version 2 of production)";
        assert!(text.contains(diff), "{text}");
    }

    #[test]
    fn a_denial_and_a_warning_are_answers() {
        let least = load("policies/dist/least-privilege.wasm");
        let denied = run(&least, "[variables.A]\ncandidates = [{}]\n[expect]\ndeny = ['no-active-release']");
        assert!(denied.passed(), "{:?}", denied.differences);
        let affinity = load("policies/dist/region-affinity.wasm");
        let typo = "settings = { variables = 'TYPO' }\n[expect]\n";
        assert!(!run(&affinity, typo).passed());
        assert!(run(&affinity, &format!("{typo}warnings = ['the plan has no variable TYPO']")).passed());
    }

    #[test]
    fn a_policy_that_fails_fails_every_fixture_and_says_why() {
        let hostile = load("tests/guests/dist/hostile.wasm");
        for (mode, reason) in [("loop", "used all of its fuel"), ("grow", "asked for more memory")] {
            let failed = run(&hostile, &format!("settings = {{ mode = '{mode}' }}\n[expect]"));
            assert!(!failed.passed(), "{mode}");
            assert!(shown(&hostile, &[failed]).contains(reason), "{mode}");
        }
        let refused = run(&hostile, "settings = { mood = 'loop' }\n[expect]");
        assert!(refused.result.unwrap_err().contains("mood"));
    }

    #[test]
    fn a_script_reads_the_same() {
        let hostile = load("tests/guests/dist/hostile.wasm");
        let runs = [run(&hostile, "[expect]"), run(&hostile, "settings = { mode = 'trap' }\n[expect]")];
        let value = as_json(&hostile, &runs);
        assert_eq!((&value["passed"], &value["failed"]), (&json!(1), &json!(1)));
        assert!(value["fixtures"][1]["failure"].as_str().unwrap().contains("trapped"));
    }

    #[test]
    fn a_directory_without_fixtures_is_wrong_usage() {
        let place = tempfile::tempdir().unwrap();
        assert!(read(place.path()).unwrap_err().is::<Misuse>());
        fs::write(place.path().join("one.toml"), "[expec]").unwrap();
        assert!(read(place.path()).unwrap_err().is::<Misuse>());
    }
}
