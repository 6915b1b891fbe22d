//! The process that compiles, and may be lost.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::UploadError;
use crate::policy::{Engine, EngineSettings, Limits, Memory, artefact::Artefact};

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// By a child process that runs [`compile_child_main`], limited in memory, CPU time and wall
    /// clock: for hosts.
    Child {
        /// The program.
        program: PathBuf,
        /// Its first arguments; the job's follow.
        arguments: Vec<OsString>,
    },
    /// In this process, without limits: for tests, and for who trusts the policy's author.
    InProcess,
}

/// The job's name, as the child's argument.
const COMPILE: &str = "compile";
const COMPONENTISE: &str = "componentise";
/// What is read of a child's complaints, in bytes.
const COMPLAINT_BYTES: u64 = 4096;

impl Compiler {
    /// This program, with the hidden verb `compile-policy`.
    ///
    /// # Errors
    /// When the path of this program cannot be told.
    pub fn this_program() -> io::Result<Self> {
        Ok(Self::Child { program: std::env::current_exe()?, arguments: vec!["compile-policy".into()] })
    }

    pub(super) fn compile(&self, engine: &Engine, component: &[u8]) -> Result<Artefact, UploadError> {
        match self {
            Self::InProcess => engine.compile(component).map_err(|e| UploadError::Compile(e.to_string())),
            Self::Child { program, arguments } => {
                let output = job(program, arguments, COMPILE, engine.limits(), component)?;
                Ok(Artefact::from_compiler(output))
            }
        }
    }

    /// Makes a component of a core module with embedded interface types.
    pub(super) fn componentise(&self, engine: &Engine, module: &[u8]) -> Result<Vec<u8>, UploadError> {
        match self {
            Self::InProcess => componentise(module).map_err(UploadError::Compile),
            Self::Child { program, arguments } => {
                job(program, arguments, COMPONENTISE, engine.limits(), module)
            }
        }
    }
}

/// What the child runs: `arguments` are those after the hidden verb. Reads from standard input,
/// writes the result to standard output, or a complaint to standard error.
#[must_use]
pub fn compile_child_main(arguments: &[String]) -> ExitCode {
    match child(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(io::stderr(), "{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn child(arguments: &[String]) -> Result<(), String> {
    let [job, memory_bytes, stack_bytes] = arguments else { return Err("expected a job and limits".into()) };
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("not a number: {text}"));
    let limits = Limits {
        memory_bytes: number(memory_bytes)?,
        stack_bytes: number(stack_bytes)?,
        ..Limits::default()
    };
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).map_err(|error| format!("cannot read: {error}"))?;
    let output = match job.as_str() {
        COMPONENTISE => componentise(&input)?,
        COMPILE => {
            let settings = EngineSettings { limits, memory: Memory::OnDemand, ..EngineSettings::default() };
            let engine = Engine::new(&settings).map_err(|error| error.to_string())?;
            engine.compile(&input).map_err(|error| error.to_string())?.bytes().to_vec()
        }
        other => return Err(format!("no job {other}")),
    };
    io::stdout().write_all(&output).map_err(|error| format!("cannot write: {error}"))
}

fn componentise(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoder = wit_component::ComponentEncoder::default().validate(true).module(module);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| {
        format!("the core module cannot be made a component (are its interface types embedded?): {error:#}")
    })
}

fn job(
    program: &PathBuf,
    arguments: &[OsString],
    job: &str,
    limits: &Limits,
    input: &[u8],
) -> Result<Vec<u8>, UploadError> {
    let host = |action| move |source| UploadError::Host { action, source };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([job, &limits.memory_bytes.to_string(), &limits.stack_bytes.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().map_err(host("start the compiler"))?);
    // From outside, and before it has anything to work on: a limit that a process sets itself, it
    // sets too late for what it allocated before.
    limit(&running.0, limits).map_err(host("limit the compiler"))?;
    let Ended { status, output, complaint } = converse(&mut running.0, limits, input)
        .map_err(host("talk to the compiler"))?
        .ok_or_else(|| breach(format!("took more than {} seconds", limits.compile_wall_seconds)))?;
    if output.len() > limits.artefact_bytes {
        return Err(breach(format!("makes more than {} bytes of code", limits.artefact_bytes)));
    }
    if status.success() { Ok(output) } else { Err(complain(status, &complaint, limits)) }
}

fn limit(child: &Child, limits: &Limits) -> io::Result<()> {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return Err(io::Error::other("a process without an id"));
    };
    let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    prlimit(Some(pid), Resource::As, both(limits.compile_memory_bytes))?;
    prlimit(Some(pid), Resource::Cpu, both(limits.compile_cpu_seconds))?;
    prlimit(Some(pid), Resource::Core, both(0))?;
    Ok(())
}

/// What a child left behind.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// Feeds the child and reads what it says, in threads of their own, since either pipe may fill
/// up; `None` when it takes too long.
fn converse(child: &mut Child, limits: &Limits, input: &[u8]) -> io::Result<Option<Ended>> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("a process without pipes"));
    };
    let deadline = Instant::now() + Duration::from_secs(limits.compile_wall_seconds);
    let left = || deadline.saturating_duration_since(Instant::now());
    let output = reader(stdout, limits.artefact_bytes as u64 + 1)?;
    let complaint = reader(stderr, COMPLAINT_BYTES)?;
    let fed = input.to_vec();
    thread::Builder::new().name("compiler-input".into()).spawn(move || {
        // A child that stopped reading says why by its exit.
        let _ = stdin.write_all(&fed);
    })?;
    let (Ok(output), Ok(complaint)) = (output.recv_timeout(left()), complaint.recv_timeout(left())) else {
        return Ok(None);
    };
    // Both pipes are closed, or the child says too much: it has nothing more to do.
    while left() > Duration::ZERO {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(Ended { status, output, complaint }));
        }
        if output.len() > limits.artefact_bytes {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

fn reader(pipe: impl Read + Send + 'static, limit: u64) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (send, receive) = mpsc::channel();
    thread::Builder::new().name("compiler-output".into()).spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is.
        let _ = pipe.take(limit).read_to_end(&mut bytes);
        let _ = send.send(bytes);
    })?;
    Ok(receive)
}

fn complain(status: ExitStatus, complaint: &[u8], limits: &Limits) -> UploadError {
    use std::os::unix::process::ExitStatusExt as _;
    // SIGXCPU and SIGKILL, with which the kernel ends who uses too much CPU time; SIGABRT, with
    // which Rust's allocator ends who may have no more memory.
    match status.signal() {
        Some(24 | 9) => breach(format!("took more than {} seconds of CPU", limits.compile_cpu_seconds)),
        Some(6 | 11) => breach(format!("took more than {} MiB of memory", limits.compile_memory_bytes >> 20)),
        _ => UploadError::Compile(String::from_utf8_lossy(complaint).trim().to_owned()),
    }
}

fn breach(what: String) -> UploadError {
    UploadError::Compile(format!("it {what}"))
}

/// Ends with its parent's interest, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, mostly.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
