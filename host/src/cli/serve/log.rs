//! The host's log, on standard error: lines for a person, objects for a machine.

use anyhow::Context as _;
use std::io::{IsTerminal as _, stderr};
use tracing_subscriber::EnvFilter;

use super::{Log, LogFormat};

pub(super) fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&log.log).context("--log is not a filter")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let json = match log.log_format {
        LogFormat::Auto => !stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let started = if json {
        builder.json().flatten_event(true).with_target(false).try_init()
    } else {
        builder.with_ansi(stderr().is_terminal()).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}
