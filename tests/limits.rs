//! Clients that are too many, too slow or too large are turned away early, and the others do not
//! notice.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::world::{
    Site, blocking,
    http::{Connection, prepared},
    program::{PATIENCE, Premises, Program, Ready, finish},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_turned_away_with_503_while_the_others_are_served() {
    let ready = Ready::new(&["--max-connections", "4"]).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut connection = Connection::open(ready.host.boot).await;
        assert_eq!(ready.boot(&mut connection).await, 200);
        open.push(connection);
    }
    for attempt in 0..50 {
        // As a client does: the request is sent without waiting for anything.
        let mut one_more = Connection::open(ready.host.boot).await;
        let request = prepared("GET", "/v1/boot", Some(&ready.token), &[], Vec::new());
        let answer = one_more.try_send(request).await;
        let answer = answer.unwrap_or_else(|| panic!("attempt {attempt} was cut off without an answer"));
        assert_eq!((answer.status, answer.code().as_str()), (503, "busy"), "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u32>().is_ok());
    }
    for connection in &mut open {
        assert_eq!(ready.boot(connection).await, 200);
    }
    let metrics = ready.metrics().await;
    assert!(metrics.contains("bootlace_connections_refused_total 50\n"), "{metrics}");
    // A place is free again as soon as somebody leaves.
    open.pop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut connection = Connection::open(ready.host.boot).await;
        let request = prepared("GET", "/v1/boot", Some(&ready.token), &[], Vec::new());
        match connection.try_send(request).await {
            Some(answer) if answer.status == 200 => break,
            _ => assert!(Instant::now() < deadline, "no place became free"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_with_its_head_is_cut_off() {
    let ready = Ready::new(&["--head-timeout", "1"]).await;
    let cut = [
        // Says nothing; begins and falls silent; sends a byte now and then.
        cut_off(ready.host.boot, b"", None),
        cut_off(ready.host.boot, b"GET /v1/boot HTTP/1.1\r\nhost: ", None),
        cut_off(ready.host.boot, b"GET /v1/boot HTTP/1.1\r\nx: ", Some(b"y")),
        cut_off(ready.host.admin, b"GET /readyz HTTP/1.1\r\nx: ", Some(b"y")),
    ];
    assert_eq!(ready.host.get("/v1/boot", Some(&ready.token)).await.status, 200, "others are served");
    for (at, cut) in cut.into_iter().enumerate() {
        let (after, said) = blocking(|| cut.join().unwrap()).await;
        assert!(after >= Duration::from_millis(900), "{at}: cut off after {after:?}");
        assert!(after < Duration::from_secs(20), "{at}: held for {after:?}");
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{at}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_sends_its_body_is_cut_off() {
    let ready = Ready::new(&["--head-timeout", "1"]).await;
    let head = format!(
        "POST /v1/boot HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 9\r\n\r\n{{",
        ready.token
    );
    let cut = cut_off(ready.host.boot, head.as_bytes(), None);
    let (after, said) = blocking(|| cut.join().unwrap()).await;
    assert!(after < Duration::from_secs(50), "held for {after:?}, {said}");
    assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_heads_and_bodies_are_refused() {
    let ready = Ready::new(&[]).await;
    let long = "x".repeat(20_000);
    let names: Vec<String> = (0..100).map(|at| format!("x-{at}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
    let path = format!("/v1/boot?region={long}");
    let get =
        |path: &str, headers: &[(&str, &str)]| prepared("GET", path, Some(&ready.token), headers, Vec::new());
    let post = prepared("POST", "/v1/boot", Some(&ready.token), &[], vec![b' '; 1 << 20]);
    for (request, statuses) in [
        (get("/v1/boot", &[("x-long", &long)]), &[431][..]),
        (get("/v1/boot", &many), &[431]),
        (get(&path, &[]), &[414, 431]),
        (post, &[413]),
    ] {
        let mut connection = Connection::open(ready.host.boot).await;
        let what = format!("{} with {} headers", request.method(), request.headers().len());
        let answer = connection.try_send(request).await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    }
    assert_eq!(ready.host.get("/v1/boot", Some(&ready.token)).await.status, 200);
    assert!(ready.metrics().await.contains("bootlace_panics_total 0\n"));
}

/// As clients that do not look for an answer before they have said everything.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_too_much_gets_to_read_why_it_was_refused() {
    let ready = Ready::new(&["--max-bundle", "1"]).await;
    let (boot, admin, operator) = (ready.host.boot, ready.host.admin, ready.operator.clone());
    let large = 16 << 20;
    let sent = |method: &str, path: &str, token: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nif-match: \"1\"\r\ncontent-length: {large}\r\n\r\n"
        )
    };
    let stranger = "bl_operator_x";
    for (address, head, status) in [
        (admin, sent("PUT", "/api/v1/snapshot", stranger), "401"),
        (admin, sent("PUT", "/api/v1/snapshot", &operator), "413"),
        (boot, sent("POST", "/v1/boot", stranger), "401"),
        (boot, sent("POST", "/v1/boot", &ready.token), "413"),
        (boot, "GET /v1/boot HTTP/1.1\r\nx-long: ".to_owned(), "431"),
    ] {
        let answer = blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![b' '; large]).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_limit_on_policies_bites_and_names_itself() {
    let site = Site::starter();
    for (limit, says) in [
        (["--policy-component", "4"], "and may have 4096"),
        (["--policy-chain", "1"], "policies"),
        (["--policy-fuel", "1000"], "fuel"),
    ] {
        let premises = Premises::new(&site);
        let command = premises.command(&limit);
        let host = blocking(|| Program::start(command)).await;
        let operator = premises.operator();
        let answer = host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
        assert_eq!(answer.status, 422, "{limit:?}: {}", answer.text());
        assert!(answer.text().contains(says), "{limit:?}: {}", answer.text());
        assert_eq!(host.get("/readyz", None).await.status, 503, "nothing is served of it");
    }
    let premises = Premises::new(&site);
    let contradiction = premises.command(&["--policy-wall", "50", "--policy-chain-wall", "20"]);
    let output = blocking(|| finish(contradiction)).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--policy-chain-wall is 20 ms"), "{output:?}");
}

/// Sends `first`, then perhaps `more` again and again, and tells when the host had enough and
/// what it said about it.
fn cut_off(
    address: SocketAddr,
    first: &[u8],
    more: Option<&'static [u8]>,
) -> std::thread::JoinHandle<(Duration, String)> {
    let first = first.to_owned();
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let began = Instant::now();
        stream.write_all(&first).unwrap();
        // With something to send, reading is only to notice the end in between.
        let pause = if more.is_some() { Duration::from_millis(100) } else { PATIENCE };
        stream.set_read_timeout(Some(pause)).unwrap();
        let mut said = Vec::new();
        let mut byte = [0; 256];
        while began.elapsed() < PATIENCE {
            match stream.read(&mut byte) {
                Ok(0) => break,
                Ok(length) => said.extend_from_slice(&byte[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if more.is_some_and(|more| stream.write_all(more).is_err()) {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        (began.elapsed(), String::from_utf8_lossy(&said).into_owned())
    })
}

impl Ready {
    async fn boot(&self, connection: &mut Connection) -> u16 {
        let request = prepared("GET", "/v1/boot", Some(&self.token), &[], Vec::new());
        connection.send(request).await.status
    }

    async fn metrics(&self) -> String {
        let mut connection = Connection::open(self.host.admin).await;
        let operator = self.premises.operator();
        let request = prepared("GET", "/metrics", Some(&operator), &[], Vec::new());
        connection.send(request).await.text().to_owned()
    }
}
