//! The client: a child process with threads of its own, connections that stay open, one request
//! at a time on each. It writes a prepared request and reads up to the answer's end, no more.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::{Contender, Extent, bare::Sample, report::cpu_seconds};

/// What makes this program the client.
pub(crate) const ARGUMENT: &str = "--be-the-client";
const CONNECTIONS_A_THREAD: usize = 16;
/// No answer takes longer; the histogram ends here.
const LONGEST_US: u64 = 10_000_000;

/// One round, as the child is told on its standard input: a token does not belong in arguments.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    address: SocketAddr,
    request: String,
    threads: usize,
    warm: Duration,
    measured: Duration,
}

/// What one round came to.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// What the servers' process used for each request, in microseconds.
    pub(crate) cpu_us: f64,
}

#[derive(Serialize, Deserialize)]
struct Counted {
    seconds: f64,
    latencies_ns: Vec<(u64, u64)>,
}

impl Job {
    pub(crate) fn new(contender: &Contender, threads: usize, extent: &Extent) -> Self {
        Self {
            address: contender.address,
            request: contender.request.clone(),
            threads,
            warm: extent.warm,
            measured: extent.measured,
        }
    }
}

/// Runs one round in a child process.
pub(crate) fn run(job: &Job) -> Round {
    let program = std::env::current_exe().expect("this program");
    let before = cpu_seconds();
    let mut child = Command::new(program)
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let told = serde_json::to_vec(job).expect("plain fields");
    child.stdin.take().expect("a pipe").write_all(&told).expect("the client listens");
    let output = child.wait_with_output().expect("the client ends");
    assert!(output.status.success(), "the client failed");
    let counted: Counted = serde_json::from_slice(&output.stdout).expect("the client's count");
    let mut latency = histogram();
    for (value, count) in counted.latencies_ns {
        latency.record_n(value, count).expect("within the bounds");
    }
    // The warm-up is in the processor time too, in proportion.
    let share = counted.seconds / (counted.seconds + job.warm.as_secs_f64());
    let cpu_us = (cpu_seconds() - before) * share * 1e6 / latency.len() as f64;
    Round { per_second: latency.len() as f64 / counted.seconds, latency, cpu_us }
}

/// The child's whole life.
pub(crate) fn main() {
    let mut told = Vec::new();
    io::stdin().read_to_end(&mut told).expect("a job");
    let job: Job = serde_json::from_slice(&told).expect("a job");
    let (mut all, mut seconds) = (histogram(), 0.0_f64);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..job.threads).map(|_| scope.spawn(|| drive(&job))).collect();
        for one in threads {
            let (latency, took) = one.join().expect("no panic");
            all.add(latency).expect("equal bounds");
            seconds = seconds.max(took);
        }
    });
    let latencies_ns = all.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect();
    let counted = Counted { seconds, latencies_ns };
    serde_json::to_writer(io::stdout(), &counted).expect("the parent listens");
}

/// One thread's connections.
fn drive(job: &Job) -> (Histogram<u64>, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connections = JoinSet::new();
        let warm_until = Instant::now() + job.warm;
        for _ in 0..CONNECTIONS_A_THREAD {
            let request = job.request.clone().into_bytes();
            connections.spawn(connection(job.address, request, warm_until, warm_until + job.measured));
        }
        // Never asleep: a slow server would otherwise pay, at each answer, for waking its client.
        let awake = tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let mut all = histogram();
        while let Some(latency) = connections.join_next().await {
            all.add(latency.expect("no panic")).expect("equal bounds");
        }
        awake.abort();
        (all, warm_until.elapsed().as_secs_f64())
    })
}

async fn connection(
    address: SocketAddr,
    request: Vec<u8>,
    warm_until: Instant,
    until: Instant,
) -> Histogram<u64> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let mut latency = histogram();
    let mut answer = Vec::with_capacity(64 << 10);
    loop {
        let asked = Instant::now();
        if asked >= until {
            return latency;
        }
        stream.write_all(&request).await.expect("the server reads");
        read_answer(&mut stream, &mut answer).await;
        if asked >= warm_until {
            let took = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
            latency.record(took.min(LONGEST_US * 1000)).expect("within the bounds");
        }
    }
}

/// Reads one answer, which must be a 200; returns its head's length.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> usize {
    answer.clear();
    loop {
        let read = stream.read_buf(answer).await.expect("the server answers");
        assert!(read > 0, "the server hung up");
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
        let length = header(&answer[..head], "content-length").and_then(|length| length.parse().ok());
        let whole = head + 4 + length.unwrap_or(0_usize);
        while answer.len() < whole {
            assert!(stream.read_buf(answer).await.expect("the server answers") > 0, "the server hung up");
        }
        return head;
    }
}

/// One answer of `contender`, to be given by the bare server.
pub(crate) fn sample(contender: &Contender) -> Sample {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut answer = Vec::new();
    let head = runtime.block_on(async {
        let mut stream = TcpStream::connect(contender.address).await.expect("a connection");
        stream.write_all(contender.request.as_bytes()).await.expect("the server reads");
        read_answer(&mut stream, &mut answer).await
    });
    let text = std::str::from_utf8(&answer[..head]).expect("a head");
    let mut headers = HeaderMap::new();
    for line in text.lines().skip(1) {
        let (name, value) = line.split_once(": ").expect("a header");
        // hyper adds these itself.
        if !["date", "content-length"].contains(&name) {
            let name: HeaderName = name.parse().expect("a name");
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
    }
    Sample { headers, body: Bytes::copy_from_slice(&answer[head + 4..]), bytes: answer.len() }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.lines();
    lines.filter_map(|line| line.split_once(": ")).find(|(given, _)| *given == name).map(|(_, value)| value)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US * 1000, 3).expect("sound bounds")
}
