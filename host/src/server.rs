//! Both listeners of a host, running: what `bootlace serve`, the demo and the tests start.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::Request;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::{
    admin,
    host::{Host, Undeletable},
    serve::{
        self,
        listener::{self, ListenerLimits},
    },
};

/// How often it is written down how far the ledger has come.
const LEDGER_INTERVAL: Duration = Duration::from_secs(1);
/// How often what expired is looked for. An environment stops serving at its second, whenever that is.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Where and how to listen.
#[derive(Clone)]
pub struct ServerSettings {
    /// Where instances boot.
    pub boot: SocketAddr,
    /// Where tenants and operators work.
    pub admin: SocketAddr,
    /// TLS on both listeners.
    pub tls: Option<TlsAcceptor>,
    /// Listen in the clear on addresses that are not loopback.
    pub insecure_plaintext: bool,
    /// Bounds of each listener.
    pub limits: ListenerLimits,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Tokens and secrets would cross a network in the clear.
    #[error(
        "{0} is not a loopback address, and without TLS everyone on the way could read tokens and secrets; \
         give --tls-cert and --tls-key, or say --insecure-plaintext"
    )]
    Plaintext(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A server that runs until it is stopped.
pub struct Server {
    /// Where instances boot; the port that was taken, where 0 was asked for.
    pub boot: SocketAddr,
    /// Where tenants and operators work.
    pub admin: SocketAddr,
    host: Arc<Host>,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 4],
}

impl Server {
    /// Binds both listeners and serves `host` on them.
    ///
    /// # Errors
    /// When an address cannot be bound, or would be served in the clear by accident.
    pub async fn start(host: Arc<Host>, settings: ServerSettings) -> Result<Self, ListenError> {
        let (boot_listener, boot) = bind(settings.boot, &settings).await?;
        let (admin_listener, admin) = bind(settings.admin, &settings).await?;
        let (stop, stopped) = watch::channel(false);
        let answering = Arc::clone(&host);
        let sweeping = sweep(Arc::clone(&host), stopped.clone());
        let noting = note_ledger(Arc::clone(&host), stopped.clone());
        let boots = listener::run(
            boot_listener,
            settings.tls.clone(),
            settings.limits,
            Arc::clone(&host.metrics),
            stopped.clone(),
            move |peer, request| serve::answer(Arc::clone(&answering), peer, request),
        );
        let router = admin::router(Arc::clone(&host));
        let controls = listener::run(
            admin_listener,
            settings.tls,
            settings.limits,
            Arc::clone(&host.metrics),
            stopped,
            move |_, request: Request<serve::Sent>| {
                let router = router.clone();
                async move {
                    let answered = router.oneshot(request.map(axum::body::Body::new));
                    match answered.await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    }
                }
            },
        );
        let tasks =
            [tokio::spawn(boots), tokio::spawn(controls), tokio::spawn(sweeping), tokio::spawn(noting)];
        Ok(Self { boot, admin, host, stop, tasks })
    }

    /// Turns readiness off, waits `notice` for load balancers to see it, then finishes what is
    /// under way and takes nothing new.
    pub async fn stop(self, notice: Duration) {
        self.host.drain();
        tokio::time::sleep(notice).await;
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        if let Err(error) = self.host.audit.checkpoint() {
            tracing::error!(error = %error, "the audit log's last checkpoint could not be written");
        }
    }
}

/// Records what the audit log did not take and deletes what expired, every now and then, until it is stopped.
async fn sweep(host: Arc<Host>, mut stopped: watch::Receiver<bool>) {
    let mut undeletable = Undeletable::default();
    while timeout(SWEEP_INTERVAL, stopped.changed()).await.is_err() {
        let host = Arc::clone(&host);
        let swept = tokio::task::spawn_blocking(move || {
            host.record_unrecorded();
            host.delete_expired(&mut undeletable);
            host.advance_promotions();
            undeletable
        });
        undeletable = swept.await.unwrap_or_default();
    }
}

/// Keeps up with the ledger, and writes down where it ended.
async fn note_ledger(host: Arc<Host>, mut stopped: watch::Receiver<bool>) {
    loop {
        let is_over = timeout(LEDGER_INTERVAL, stopped.changed()).await.is_ok();
        let host = Arc::clone(&host);
        let _ = tokio::task::spawn_blocking(move || host.note_ledger()).await;
        if is_over {
            return;
        }
    }
}

async fn bind(
    address: SocketAddr,
    settings: &ServerSettings,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    if settings.tls.is_none() && !address.ip().is_loopback() && !settings.insecure_plaintext {
        return Err(ListenError::Plaintext(address));
    }
    let failed = |source| ListenError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
