//! SIGTERM: readiness goes off, what is under way is finished whole, nothing new is taken, and the
//! exit code is 0. And what the host said meanwhile is JSON that holds no secret.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::world::{
    blocking,
    http::Connection,
    program::{Ready, until},
    small::{expected, told},
};

const ENDING: &str = "ending: readiness is off, requests under way are finished";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_whole_when_the_host_is_told_to_end() {
    let mut ready = Ready::new(&["--drain-deadline", "60"]).await;
    let idle = Connection::open(ready.host.boot).await;
    blocking(move || {
        let mut stream = ready.posting();
        ready.host.terminate();
        ready.host.wait_for(ENDING);
        // Nothing new is taken any more, and the old request is still there.
        let address = ready.host.boot;
        until("the listener is closed", || TcpStream::connect(address).is_err());
        stream.write_all(BODY.as_bytes()).unwrap();
        let answer = whole_answer(&mut stream);
        assert!(answer.0.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        let body: serde_json::Value = serde_json::from_str(&answer.1).unwrap();
        let values = serde_json::from_value(body["env"].clone()).unwrap();
        assert_eq!(told("production", &values), 1);
        let began = Instant::now();
        assert_eq!(ready.host.ended().code(), Some(0));
        // Neither the idle connection nor the deadline is waited for.
        assert!(began.elapsed() < Duration::from_secs(30));
    })
    .await;
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_sent_everything_and_says_nothing_more_is_not_waited_for() {
    let mut ready = Ready::new(&["--drain-deadline", "3"]).await;
    blocking(move || {
        let mut idle = ready.posting();
        idle.write_all(BODY.as_bytes()).unwrap();
        let mut answer = [0; 15];
        idle.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        // Nor who was refused with a body that is there and that nobody reads: that connection ends at once.
        let mut refused = TcpStream::connect(ready.host.boot).unwrap();
        refused
            .write_all(b"POST /v1/boot HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}")
            .unwrap();
        let mut answer = String::new();
        refused.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");
        drop(refused);
        ready.host.terminate();
        assert_eq!(ready.host.ended().code(), Some(0));
        let log = ready.host.rest_of_log();
        assert!(!log.iter().any(|line| line.contains("connections were still busy")), "{log:#?}");
        drop(idle);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_goes_off_before_the_listeners_do() {
    // Longer than a busy machine takes for what follows; nobody waits for its end.
    let mut ready = Ready::new(&["--drain-notice", "60"]).await;
    assert_eq!(ready.host.get("/readyz", None).await.status, 200);
    ready.host.terminate();
    let host = blocking(|| {
        ready.host.wait_for(ENDING);
        ready.host
    })
    .await;
    let refused = host.get("/readyz", None).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "not-ready"));
    let boot = host.get("/v1/boot", Some(&ready.token)).await;
    assert_eq!(boot.status, 200, "who comes before the load balancer noticed is served");
    blocking(|| host.kill()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_holds_the_end_up_for_the_deadline_at_most() {
    let mut ready = Ready::new(&["--drain-deadline", "1"]).await;
    blocking(move || {
        let mut stalled = ready.posting();
        ready.host.terminate();
        let began = Instant::now();
        assert_eq!(ready.host.ended().code(), Some(0));
        assert!(began.elapsed() >= Duration::from_millis(900), "it got the time that it was promised");
        let mut rest = Vec::new();
        let _ = stalled.read_to_end(&mut rest);
        assert!(rest.is_empty(), "a cut connection brings no half of an answer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_and_holds_neither_tokens_nor_values() {
    let ready = Ready::new(&["--log", "trace"]).await;
    let Ready { mut host, token, operator, .. } = ready;
    for query in ["", "?format=docker", "?environment=staging", "?region=eu"] {
        host.get(&format!("/v1/boot{query}"), Some(&token)).await;
    }
    host.get("/v1/boot", Some("bl_instance_garbage")).await;
    host.push(b"no bundle", 1, &operator).await;
    host.terminate();
    let (host, rest) = blocking(move || {
        assert_eq!(host.ended().code(), Some(0));
        let rest = host.rest_of_log();
        (host, rest)
    })
    .await;
    assert!(rest.iter().any(|line| line.contains(ENDING)));
    let secrets = expected("production", 1);
    let secret = |name: &str| secrets[name].clone();
    let hidden = [token, operator, "garbage".into(), secret("DB_PASSWORD"), secret("DATABASE_URL")];
    let early = host.log.iter().map(ToString::to_string);
    for line in early.chain(rest) {
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|field| parsed[field].is_string()), "{line}");
        assert!(!hidden.iter().any(|hidden| line.contains(hidden)), "{line}");
    }
}

const BODY: &str = r#"{"region":"eu-west-1"}"#;

impl Ready {
    /// A boot that the host is reading: it has asked for the body, and waits for it.
    fn posting(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.host.boot).unwrap();
        let length = BODY.len();
        let head = format!(
            "POST /v1/boot HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = [0; 25];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }
}

/// Head and body, the body as long as the head says, and then the end.
fn whole_answer(stream: &mut TcpStream) -> (String, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert_eq!(length.parse(), Ok(body.len()), "truncated");
    (head.to_owned() + "\r\n", body.to_owned())
}
