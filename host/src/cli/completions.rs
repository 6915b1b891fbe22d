//! `bootlace completions`: what a shell needs to complete our words.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, output::Output};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace completions bash > /etc/bash_completion.d/bootlace
  bootlace completions zsh > ~/.zfunc/_bootlace
  bootlace completions fish > ~/.config/fish/completions/bootlace.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "bootlace", &mut script);
        Ok(output.raw(&script)?)
    }
}
