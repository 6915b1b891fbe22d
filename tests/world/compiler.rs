//! A compiler that a test can stop in the middle of its work.

use std::{
    fs::{File, OpenOptions},
    path::PathBuf,
};

use bootlace::upload::Compiler;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::{blocking, program::BOOTLACE};

/// Compiles as a host does; and waits before, as long as there is a gate.
pub(crate) struct Gated {
    directory: TempDir,
}

impl Gated {
    /// One that waits for nobody yet.
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    /// For the host's settings.
    pub(crate) fn compiler(&self) -> Compiler {
        let script = "gate=$1; shift; [ ! -p \"$gate\" ] || cat \"$gate\"; exec \"$@\"";
        let gate = self.gate().into_os_string();
        let arguments = ["-c", script, "compiler"].map(Into::into).into_iter().chain([gate]);
        let arguments = arguments.chain([BOOTLACE, "compile-policy"].map(Into::into)).collect();
        Compiler::Child { program: "/bin/sh".into(), arguments }
    }

    /// From now on every compilation waits.
    pub(crate) fn shut(&self) {
        mknodat(CWD, self.gate(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    /// Waits until a compilation is held. Those go on when this is dropped, and no other waits.
    pub(crate) async fn held(&self) -> File {
        let gate = self.gate();
        blocking(move || {
            // Opens as soon as somebody reads from it.
            let held = OpenOptions::new().write(true).open(&gate).unwrap();
            std::fs::remove_file(gate).unwrap();
            held
        })
        .await
    }

    fn gate(&self) -> PathBuf {
        self.directory.path().join("gate")
    }
}
