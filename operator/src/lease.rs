//! Leader election by a Lease: one replica writes at a time.
//!
//! The Lease is written with its resourceVersion, so that only one of two replicas succeeds. A
//! holder counts as gone when its record has not changed for `LEASE_TTL` of the local monotonic
//! clock; clocks of other nodes do not matter. A holder that cannot renew stops writing before
//! another replica may start, see [`WriteFence`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon::Shutdown;
use daemon::error_chain;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::settings::Settings;

mod fence;
mod leadership;
mod lease_action;

pub use fence::{WriteFence, WriteFenceLayer};
pub use leadership::Leadership;
pub use lease_action::LEASE_TTL;
use lease_action::{LeaseAction, ObservedRecord};

/// How long a holder may write after its last renewal. Shorter than `LEASE_TTL`, so that its last
/// request ends before another replica starts.
const WRITE_GRACE: Duration = Duration::from_secs(10);
/// Interval between two attempts to acquire or renew the Lease.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
/// Bounds the requests of one attempt. Two attempts fit into `WRITE_GRACE`, so that one
/// connection that hangs does not cost the lease.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Takes part in the election until shutdown, then releases the Lease.
pub struct Election {
    api: Api<Lease>,
    name: String,
    namespace: String,
    identity: String,
    fence: WriteFence,
    leading: watch::Sender<bool>,
    observed: Mutex<ObservedRecord>,
}

impl Election {
    /// `client` must not be behind the fence, which only a valid Lease opens.
    #[must_use]
    pub fn new(client: Client, settings: &Settings, fence: WriteFence) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            name: settings.lease_name.clone(),
            namespace: settings.namespace.clone(),
            identity: format!("{}_{}", settings.pod_name, uuid::Uuid::new_v4()),
            fence,
            leading: watch::Sender::new(false),
            observed: Mutex::default(),
        }
    }

    /// Whether this replica leads.
    #[must_use]
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.subscribe()
    }

    /// Runs until shutdown. `stopped` ends when the workers have stopped; the Lease is released
    /// after that.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown, stopped: impl Future<Output = ()>) {
        while !shutdown.has_begun() {
            self.attempt().await;
            // Jitter keeps the replicas from sending requests at the same time.
            let interval = RENEWAL_INTERVAL.mul_f64(0.8 + rand::random::<f64>() * 0.4);
            tokio::select! { () = tokio::time::sleep(interval) => {}, () = shutdown.begun() => {} }
        }
        let led = *self.leading.borrow();
        self.leading.send_replace(false);
        stopped.await;
        if led {
            self.release().await;
        }
    }

    async fn attempt(&self) {
        let begun = Instant::now();
        match tokio::time::timeout(REQUEST_TIMEOUT, self.acquire_or_renew()).await {
            Ok(Ok(true)) => {
                // Counted from before the request, because the answer may be late.
                self.fence.allow_until(begun + WRITE_GRACE);
                self.set_leading(true);
            }
            Ok(Ok(false)) => self.stop_leading(),
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "failed to read or renew the lease")
            }
            Err(_) => {
                tracing::warn!(timeout_seconds = REQUEST_TIMEOUT.as_secs(), "the lease request timed out")
            }
        }
        if !self.fence.allows_writes() {
            self.stop_leading();
        }
    }

    fn stop_leading(&self) {
        self.fence.close();
        self.set_leading(false);
    }

    fn set_leading(&self, leads: bool) {
        let changed = self.leading.send_if_modified(|leading| std::mem::replace(leading, leads) != leads);
        if changed {
            tracing::info!(
                lease.holder = self.identity,
                "{}",
                if leads { "started leading" } else { "stopped leading" }
            );
        }
    }

    /// Reads the Lease, and writes it if this replica may. Returns whether it holds the Lease.
    async fn acquire_or_renew(&self) -> Result<bool> {
        let found = self.api.get_opt(&self.name).await.map_err(Error::cluster("read the lease"))?;
        let action = {
            let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
            lease_action::decide(found.as_ref(), &self.identity, &mut observed, Instant::now())
        };
        let written = match action {
            LeaseAction::Wait => return Ok(false),
            LeaseAction::Create => self.api.create(&PostParams::default(), &self.record(None)).await,
            LeaseAction::Renew | LeaseAction::Acquire => {
                self.api.replace(&self.name, &PostParams::default(), &self.record(found.as_ref())).await
            }
        };
        match written {
            Ok(_) => Ok(true),
            // Another replica was faster.
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
            lease_duration_seconds: i32::try_from(LEASE_TTL.as_secs()).ok(),
            acquire_time: if is_ours { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// Releases the Lease, so that the next replica does not have to wait.
    async fn release(&self) {
        self.fence.close();
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
            Ok(Ok(())) => tracing::info!("released the lease"),
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "failed to release the lease; it expires")
            }
            Err(_) => tracing::warn!("releasing the lease timed out; it expires"),
        }
    }
}
