//! The real program as its own process: `bootlace serve` on a data directory of its own, and
//! other verbs against a host.

use std::{
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::{Answer, Site, blocking, http};

/// Longer than anything takes on a busy machine: who waits longer waits in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the real program is.
pub(crate) const BOOTLACE: &str = env!("CARGO_BIN_EXE_bootlace-under-test");

/// The real program, knowing nothing of this process's environment but where programs are.
pub(crate) fn bootlace() -> Command {
    let mut command = Command::new(BOOTLACE);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    command
}

/// The same, asking the control API there.
pub(crate) fn asking(admin: SocketAddr, token: &str) -> Command {
    let mut command = bootlace();
    command.env("BOOTLACE_ADMIN_URL", format!("http://{admin}")).env("BOOTLACE_TOKEN", token);
    command
}

/// What an operator prepares before a host can start: a root key, a trusted signer, a data
/// directory.
pub(crate) struct Premises {
    directory: TempDir,
}

impl Premises {
    pub(crate) fn new(site: &Site) -> Self {
        let directory = TempDir::new().unwrap();
        let premises = Self { directory };
        premises.write("root.key", &site.root_key().to_file());
        premises.write("operator.pub", &site.operator_key().verifying_key().to_string());
        premises
    }

    /// Writes a file that is its owner's alone.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn operator(&self) -> String {
        std::fs::read_to_string(self.path("data/operator.token")).unwrap().trim().to_owned()
    }

    /// `bootlace serve`, with both listeners on free ports.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = bootlace();
        command.arg("serve").arg("--data").arg(self.data());
        command.arg("--root-key").arg(self.path("root.key")).arg("--trust").arg(self.path("operator.pub"));
        for (listener, address) in [("--boot", "127.0.0.1:0"), ("--admin", "127.0.0.1:0")] {
            if !more.contains(&listener) {
                command.args([listener, address]);
            }
        }
        command.args(["--log-format", "json"]).args(more);
        command
    }

    /// Expects that a host does not start, and gives what it says about it.
    pub(crate) fn refusal(&self, more: &[&str]) -> impl FnOnce() -> String + Send + 'static {
        let command = self.command(more);
        || {
            let output = finish(command);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}");
            text
        }
    }
}

/// Runs to the end, or is killed when it does not come to one.
pub(crate) fn finish(mut command: Command) -> Output {
    let child = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    child.output()
}

/// The same of something that starts others, which do not outlive it, and that takes its time.
pub(crate) fn finish_group(mut command: Command, patience: Duration) -> Output {
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let leader = Running(command.spawn().unwrap());
    let _group = Group(leader.pid());
    leader.output_within(patience)
}

/// A process group, which is killed with whoever is left of it.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Mostly nobody is.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// A host's process; it does not outlive this value.
pub(crate) struct Program {
    pub(crate) boot: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Running,
    lines: Receiver<String>,
    /// Everything that it logged, as far as it was waited for.
    pub(crate) log: Vec<serde_json::Value>,
}

impl Program {
    /// Starts `bootlace serve` and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines() {
                // Read to the end in any case: a full pipe would stop the host.
                let _ = send.send(line.unwrap_or_else(|error| format!("unreadable: {error}")));
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let child = Running(child);
        let mut program = Self { boot: nowhere, admin: nowhere, child, lines, log: Vec::new() };
        let listening = program.wait_for("listening");
        let address = |name: &str| listening[name].as_str().unwrap().parse().unwrap();
        (program.boot, program.admin) = (address("boot"), address("admin"));
        program
    }

    /// The next line with that message. Every line is an object, or this fails.
    pub(crate) fn wait_for(&mut self, message: &str) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let object: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| {
                        let rest: Vec<_> = self.lines.iter().collect();
                        panic!("{error}: {line}\n{}", rest.join("\n"))
                    });
                    self.log.push(object.clone());
                    if object["message"] == message {
                        return object;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => panic!("ended before {message:?}: {:#?}", self.log),
                Err(RecvTimeoutError::Timeout) => panic!("waited in vain for {message:?}: {:#?}", self.log),
            }
        }
    }

    /// The rest of the log, once it has ended.
    pub(crate) fn rest_of_log(&mut self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Tells it to end, in the way a service manager does.
    pub(crate) fn terminate(&self) {
        self.child.signal(Signal::TERM);
    }

    /// Ends it on the spot, without a word to it.
    pub(crate) fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.ended()
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        http::request(self.boot, "GET", path, token, &[], Vec::new()).await
    }

    pub(crate) async fn push(&self, bundle: &[u8], parent: u64, operator: &str) -> Answer {
        let parent = format!("\"{parent}\"");
        let headers = [("if-match", parent.as_str())];
        http::request(self.admin, "PUT", "/api/v1/snapshot", Some(operator), &headers, bundle.to_vec()).await
    }

    /// An instance token for `environment` of the starter workspace's deployment.
    pub(crate) async fn mint(&self, environment: &str, operator: &str) -> String {
        let wanted = serde_json::json!({
            "kind": "instance", "principal": "an instance of the tests", "deployment": "checkout",
            "environment": environment,
        });
        let path = "/api/v1/tokens?workspace=acme";
        let body = wanted.to_string().into_bytes();
        let answer = http::request(self.admin, "POST", path, Some(operator), &[], body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

/// A process that is killed when nobody is interested any more.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    fn pid(&self) -> Pid {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.ended_within(PATIENCE)
    }

    fn ended_within(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        until_within(patience, "a process ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// What it printed, and how it ended.
    pub(crate) fn output(self) -> Output {
        self.output_within(PATIENCE)
    }

    fn output_within(mut self, patience: Duration) -> Output {
        let (stdout, stderr) = (self.0.stdout.take(), self.0.stderr.take());
        // Both at once, since either pipe may fill up.
        let (stdout, stderr) = (reader(stdout), reader(stderr));
        let status = self.ended_within(patience);
        Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).unwrap();
        }
        bytes
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, mostly.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until `condition` holds, and fails when it never does.
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, condition);
}

fn until_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A host that serves the small workspace, and whoever asks it.
pub(crate) struct Ready {
    pub(crate) host: Program,
    pub(crate) operator: String,
    /// An instance's, in production.
    pub(crate) token: String,
    pub(crate) premises: Premises,
}

impl Ready {
    /// `more` are arguments of `serve`.
    pub(crate) async fn new(more: &[&str]) -> Self {
        let site = Site::small(1);
        let premises = Premises::new(&site);
        let command = premises.command(more);
        let host = blocking(|| Program::start(command)).await;
        let operator = premises.operator();
        let token = host.mint("production", &operator).await;
        let pushed = host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
        Self { host, operator, token, premises }
    }
}
