//! Real data services: Debian's PostgreSQL and Redis on free loopback ports, their data in
//! temporary directories, gone when the test is over.

use std::{
    env, fs,
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::program::{Running, finish, until};

/// Set to `1` where the services must be installed, such as in CI: their absence then fails.
const REQUIRED: &str = "BOOTLACE_REQUIRE_SERVICES";
const SUPERUSER: &str = "postgres";
/// Odd on purpose; nobody types it.
const SUPERPASSWORD: &str = "tests' own";

/// A PostgreSQL server that believes nobody without a password (SCRAM-SHA-256).
pub(crate) struct Postgres {
    pub(crate) port: u16,
    psql: PathBuf,
    server: Running,
    _directory: TempDir,
}

impl Postgres {
    /// Nothing, and a word about it, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = postgres_programs() else {
            skip("PostgreSQL", "postgresql");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let (data, password) = (directory.path().join("data"), directory.path().join("password"));
        fs::write(&password, SUPERPASSWORD).unwrap();
        let user = unprivileged();
        for path in [directory.path(), &password] {
            user.owns(path);
        }
        let mut initdb = user.command(&programs.join("initdb"), directory.path());
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&password).args(["-U", SUPERUSER]);
        initdb.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        let made = finish(initdb);
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let port = free_port();
        let mut server = user.command(&programs.join("postgres"), directory.path());
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
        let small = ["shared_buffers=16MB", "max_connections=20"];
        server.args(settings.iter().chain(&small).flat_map(|setting| ["-c", setting]));
        let server = Running(started(&mut server, &directory.path().join("log")));
        let psql = programs.join("psql");
        let mut postgres = Self { port, psql, server, _directory: directory };
        until("PostgreSQL accepts connections", || {
            assert!(postgres.server.0.try_wait().unwrap().is_none(), "{}", postgres.log());
            finish(postgres.superuser("select 1")).status.success()
        });
        Some(postgres)
    }

    /// A database that only its own role may connect to.
    pub(crate) fn create(&self, database: &str, role: &str, password: &str) {
        self.create_role(role, password);
        self.does(&format!("create database \"{database}\" owner \"{role}\""));
        self.does(&format!("revoke connect on database \"{database}\" from public"));
    }

    /// A role that may log in.
    pub(crate) fn create_role(&self, role: &str, password: &str) {
        let password = password.replace('\'', "''");
        self.does(&format!("create role \"{role}\" login password '{password}'"));
    }

    /// What its superuser says.
    pub(crate) fn does(&self, statement: &str) {
        let output = finish(self.superuser(statement));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How its superuser connects.
    pub(crate) fn superuser_url(&self) -> String {
        let password = SUPERPASSWORD.replace('\'', "%27").replace(' ', "%20");
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Where `psql` is.
    pub(crate) fn programs(&self) -> &Path {
        self.psql.parent().unwrap()
    }

    fn superuser(&self, statement: &str) -> Command {
        let mut psql = Command::new(&self.psql);
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", SUPERUSER, "-d", "postgres"]);
        psql.args(["-XAtqc", statement]).env("PGPASSWORD", SUPERPASSWORD).stdin(Stdio::null());
        psql
    }

    fn log(&self) -> String {
        fs::read_to_string(self._directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown: the postmaster takes its children along, which a kill would not.
        if matches!(self.server.0.try_wait(), Ok(None)) {
            self.server.signal(Signal::QUIT);
            let _ = self.server.0.wait();
        }
    }
}

/// A Redis server that wants a password.
pub(crate) struct Redis {
    pub(crate) port: u16,
    _server: Running,
    _directory: TempDir,
}

impl Redis {
    /// A server whose key `whoami` holds `name`; nothing, and a word about it, where Redis is not
    /// installed.
    pub(crate) fn start(password: &str, name: &str) -> Option<Self> {
        let (Some(server), Some(client)) = (on_path("redis-server"), on_path("redis-cli")) else {
            skip("Redis", "redis-server redis-tools");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let (port, user) = (free_port(), unprivileged());
        let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
        let configuration = directory.path().join("redis.conf");
        let text = format!(
            "bind 127.0.0.1\nport {port}\nsave \"\"\nappendonly no\nrequirepass \"{quoted}\"\ndir {}\n",
            directory.path().display()
        );
        fs::write(&configuration, text).unwrap();
        for path in [directory.path(), &configuration] {
            user.owns(path);
        }
        let mut command = user.command(&server, directory.path());
        let mut server = Running(started(command.arg(&configuration), &directory.path().join("log")));
        until("Redis accepts connections", || {
            assert!(server.0.try_wait().unwrap().is_none(), "redis-server ended");
            let mut set = Command::new(&client);
            set.args(["-h", "127.0.0.1", "-p", &port.to_string(), "set", "whoami", name]);
            finish({
                set.env("REDISCLI_AUTH", password).stdin(Stdio::null());
                set
            })
            .stdout
            .starts_with(b"OK")
        });
        Some(Self { port, _server: server, _directory: directory })
    }
}

fn started(command: &mut Command, log: &Path) -> std::process::Child {
    let log = fs::File::create(log).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// Said past the test harness, which swallows what a passing test prints.
pub(crate) fn skip(service: &str, packages: &str) {
    let message = format!("{service} is not installed (Debian: apt-get install {packages})");
    assert!(env::var_os(REQUIRED).is_none_or(|value| value != "1"), "{message}, and {REQUIRED}=1");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {message}");
}

/// Debian keeps the server's programs of each version apart and off the path.
fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    let number = |path: &PathBuf| path.iter().rev().nth(1)?.to_str()?.parse::<u32>().ok();
    found.sort_by_key(number);
    found.extend(on_path("initdb").and_then(|program| Some(program.parent()?.to_owned())));
    let whole = |path: &&PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| path.join(name).exists());
    found.iter().rev().find(whole).cloned()
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// Ports below those that the kernel gives to whoever asks for any: nobody else in these tests
/// takes one between this look and the service's start.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 100) as u16 * 100;
    loop {
        let port = 20_000 + offset + NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_000, "no free port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Who runs the services: PostgreSQL refuses to be root's.
struct User(Option<(u32, u32)>);

fn unprivileged() -> User {
    if !rustix::process::geteuid().is_root() {
        return User(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    User(Some(ids("postgres").or_else(|| ids("nobody")).expect("neither a user postgres nor nobody")))
}

impl User {
    fn owns(&self, path: &Path) {
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).stdin(Stdio::null());
        if let Some((user, group)) = self.0 {
            // As root, this drops the other groups, too.
            command.uid(user).gid(group);
        }
        command
    }
}
