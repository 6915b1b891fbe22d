use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
    version::TLS13,
};

/// Who may vouch for a host.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// The machine's own certificate authorities: `SSL_CERT_FILE`, or the first of the usual
    /// bundles. Read as they are rather than shipped inside the binary, where they would age.
    #[default]
    System,
    /// The certificates of this PEM file and nobody else.
    File(PathBuf),
}

/// Why trusted certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// The machine has no bundle where bundles are.
    #[error("no certificate authorities found on this machine; name a PEM file with --ca-cert")]
    NoneFound,
    /// The file cannot be read as PEM.
    #[error("cannot read certificates from {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate that can vouch for anything.
    #[error("no usable certificate in {}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Where Linux distributions and BSDs keep their bundle: Debian and Alpine, Fedora, SUSE, others.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS 1.3 alone: every Bootlace host speaks it.
pub(super) fn tls(roots: &Roots) -> Result<ClientConfig, BadRoots> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider supports TLS 1.3")
        .with_root_certificates(store(roots)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn store(roots: &Roots) -> Result<RootCertStore, BadRoots> {
    let path = match roots {
        Roots::File(path) => path.clone(),
        Roots::System => system_bundle().ok_or(BadRoots::NoneFound)?,
    };
    let unreadable = |source| BadRoots::Unreadable { path: path.clone(), source };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&path).map_err(unreadable)? {
        // A system's bundle may hold a certificate that this TLS library does not take; the
        // others still count.
        drop(store.add(certificate.map_err(unreadable)?));
    }
    if store.is_empty() { Err(BadRoots::Empty { path }) } else { Ok(store) }
}

fn system_bundle() -> Option<PathBuf> {
    let named = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists()).map(Path::to_owned))
}
