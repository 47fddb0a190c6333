//! Who writes: one replica at a time, by a Lease.
//!
//! The Lease is written with its resourceVersion, so of two replicas one loses. Whether a holder is gone is judged by when
//! we last saw its record change, on our own monotonic clock: clocks of other nodes do not matter. A holder that cannot
//! renew stops writing before anybody else may start: [`Gate`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon::Shutdown;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Result, chain};
use crate::settings::Settings;

mod claim;
mod gate;

use claim::{Claim, Seen};
pub use gate::{Gate, GateLayer};

/// How long a record that does not change still counts.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long a holder keeps writing after its last renewal.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease.
const RETRY: Duration = Duration::from_secs(2);
/// One request; shorter than the deadline, so that a hung connection does not cost the lease.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Takes part in the election until shutdown; then gives the Lease back.
pub struct Election {
    api: Api<Lease>,
    name: String,
    namespace: String,
    identity: String,
    gate: Gate,
    leading: watch::Sender<bool>,
    seen: Mutex<Seen>,
}

impl Election {
    /// `client` must not pass the gate: the Lease is what opens it.
    #[must_use]
    pub fn new(client: Client, settings: &Settings, gate: Gate) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            name: settings.lease_name.clone(),
            namespace: settings.namespace.clone(),
            identity: format!("{}_{}", settings.pod_name, uuid::Uuid::new_v4()),
            gate,
            leading: watch::Sender::new(false),
            seen: Mutex::default(),
        }
    }

    /// Whether this replica leads; changes as it does.
    #[must_use]
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.subscribe()
    }

    /// Runs until shutdown. `stopped` ends when the workers have; only then is the Lease given back.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown, stopped: impl Future<Output = ()>) {
        while !shutdown.has_begun() {
            self.round().await;
            // Jitter keeps replicas from knocking together.
            let pause = RETRY.mul_f64(0.8 + rand::random::<f64>() * 0.4);
            tokio::select! { () = tokio::time::sleep(pause) => {}, () = shutdown.begun() => {} }
        }
        let led = *self.leading.borrow();
        self.leading.send_replace(false);
        stopped.await;
        if led {
            self.release().await;
        }
    }

    async fn round(&self) {
        let asked = Instant::now();
        match tokio::time::timeout(REQUEST_TIMEOUT, self.claim()).await {
            Ok(Ok(true)) => {
                // Valid from when we asked, not from when the answer came.
                self.gate.open_until(asked + RENEW_DEADLINE);
                self.set_leading(true);
            }
            Ok(Ok(false)) => self.lose(),
            Ok(Err(error)) => tracing::warn!(error = chain(&error), "failed to renew or read the lease"),
            Err(_) => {
                tracing::warn!(timeout_seconds = REQUEST_TIMEOUT.as_secs(), "the lease request took too long")
            }
        }
        if !self.gate.is_open() {
            self.lose();
        }
    }

    fn lose(&self) {
        self.gate.close();
        self.set_leading(false);
    }

    fn set_leading(&self, leads: bool) {
        let changed = self.leading.send_if_modified(|leading| std::mem::replace(leading, leads) != leads);
        if changed {
            tracing::info!(lease.holder = self.identity, "{}", if leads { "leading" } else { "standing by" });
        }
    }

    /// One look at the Lease, and one write where it is ours to write. `true` when we hold it.
    async fn claim(&self) -> Result<bool> {
        let found = self.api.get_opt(&self.name).await.map_err(Error::cluster("read the lease"))?;
        let claim = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            claim::decide(found.as_ref(), &self.identity, &mut seen, Instant::now())
        };
        let written = match claim {
            Claim::Wait => return Ok(false),
            Claim::Create => self.api.create(&PostParams::default(), &self.record(None)).await,
            Claim::Renew | Claim::Take => {
                self.api.replace(&self.name, &PostParams::default(), &self.record(found.as_ref())).await
            }
        };
        match written {
            Ok(_) => Ok(true),
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(Error::cluster("write the lease")(error)),
        }
    }

    fn record(&self, found: Option<&Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = found.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_ours = before.holder_identity.as_deref() == Some(&self.identity);
        let transitions =
            before.lease_transitions.unwrap_or(0).saturating_add(i32::from(!is_ours && found.is_some()));
        let metadata = found.map_or_else(
            || ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        );
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_ours { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// Gives the Lease back, so that the next replica need not wait.
    async fn release(&self) {
        self.gate.close();
        let released = tokio::time::timeout(REQUEST_TIMEOUT, async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let Some(spec) = lease.spec.as_mut() else { return Ok(()) };
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            self.api.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
        });
        match released.await {
            Ok(Ok(())) => tracing::info!("lease given back"),
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "failed to give the lease back; it runs out by itself")
            }
            Err(_) => tracing::warn!("giving the lease back took too long; it runs out by itself"),
        }
    }
}
