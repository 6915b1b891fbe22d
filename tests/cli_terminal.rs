//! What a person is asked at a terminal: the name of what is protected, and a secret that nobody sees.
//! `script` is the terminal.

use std::{
    io::{Read as _, Write as _},
    process::{ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use crate::world::{
    Site, World, blocking,
    program::{PATIENCE, Running, asking},
    service::skip,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_environments_name_is_typed() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    world.ok(admin, "env create live-eu --type production").await;
    for (typed, code, said) in [
        ("live-us\n", 2, "nothing is changed"),
        ("\n", 2, "nothing is changed"),
        ("live-eu\n", 0, "environment live-eu is deleted"),
    ] {
        let Some(mut terminal) = world.terminal("env delete live-eu") else { return };
        let seen = blocking(move || {
            terminal.until("Type its name to delete it: ");
            terminal.types(typed);
            terminal.end()
        });
        let (ended, seen) = seen.await;
        assert_eq!((ended, seen.contains(said)), (code, true), "{seen}");
    }
    assert!(!world.ok(admin, "env list").await.contains("live-eu"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_while_somebody_typed_is_not_deleted() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    world.ok(admin, "env create live-eu --type production").await;
    let Some(mut terminal) = world.terminal("env delete live-eu") else { return };
    let mut terminal = blocking(|| {
        terminal.until("Type its name to delete it: ");
        terminal
    })
    .await;
    world.ok(admin, "env set live-eu --label busy=yes --confirm live-eu").await;
    let (ended, seen) = blocking(move || {
        terminal.types("live-eu\n");
        terminal.end()
    })
    .await;
    assert_eq!((ended, seen.contains("conflict")), (1, true), "{seen}");
    assert_eq!(world.json(admin, "env show live-eu").await["labels"]["busy"], "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_typed_and_not_shown() {
    let world = World::with(Site::small(0)).await;
    let line = "var set -d checkout -e staging PASSWORD --secret --description opens";
    for (typed, code) in [("hunter2\x7f2-typed\n", 0), ("hunter2\x03", 2), ("\n", 2)] {
        let Some(mut terminal) = world.terminal(line) else { return };
        let (ended, seen) = blocking(move || {
            terminal.until("PASSWORD of checkout in staging (not shown): ");
            terminal.types(typed);
            terminal.end()
        })
        .await;
        assert_eq!(ended, code, "{seen}");
        assert!(!seen.contains("hunter"), "{seen}");
    }
    assert_eq!(world.environment("staging").await["PASSWORD"], "hunter2-typed");
    // A plain value is not asked for: whoever types it sees it in the command.
    let Some(terminal) = world.terminal("var set -d checkout -e staging LEVEL") else { return };
    let (ended, seen) = blocking(|| terminal.end()).await;
    assert_eq!((ended, seen.contains("give LEVEL=VALUE")), (2, true), "{seen}");
}

/// A command at a terminal.
pub(crate) struct Terminal {
    child: Running,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl World {
    /// Nothing where there is no `script`.
    pub(crate) fn terminal(&self, line: &str) -> Option<Terminal> {
        let program = asking(self.admin_address(), self.site.token("admin"));
        let line = format!("{} {line}", program.get_program().to_str().unwrap());
        let mut script = Command::new("script");
        script.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = script.spawn() else {
            skip("script", "bsdutils");
            return None;
        };
        let (keys, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                let _ = send.send(bytes[..count].to_vec());
            }
        });
        Some(Terminal { child: Running(child), keys, screen, seen: Vec::new() })
    }
}

impl Terminal {
    /// Waits until it shows `text`.
    fn until(&mut self, text: &str) {
        while !self.shown().contains(text) {
            let more = self.screen.recv_timeout(PATIENCE);
            self.seen.extend(more.unwrap_or_else(|_| panic!("no {text} in {}", self.shown())));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// The exit code, and all that was shown.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = self.child.ended();
        while let Ok(more) = self.screen.recv_timeout(PATIENCE) {
            self.seen.extend(more);
        }
        (status.code().unwrap(), self.shown())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
