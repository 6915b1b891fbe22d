//! TLS on both listeners, and nothing in the clear beyond loopback unless somebody says so in so
//! many words.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::Arc,
};

use rcgen::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};

use crate::world::{
    Site, World, blocking,
    program::{Premises, Program, bootlace, finish},
    small::told,
};

#[tokio::test(flavor = "multi_thread")]
async fn both_listeners_speak_tls_13_and_nothing_less() {
    let ready = Ready::new().await;
    blocking(move || {
        for (address, path, said) in
            [(ready.host.boot, "/livez", "ok\n"), (ready.host.admin, "/readyz", "no snapshot yet")]
        {
            let (answer, version) = ready.get(address, path, None, &TLS13).unwrap();
            assert!(answer.contains(said), "{answer}");
            assert_eq!(version, ProtocolVersion::TLSv1_3);
            assert!(ready.get(address, path, None, &TLS12).is_err(), "TLS 1.2 is not offered");
            let mut plain = TcpStream::connect(address).unwrap();
            plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let mut said = Vec::new();
            let _ = plain.read_to_end(&mut said);
            assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_boots_over_tls_when_it_knows_the_certificate() {
    let ready = Ready::new().await;
    blocking(move || {
        let port = ready.host.boot.port();
        let operator = ready.premises.operator();
        let site = &ready.site;
        let mint = r#"{"kind":"instance","principal":"t","deployment":"checkout","environment":"staging"}"#;
        let minted = ready.send(
            ready.host.admin,
            "POST",
            "/api/v1/tokens?workspace=acme",
            &operator,
            "",
            mint.as_bytes(),
        );
        let token = serde_json::from_str::<serde_json::Value>(&minted).unwrap()["token"].clone();
        let bundle = site.bundle_for_today(&site.directory(), 0);
        let parent = "if-match: \"0\"\r\n";
        let pushed = ready.send(ready.host.admin, "PUT", "/api/v1/snapshot", &operator, parent, &bundle);
        assert!(pushed.contains("\"revision\":1"), "{pushed}");

        let boot = |url: String, certificate: Option<&str>| {
            let mut boot: Command = bootlace();
            boot.env("BOOTLACE_URL", url).env("BOOTLACE_TOKEN", token.as_str().unwrap()).arg("boot");
            if let Some(certificate) = certificate {
                boot.env("BOOTLACE_CA_CERT", ready.premises.path(certificate));
            }
            finish(boot)
        };
        let trusted = boot(format!("https://localhost:{port}"), Some("host.pem"));
        assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
        let body: serde_json::Value = serde_json::from_slice(&trusted.stdout).unwrap();
        assert_eq!(told("staging", &serde_json::from_value(body["env"].clone()).unwrap()), 5);

        ready.premises.write("other.pem", &self_signed().cert.pem());
        for (url, certificate) in [
            (format!("https://localhost:{port}"), None),
            (format!("https://localhost:{port}"), Some("other.pem")),
            (format!("http://127.0.0.1:{port}"), None),
        ] {
            let output = boot(url, certificate);
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            assert!(output.stdout.is_empty());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_too_much_gets_to_read_why_it_was_refused_over_tls_too() {
    let ready = Ready::new().await;
    blocking(move || {
        let (admin, large) = (ready.host.admin, vec![b' '; 16 << 20]);
        let told =
            ready.send(admin, "PUT", "/api/v1/snapshot", "bl_operator_x", "if-match: \"0\"\r\n", &large);
        assert!(told.contains("\"code\":\"unauthenticated\""), "{told}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_beyond_loopback_is_refused_unless_it_is_asked_for() {
    let premises = Premises::new(&Site::small(1));
    for listener in ["--boot", "--admin"] {
        let refusal = blocking(premises.refusal(&[listener, "0.0.0.0:0"])).await;
        assert!(refusal.contains("0.0.0.0:0 is not a loopback address"), "{refusal}");
        assert!(refusal.contains("--tls-cert") && refusal.contains("--insecure-plaintext"), "{refusal}");
    }
    let asked = premises.command(&["--boot", "0.0.0.0:0", "--insecure-plaintext"]);
    let host = blocking(|| Program::start(asked)).await;
    assert!(host.boot.ip().is_unspecified());
    host.kill();
    certify(&premises, &self_signed());
    let (certificate, key) = (premises.path("host.pem"), premises.path("host.key"));
    let tls = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let with_tls = premises.command(&[&["--boot", "0.0.0.0:0"][..], &tls].concat());
    assert!(blocking(|| Program::start(with_tls)).await.boot.ip().is_unspecified());
    // Nor does a client send its token in the clear to another machine.
    let world = World::with(Site::small(1)).await;
    let mut boot = bootlace();
    boot.env("BOOTLACE_URL", "http://192.0.2.1:7300").env("BOOTLACE_TOKEN", world.site.token("staging"));
    boot.arg("boot");
    assert_eq!(blocking(|| finish(boot)).await.status.code(), Some(2));
}

fn self_signed() -> CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

fn certify(premises: &Premises, pair: &CertifiedKey<rcgen::KeyPair>) {
    premises.write("host.pem", &pair.cert.pem());
    premises.write("host.key", &pair.signing_key.serialize_pem());
}

/// A host with TLS, to which nothing was pushed.
struct Ready {
    site: Site,
    premises: Premises,
    host: Program,
    certificate: CertificateDer<'static>,
}

impl Ready {
    async fn new() -> Self {
        let site = Site::small(5);
        let (premises, pair) = (Premises::new(&site), self_signed());
        certify(&premises, &pair);
        let (certificate, key) = (premises.path("host.pem"), premises.path("host.key"));
        let tls = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        let command = premises.command(&tls);
        let host = blocking(|| Program::start(command)).await;
        Self { site, premises, host, certificate: pair.cert.der().clone() }
    }

    fn get(
        &self,
        address: SocketAddr,
        path: &str,
        token: Option<&str>,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<(String, ProtocolVersion)> {
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\r\n");
        self.exchange(address, request.as_bytes(), version)
    }

    /// The body of the answer.
    fn send(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        token: &str,
        more: &str,
        body: &[u8],
    ) -> String {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-length: {}\r\n{more}\r\n",
            body.len()
        );
        let (answer, _) = self.exchange(address, &[head.as_bytes(), body].concat(), &TLS13).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn exchange(
        &self,
        address: SocketAddr,
        request: &[u8],
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<(String, ProtocolVersion)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
        stream.write_all(request)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok((answer, stream.conn.protocol_version().unwrap()))
    }
}
