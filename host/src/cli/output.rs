//! Everything a person or a script sees: one place that knows terminals, pipes, colours and JSON.
//!
//! What hosts and tenants wrote is cleaned before a terminal sees it: a description with an escape
//! sequence in it could otherwise rewrite the screen, and with it what a person approves.

mod failure;
mod page;

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anstream::ColorChoice;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

pub use self::page::{Layout, MASK, Page, Table};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where output goes.
#[derive(Debug)]
pub struct Output {
    json: bool,
    layout: Layout,
}

/// Something that takes a while. Gone from the screen when dropped.
#[must_use = "progress is shown for as long as this lives"]
pub struct Progress(ProgressBar);

impl Output {
    /// Output as the command line asked for it. Colours are settled for the whole process.
    #[must_use]
    pub fn new(json: bool, color: Color) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        choice.write_global();
        let layout = if io::stdout().is_terminal() { Layout::Terminal } else { Layout::Pipe };
        Self { json, layout }
    }

    /// Whether a script reads along.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// An empty page in the right layout.
    #[must_use]
    pub fn page(&self) -> Page {
        Page::new(self.layout)
    }

    /// Shows a page.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn show(&self, page: &Page) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(page.as_str().as_bytes())?;
        stdout.flush()
    }

    /// Writes `bytes` exactly as they are, ending the last line if nothing else does.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()
    }

    /// Writes one line of JSON, for what no host has written already.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.raw(&serde_json::to_vec(value)?)
    }

    /// Says on stderr what is worth knowing but stops nothing.
    pub fn warning(&self, text: &str) {
        let (style, text) = (page::WARNING, page::clean(text));
        // Nobody is left to tell when stderr is closed.
        drop(writeln!(anstream::stderr(), "{style}warning:{style:#} {text}"));
    }

    /// Says on stderr, to a person, what explains standard output; a pipe holds that alone.
    pub fn note(&self, text: &str) {
        drop(writeln!(anstream::stderr(), "{}", page::clean(text)));
    }

    /// Says on stderr what went wrong and what to do.
    pub fn failure(&self, error: &anyhow::Error) {
        let text = if self.json { failure::json(error) } else { failure::text(error) };
        drop(anstream::stderr().write_all(text.as_bytes()));
    }

    /// Shows on stderr, if that is a terminal, that something is going on.
    pub fn progress(&self, what: &str) -> Progress {
        let visible = io::stderr().is_terminal() && !self.json;
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_style(ProgressStyle::default_spinner());
        bar.set_message(page::clean(what));
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress(bar)
    }
}

impl Progress {
    /// Says what is going on now.
    pub fn now(&self, what: &str) {
        self.0.set_message(page::clean(what));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
