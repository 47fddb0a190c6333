//! The public HTTPS listener: TLS with a certificate that can be renewed, HTTP/1.1, and limits that
//! keep strangers from taking what others need.
//!
//! A connection takes a slot when it is accepted ([`ListenerLimits`]), waits for the client's
//! ClientHello, takes a handshake slot for the computation, and stays pending until its first
//! request. Requests go to an [`axum::Router`] with the connection's [`ConnectionSlot`] as
//! extension.
//!
//! ```no_run
//! # use msg2agent_daemon as daemon;
//! # async fn example(tasks: &daemon::Tasks, registry: &prometheus::Registry) -> Result<(), Box<dyn std::error::Error>> {
//! use daemon::https::{self, Listener, ListenerLimits, ListenerMetrics, ReloadingCertificate, TlsFiles};
//!
//! let metrics = ListenerMetrics::register(registry, "msg2agent_relay")?;
//! let files = TlsFiles { cert: "tls.crt".into(), key: "tls.key".into() };
//! let certificate = ReloadingCertificate::load(files).await?;
//! let listener = Listener {
//!     socket: daemon::listen::bind(daemon::listen::every_address(8443)).await?,
//!     tls: Some(https::server_config(&certificate)?),
//!     router: axum::Router::new(),
//!     metrics: metrics.clone(),
//!     limits: ListenerLimits::new(10_000),
//!     connections: tokio_util::task::TaskTracker::new(),
//! };
//! tasks.spawn_vital("certificate", certificate.watch(metrics, tasks.shutdown().clone()));
//! listener.serve(tasks.shutdown().clone(), std::time::Duration::from_secs(20)).await;
//! # Ok(())
//! # }
//! ```

mod address_share;
mod certificate;
mod connection;
mod handshake;
pub mod limits;
mod listener;
mod metrics;
mod refusal;
mod request_phase;
mod slots;
mod stream;
mod tls;
mod tracked;
mod upgrade;

pub use address_share::ClientNetwork;
pub use certificate::{CertificateError, ReloadingCertificate, TlsFiles};
pub use limits::ListenerLimits;
pub use listener::Listener;
pub use metrics::ListenerMetrics;
pub use slots::ConnectionSlot;
pub use stream::Stream;
pub use tls::server_config;
pub use upgrade::into_stream;
