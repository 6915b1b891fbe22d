use std::{
    convert::Infallible,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

type Reply = Response<Full<Bytes>>;

/// A host on loopback that answers the nth request with `reply(n, request)`.
struct Host {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Host {
    async fn start(reply: impl Fn(usize, http::Request<Incoming>) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, reply) = (Arc::clone(&asked), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&count), Arc::clone(&reply)));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

async fn serve<S, F>(stream: S, count: Arc<AtomicUsize>, reply: Arc<F>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(usize, http::Request<Incoming>) -> Reply + Send + Sync + 'static,
{
    let answer = service_fn(move |request| {
        let reply = reply(count.fetch_add(1, SeqCst), request);
        async move { Ok::<_, Infallible>(reply) }
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let reply = Response::builder().status(status);
    let reply = headers.iter().fold(reply, |reply, (name, value)| reply.header(*name, *value));
    reply.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

fn access(url: &str) -> Access {
    let token = Some("bl_instance_test".parse().unwrap());
    Access { url: url.parse().unwrap(), token, roots: Roots::System, insecure_plaintext: false }
}

fn client(url: &str) -> Client {
    let limits = Limits { attempt: Duration::from_millis(500), answer_bytes: 1024, ..Limits::default() };
    Client::with_limits(access(url), limits).unwrap()
}

#[tokio::test]
async fn an_answer_comes_whole_and_the_token_goes_along() {
    let host = Host::start(|_, request| {
        assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer bl_instance_test");
        reply(200, &[("bootlace-revision", "42")], r#"{"a":1}"#)
    })
    .await;
    let answer = client(&host.url).send(&Request::get(&["v1", "boot"])).await.unwrap();
    assert_eq!(answer.header("bootlace-revision"), Some("42"));
    assert_eq!(answer.json::<serde_json::Value>().unwrap()["a"], 1);
    assert!(matches!(answer.json::<Vec<u8>>(), Err(Error::Unusable { .. })));
}

#[tokio::test]
async fn a_refusal_is_final_and_explained() {
    let body = r#"{"code":"missing-required","title":"Required keys are missing","status":422,"keys":["A"]}"#;
    let host =
        Host::start(move |_, _| reply(422, &[("content-type", "application/problem+json")], body)).await;
    let error = client(&host.url).send(&Request::get(&["v1", "boot"])).await.map(|_| ()).unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!(
        (refusal.status, &refusal.problem.keys[..]),
        (StatusCode::UNPROCESSABLE_ENTITY, &["A".to_owned()][..])
    );
    assert_eq!(host.asked(), 1);
}

#[tokio::test]
async fn what_the_host_put_off_is_asked_again_whatever_the_method() {
    for status in [429, 503] {
        let host = Host::start(move |n, _| match n {
            0 => reply(status, &[("retry-after", "0")], ""),
            _ => reply(200, &[], ""),
        })
        .await;
        client(&host.url).send(&Request::post(&["api"])).await.unwrap();
        assert_eq!(host.asked(), 2);
    }
}

#[tokio::test]
async fn what_the_host_did_not_put_off_is_not_asked_again() {
    for (status, headers) in
        [(503, &[][..]), (500, &[("retry-after", "0")]), (302, &[("location", "/elsewhere")])]
    {
        let host = Host::start(move |_, _| reply(status, headers, "")).await;
        assert!(client(&host.url).send(&Request::get(&["v1", "boot"])).await.is_err());
        assert_eq!(host.asked(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_pause_longer_than_the_patience_is_not_waited_for() {
    let host = Host::start(|_, _| reply(503, &[("retry-after", "86400")], "")).await;
    let error = client(&host.url).send(&Request::get(&["v1", "boot"])).await.map(|_| ()).unwrap_err();
    assert_eq!(error.refusal().unwrap().retry_after, Some(Duration::from_secs(86_400)));
    assert_eq!(host.asked(), 1);
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_sent_again_a_change_with_the_same_key() {
    for (request, has_key) in [(Request::get(&["x"]), false), (Request::delete(&["x"]).if_match(7), true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<parking_lot::Mutex<Vec<Option<String>>>>::default();
        let keys = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut text, mut bytes) = (String::new(), [0; 512]);
                while !text.contains("\r\n\r\n") {
                    let read = stream.read(&mut bytes).await.unwrap();
                    text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
                }
                let key = text.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
                keys.lock().push(key.map(str::to_owned));
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal").await);
            }
        });
        let client = client(&url);
        for sends in 1..=2 {
            let error = client.send(&request).await.map(|_| ()).unwrap_err();
            assert!(matches!(error, Error::Unreachable { sent: true, .. }), "{error}");
            assert_eq!(heard.lock().len(), 4 * sends);
        }
        let heard = heard.lock();
        let (first, second) = heard.split_at(4);
        assert!(heard.iter().all(|key| key.is_some() == has_key), "{heard:?}");
        assert!([first, second].iter().all(|keys| keys.iter().all(|key| *key == keys[0])), "{heard:?}");
        assert!(!has_key || first[0] != second[0], "another request has another key");
    }
}

#[tokio::test]
async fn nobody_listening_and_nobody_answering_are_both_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = client(&url).send(&Request::post(&["x"])).await.map(|_| ()).unwrap_err();
    assert!(matches!(silent, Error::TimedOut { .. }), "{silent}");
    drop(listener);
    let gone = client(&url).send(&Request::post(&["x"])).await.map(|_| ()).unwrap_err();
    assert!(matches!(gone, Error::Unreachable { sent: false, .. }), "{gone}");
    assert!(gone.to_string().contains("refused"), "{gone}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_kept() {
    let host = Host::start(|_, _| reply(200, &[], &"x".repeat(1025))).await;
    let error = client(&host.url).send(&Request::get(&["x"])).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("larger than 1024 bytes"), "{error}");
}

#[tokio::test]
async fn plaintext_to_another_machine_wants_to_be_asked_for() {
    // TEST-NET-1 (RFC 5737): routed nowhere, and refused here before anything is sent.
    let error = client("http://192.0.2.1:9").send(&Request::get(&["x"])).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Plaintext { .. }), "{error}");
}

#[tokio::test]
async fn tls_trusts_the_named_file_and_nobody_else() {
    let named = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(named.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![named.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve(stream, Arc::default(), Arc::new(|_, _| reply(204, &[], ""))));
            }
        }
    });

    for (certificate, trusted) in [(named.cert, true), (other.cert, false)] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(certificate.pem().as_bytes()).unwrap();
        let access = Access { roots: Roots::File(file.path().to_owned()), ..access(&url) };
        let limits = Limits { retries: 0, ..Limits::default() };
        let result = Client::with_limits(access, limits).unwrap().send(&Request::get(&["x"])).await;
        match result {
            Ok(answer) => assert!(trusted && answer.status == StatusCode::NO_CONTENT),
            Err(error) => assert!(!trusted && error.to_string().contains("certificate"), "{error}"),
        }
    }
}

#[test]
fn a_file_without_certificates_trusts_nobody() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let roots = Roots::File(file.path().to_owned());
    assert!(matches!(trust::tls(&roots), Err(BadRoots::Empty { .. })));
    assert!(matches!(trust::tls(&Roots::File("/nowhere".into())), Err(BadRoots::Unreadable { .. })));
}

#[tokio::test]
async fn a_list_is_read_to_its_end_page_by_page() {
    let host = Host::start(|n, request| match (n, request.uri().query()) {
        (0, Some("workspace=acme")) => reply(200, &[], r#"{"all":[1,2],"next":"b/c"}"#),
        (1, Some("workspace=acme&cursor=b%2Fc")) => reply(200, &[], r#"{"all":[3],"next":null}"#),
        // A list that goes on and on without an entry is none.
        (2 | 3, _) => reply(200, &[], r#"{"all":[],"next":"x"}"#),
        other => panic!("{other:?}"),
    })
    .await;
    let (client, request) = (client(&host.url), Request::get(&["x"]).query("workspace", "acme"));
    let whole = client.list(&request, "all").await.unwrap();
    assert_eq!(whole, serde_json::json!({ "all": [1, 2, 3], "next": null }));
    assert!(matches!(client.list(&request, "all").await, Err(Error::Unusable { .. })));
}
