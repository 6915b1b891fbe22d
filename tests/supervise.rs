//! `bootlace run --supervise`: whoever looks at the supervisor sees its command, and whoever ends
//! the one ends the other.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
};

use bootlace::id::Revision;
use rustix::process::{Pid, Signal};

use crate::world::{
    Site, World, blocking,
    program::{PATIENCE, Premises, Program, Running, bootlace, finish, until},
    site::guest,
    small::expected,
};

/// What makes a change count at once.
pub(crate) const AT_ONCE: [&str; 5] = ["--watch", "--interval", "20ms", "--spread", "0s"];

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_exits_as_its_command_does() {
    let world = World::with(Site::small(1)).await;
    let ended: [(&[&str], i32); 6] = [
        (&["sh", "-c", "exit 7"], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["sh", "-c", "kill -USR1 $$"], 128 + 10),
        (&["bootlace-no-such-command"], 127),
        (&["/etc/passwd"], 126),
    ];
    for (command, code) in ended {
        let ran = supervise(&world, "staging", &[], command);
        let output = blocking(|| finish(ran)).await;
        assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
    }
    let mut nowhere = supervise(&world, "staging", &[], &["true"]);
    nowhere.env("BOOTLACE_URL", "http://127.0.0.1:9");
    let mut stranger = supervise(&world, "staging", &[], &["true"]);
    stranger.env("BOOTLACE_TOKEN", "bl_instance_of_nobody");
    let watch_alone = {
        let mut command = bootlace();
        command.args(["run", "--watch", "--", "true"]);
        command
    };
    let runs = [nowhere, stranger, watch_alone];
    let codes = blocking(|| runs.map(|run| finish(run).status.code())).await;
    assert_eq!(codes, [Some(3), Some(1), Some(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_the_command() {
    let world = World::with(Site::small(1)).await;
    let script = "for name in INT HUP QUIT USR1 USR2 WINCH; do trap \"echo $name\" $name; done; \
                  trap 'echo TERM; exit 5' TERM; echo up; while :; do sleep 1000 & wait $!; done";
    let run = supervise(&world, "staging", &[], &["sh", "-c", script]);
    blocking(move || {
        let mut run = Supervised::start(run);
        run.says("up");
        for (signal, name) in [
            (Signal::INT, "INT"),
            (Signal::HUP, "HUP"),
            (Signal::QUIT, "QUIT"),
            (Signal::USR1, "USR1"),
            (Signal::USR2, "USR2"),
            (Signal::WINCH, "WINCH"),
            (Signal::TERM, "TERM"),
        ] {
            run.process.signal(signal);
            run.says(name);
        }
        assert_eq!(run.process.ended().code(), Some(5));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_restarts_the_command_with_the_new_value() {
    let world = World::with(Site::small(1)).await;
    let run = supervise(&world, "production", &AT_ONCE, &["sh", "-c", "echo up $FLAG $$; exec sleep 1000"]);
    let (run, first) = blocking(move || {
        let run = Supervised::start(run);
        let first = run.starts_with("up 1 ");
        (run, first)
    })
    .await;
    push(&world, 2, 1).await;
    let run = blocking(move || {
        let second = run.starts_with("up 2 ");
        assert!(is_gone(pid(&first)) && !is_gone(pid(&second)), "{first} gave way to {second}");
        run
    })
    .await;
    push(&world, 3, 2).await;
    blocking(move || {
        let mut run = run;
        run.starts_with("up 3 ");
        run.process.signal(Signal::TERM);
        assert_eq!(run.process.ended().code(), Some(128 + 15));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_end_is_killed_after_its_grace() {
    let world = World::with(Site::small(1)).await;
    let options = [&AT_ONCE[..], &["--grace", "50ms"]].concat();
    let script = "trap '' TERM; echo up $FLAG; sleep 1000";
    let run = supervise(&world, "production", &options, &["sh", "-c", script]);
    let run = Supervised::up(run).await;
    push(&world, 2, 1).await;
    blocking(move || run.says("up 2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_can_be_a_signal_instead() {
    let world = World::with(Site::small(1)).await;
    let options = [&AT_ONCE[..], &["--on-change", "signal:HUP"]].concat();
    let script = "trap 'echo HUP' HUP; echo up $FLAG; while :; do sleep 1000 & wait $!; done";
    let run = supervise(&world, "production", &options, &["sh", "-c", script]);
    let run = Supervised::up(run).await;
    for number in [2, 3] {
        push(&world, number, number - 1).await;
    }
    // The two may come as one; the command is the same all the time.
    blocking(move || run.says("HUP")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_end_while_it_restarts_is_not_started_again() {
    let world = World::with(Site::small(1)).await;
    let options = [&AT_ONCE[..], &["--grace", "1h"]].concat();
    let script = "trap 'echo TERM' TERM; trap 'exit 6' USR1; echo up $FLAG; \
                  while :; do sleep 1000 & wait $!; done";
    let run = supervise(&world, "production", &options, &["sh", "-c", script]);
    let run = Supervised::up(run).await;
    push(&world, 2, 1).await;
    blocking(move || {
        let mut run = run;
        run.says("TERM");
        run.process.signal(Signal::TERM);
        run.says("TERM");
        run.process.signal(Signal::USR1);
        assert_eq!(run.process.ended().code(), Some(6));
        assert_eq!(run.out.try_iter().next(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_refused_leaves_the_command_alone_and_is_told() {
    let mut site = Site::small(1);
    let policies = "[policies.greedy]\ncomponent = \"policies/greedy.wasm\"\n[[attachments]]\n\
                    policy = \"greedy\"\nenvironment = \"production\"\nsettings = { mode = \"omit-all\" }\n";
    let harmless = site.directory();
    site.write("policies.toml", policies).write("policies/greedy.wasm", guest("hostile"));
    let world = World::empty(site, |_| {}).await;
    let pushed = world.push(&world.site.bundle_of(&harmless, Revision(0)), 0).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let run = supervise(&world, "production", &AT_ONCE, &["sh", "-c", "echo up $FLAG; exec sleep 1000"]);
    let run = Supervised::up(run).await;
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let run = blocking(move || {
        run.complains("the command keeps the configuration it has");
        assert!(run.complaint().contains("missing-required") && run.complaint().contains("DATABASE_URL"));
        assert_eq!(run.out.try_iter().next(), None);
        run
    })
    .await;
    let pushed = world.push(&world.site.bundle_of(&harmless, Revision(2)), 2).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    blocking(move || run.complains("the host answers again")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_away_leaves_the_command_alone() {
    let site = Site::small(1);
    let premises = Premises::new(&site);
    let command = premises.command(&[]);
    let host = blocking(|| Program::start(command)).await;
    let operator = premises.operator();
    let token = host.mint("production", &operator).await;
    let pushed = host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let address = host.boot.to_string();

    let mut run = bootlace();
    run.env("BOOTLACE_URL", format!("http://{address}")).env("BOOTLACE_TOKEN", token);
    run.args(["run", "--supervise"]).args(AT_ONCE);
    run.args(["--", "sh", "-c", "echo up $FLAG $$; exec sleep 1000"]);
    let again = premises.command(&["--boot", &address]);
    let (run, host) = blocking(move || {
        let run = Supervised::start(run);
        let first = run.starts_with("up 1 ");
        host.kill();
        run.complains("cannot reach");
        assert!(!is_gone(pid(&first)));
        let host = Program::start(again);
        run.complains("the host answers again");
        assert!(!is_gone(pid(&first)));
        (run, host)
    })
    .await;
    let pushed = host.push(&site.bundle_for_today(&site.telling(2), 1), 1, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    blocking(move || run.starts_with("up 2 ")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_supervisor_leaves_nobody() {
    let world = World::with(Site::small(1)).await;
    // A child that is its command's child, as in every shell's pipeline.
    let script = "sleep 1000 & echo child $!; echo self $$; wait";
    let run = supervise(&world, "staging", &["--watch"], &["sh", "-c", script]);
    blocking(move || {
        let mut run = Supervised::start(run);
        let lines = [run.starts_with("child "), run.starts_with("self ")];
        let mut all: Vec<u32> = lines.iter().map(|line| pid(line)).collect();
        all.extend(children(run.process.0.id()));
        assert_eq!(all.len(), 4, "the child, the command, and the command and the guard again");
        run.process.0.kill().unwrap();
        run.process.0.wait().unwrap();
        until("nobody is left", || all.iter().all(|pid| is_gone(*pid)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_leaves_behind_is_gone_with_it() {
    let world = World::with(Site::small(1)).await;
    // One in its process group, one that left it.
    let script = "sleep 1000 & echo child $!; setsid sleep 1000 & echo daemon $!; exit 3";
    let run = supervise(&world, "staging", &[], &["sh", "-c", script]);
    blocking(move || {
        let mut run = Supervised::start(run);
        let all = [run.starts_with("child "), run.starts_with("daemon ")].map(|line| pid(&line));
        assert_eq!(run.process.ended().code(), Some(3));
        // Not even for a moment.
        assert!(all.iter().all(|pid| is_gone(*pid)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_is_killed_is_replaced() {
    let world = World::with(Site::small(1)).await;
    let run = supervise(&world, "staging", &[], &["sh", "-c", "echo self $$; exec sleep 1000"]);
    blocking(move || {
        let mut run = Supervised::start(run);
        let command = pid(&run.starts_with("self "));
        let guard = |run: &Supervised| children(run.process.0.id()).into_iter().find(|pid| *pid != command);
        let first = guard(&run).expect("a guard");
        let killed = Pid::from_raw(first.try_into().unwrap()).unwrap();
        rustix::process::kill_process(killed, Signal::KILL).unwrap();
        until("there is another guard", || guard(&run).is_some_and(|second| second != first));
        assert!(!is_gone(command));
        run.process.signal(Signal::TERM);
        assert_eq!(run.process.ended().code(), Some(128 + 15));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_command_holds_the_values() {
    let world = World::with(Site::small(1)).await;
    let run = supervise(&world, "production", &["--watch"], &["sh", "-c", "echo self $$; sleep 1000"]);
    let values = expected("production", 1);
    blocking(move || {
        let run = Supervised::start(run);
        let command = pid(&run.starts_with("self "));
        let supervisor = run.process.0.id();
        let told = |pid: u32| {
            let read = |name| fs::read(format!("/proc/{pid}/{name}"));
            // Unreadable without privileges, since it is not dumpable: as good.
            let bytes = [read("environ"), read("cmdline")].map(Result::unwrap_or_default).concat();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let secrets = [&values["DB_PASSWORD"], &values["DATABASE_URL"]];
        assert!(secrets.iter().all(|secret| told(command).contains(*secret)), "it is looked for rightly");
        let others: Vec<_> = children(supervisor).into_iter().filter(|pid| *pid != command).collect();
        assert_eq!(others.len(), 1, "the guard");
        for pid in others.into_iter().chain([supervisor]) {
            assert!(!secrets.iter().any(|secret| told(pid).contains(*secret)), "{pid}");
        }
    })
    .await;
}

pub(crate) fn supervise(world: &World, environment: &str, options: &[&str], command: &[&str]) -> Command {
    let mut run = bootlace();
    run.env("BOOTLACE_URL", format!("http://{}", world.boot_address()));
    run.env("BOOTLACE_TOKEN", world.site.token(environment));
    run.args(["run", "--supervise"]).args(options).arg("--").args(command);
    run
}

async fn push(world: &World, number: u64, parent: u64) {
    let bundle = world.site.bundle_of(&world.site.telling(number), Revision(parent));
    let pushed = world.push(&bundle, parent).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
}

/// A supervisor, and what is said under it.
pub(crate) struct Supervised {
    pub(crate) process: Running,
    out: Receiver<String>,
    err: Receiver<String>,
    said: std::cell::RefCell<String>,
}

impl Supervised {
    /// A supervisor whose command said that it is up with the first content.
    async fn up(command: Command) -> Self {
        blocking(move || {
            let run = Self::start(command);
            run.says("up 1");
            run
        })
        .await
    }

    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { process: Running(child), out, err, said: String::new().into() }
    }

    /// Waits until the command says just this.
    pub(crate) fn says(&self, line: &str) {
        assert_eq!(next(&self.out, line), line, "complaints: {:?}", self.err.try_iter().collect::<Vec<_>>());
    }

    pub(crate) fn starts_with(&self, start: &str) -> String {
        let line = next(&self.out, start);
        assert!(line.starts_with(start), "{line}, complaints: {:?}", self.err.try_iter().collect::<Vec<_>>());
        line
    }

    /// Waits until the supervisor says something with this in it.
    fn complains(&self, part: &str) {
        while !self.complaint().contains(part) {
            *self.said.borrow_mut() = next(&self.err, part);
        }
    }

    /// The last complaint that was waited for.
    fn complaint(&self) -> String {
        self.said.borrow().clone()
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    lines
}

fn next(lines: &Receiver<String>, wanted: &str) -> String {
    match lines.recv_timeout(PATIENCE) {
        Ok(line) => line,
        Err(RecvTimeoutError::Timeout) => panic!("waited in vain for {wanted:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("ended before {wanted:?}"),
    }
}

/// The number at the end of a line.
fn pid(line: &str) -> u32 {
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Gone, or a zombie that nobody reaps: not every container's first process does.
fn is_gone(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The name stands in parentheses and may hold anything; the state comes after it.
    stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X'])
}
