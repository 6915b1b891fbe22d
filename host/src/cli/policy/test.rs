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
    fixture::{AnyFixture, Difference, FORM, PROMOTION_FORM},
    recorded::RecordedArgs,
    trial,
};
use crate::{
    cli::{
        exit::Misuse,
        output::{Output, Page, Table},
    },
    model::question::Attribute,
    policy::{Chain, Link, Loaded, LogLevel, LogLine, PromotionChain},
    upload::{RehearsalError, judge_twice, take_settings, twice},
};

/// Ask a policy the questions of fixtures, or of boots that a host was asked for
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub struct Args {
    /// The component or core module
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,

    /// The directory of fixtures, *.toml
    #[arg(long, value_name = "DIR", default_value = "fixtures", conflicts_with = "recorded")]
    pub fixtures: PathBuf,

    /// Settings for all fixtures; a fixture's own come first
    #[command(flatten)]
    pub settings: SettingArgs,

    /// Show what the policy logged
    #[arg(long, short, conflicts_with = "recorded")]
    pub verbose: bool,

    /// What else it may be tried on
    #[command(flatten)]
    pub recorded: RecordedArgs,
}

fn help() -> String {
    format!(
        "\
Examples:
  bootlace policy test region-affinity.wasm
  bootlace policy test region-affinity.wasm --recorded -d checkout -e production
  bootlace policy test region-affinity.wasm --fixtures near --setting variables=CACHE_URL
  bootlace policy test region-affinity.wasm --json | jq '.fixtures[] | select(.passed | not)'
{FORM}
{PROMOTION_FORM}"
    )
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        if self.recorded.recorded {
            return self.recorded.run(&self.file, &self.settings, output);
        }
        // First what costs nothing: a fixture that is none is wrong usage.
        let fixtures = read(&self.fixtures)?;
        let progress = output.progress("compiling");
        let loaded = trial(&self.file)?.loaded;
        if let Some((name, other)) = fixtures.iter().find(|(_, fixture)| fixture.kind() != loaded.kind()) {
            let (shown, kind) = (self.file.display(), loaded.kind().as_str());
            let other = other.kind().as_str();
            return Err(
                Misuse(format!("{shown} is a {kind} policy, and {name} a {other} policy's fixture")).into()
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
    result: Result<Answered, String>,
    differences: Vec<Difference>,
    log: Vec<LogLine>,
    took: Duration,
}

/// What an answer cost, and what was said beside it.
struct Answered {
    fuel: u64,
    dropped_lines: u32,
}

impl Run {
    fn of(name: String, fixture: &AnyFixture, loaded: &Arc<Loaded>, told: &BTreeMap<String, String>) -> Self {
        let mut settings = told.clone();
        settings.extend(fixture.settings().clone());
        let settings: Vec<_> = settings.into_iter().map(|(key, value)| Attribute { key, value }).collect();
        let began = Instant::now();
        let result = ask(fixture, loaded, settings);
        // Two questions.
        let took = began.elapsed() / 2;
        match result {
            Ok((answered, differences, log)) => Self { name, result: Ok(answered), differences, log, took },
            Err(Failed { reason, log }) => {
                Self { name, result: Err(reason), differences: Vec::new(), log, took }
            }
        }
    }

    fn passed(&self) -> bool {
        self.result.is_ok() && self.differences.is_empty()
    }

    fn fuel(&self) -> Option<u64> {
        self.result.as_ref().ok().map(|answered| answered.fuel)
    }

    fn dropped_lines(&self) -> u32 {
        self.result.as_ref().map_or(0, |answered| answered.dropped_lines)
    }
}

struct Failed {
    reason: String,
    log: Vec<LogLine>,
}

type Compared = (Answered, Vec<Difference>, Vec<LogLine>);

fn ask(fixture: &AnyFixture, loaded: &Arc<Loaded>, settings: Vec<Attribute>) -> Result<Compared, Failed> {
    take_settings(loaded, &settings).map_err(|error| Failed::new(&error))?;
    let name = loaded.descriptor().name.clone();
    let link = Link { loaded: Arc::clone(loaded), settings, name, tally: Arc::default() };
    match fixture {
        AnyFixture::Resolve(fixture) => {
            let chain = Chain::new(loaded.engine(), vec![link], Arc::clone(&fixture.subject));
            let chain = chain.map_err(|error| Failed::new(&error))?;
            let facts = chain.vary().narrow(&fixture.facts);
            let verdict = twice(&chain, &facts).map_err(Failed::from)?;
            let dropped_lines = verdict.links.iter().map(|link| link.dropped_lines).sum();
            let answered = Answered { fuel: verdict.fuel(), dropped_lines };
            let log = verdict.links.into_iter().flat_map(|link| link.log).collect();
            Ok((answered, fixture.differences(&verdict.answer), log))
        }
        AnyFixture::Promotion(fixture) => {
            let chain = PromotionChain::new(vec![link]).map_err(|error| Failed::new(&error))?;
            let judgement = judge_twice(&chain, &fixture.question).map_err(Failed::from)?;
            let said = judgement.policies.iter().filter_map(|report| report.said.as_ref().ok());
            let differences = said.flat_map(|evaluation| fixture.differences(evaluation)).collect();
            let dropped_lines = judgement.policies.iter().map(|report| report.dropped_lines).sum();
            let answered = Answered { fuel: judgement.fuel(), dropped_lines };
            Ok((
                answered,
                differences,
                judgement.policies.into_iter().flat_map(|report| report.log).collect(),
            ))
        }
    }
}

impl Failed {
    fn new(error: &dyn std::error::Error) -> Self {
        Self { reason: error.to_string(), log: Vec::new() }
    }
}

impl From<RehearsalError> for Failed {
    fn from(error: RehearsalError) -> Self {
        let reason = error.to_string();
        let log = if let RehearsalError::Decide(failure) = error { failure.log } else { Vec::new() };
        Self { reason, log }
    }
}

/// Every fixture of a directory, by name.
fn read(directory: &Path) -> anyhow::Result<Vec<(String, AnyFixture)>> {
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
        Ok((name, AnyFixture::parse(&text).with_context(wrong)?))
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
    for run in runs.iter().filter(|run| verbose && !run.log.is_empty()) {
        page.gap();
        page.heading(&run.name, "log");
        for line in &run.log {
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
        run.log.iter().map(|line| json!({ "level": level(line.level), "text": line.text })).collect();
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
        Run::of("one".into(), &AnyFixture::parse(fixture).unwrap(), loaded, &BTreeMap::new())
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
    fn the_fixtures_of_the_promotion_policies_hold_and_would_not_under_another_verdict() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for name in ["four-eyes", "freeze-window", "parity", "required-checks"] {
            let loaded = load(&format!("policies/dist/{name}.wasm"));
            let directory = root.join("policies").join(name).join("fixtures");
            let fixtures = read(&directory).unwrap();
            assert!(fixtures.len() >= 2, "{name}");
            for (fixture, parsed) in fixtures {
                let run = Run::of(fixture.clone(), &parsed, &loaded, &BTreeMap::new());
                let text = shown(&loaded, &[run]);
                assert!(text.contains("1 of 1 fixtures as expected"), "{name}: {text}");
                let other = fs::read_to_string(directory.join(format!("{fixture}.toml"))).unwrap();
                let (question, _) = other.split_once("[expect]").unwrap();
                let other = self::run(&loaded, &format!("{question}[expect]\ndeny = ['another']"));
                assert!(!other.passed() && other.differences[0].about == "verdict", "{name}: {fixture}");
            }
        }
    }

    #[test]
    fn a_promotion_policy_that_fails_fails_its_fixture() {
        let gatecrash = load("tests/guests/dist/gatecrash.wasm");
        for (mode, reason) in [("trap", "trapped"), ("deny-for-nothing", "denies without a reason")] {
            let failed = run(&gatecrash, &format!("settings = {{ mode = '{mode}' }}\n[promotion]\n[expect]"));
            assert!(failed.result.err().unwrap().contains(reason), "{mode}");
        }
        let warned = "settings = { mode = 'warn' }\n[promotion]\n[expect]\nwarnings = ['careful']";
        let run = run(&gatecrash, warned);
        assert!(run.passed() && shown(&gatecrash, &[run]).contains("warned"));
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
        assert!(refused.result.err().unwrap().contains("mood"));
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
