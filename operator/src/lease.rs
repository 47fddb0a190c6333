//! Leader election by a Lease: one replica writes at a time.
//!
//! The Lease is written with its resourceVersion, so that only one of two replicas succeeds. A
//! holder counts as gone when its record has not changed for `LEASE_TTL` of the local monotonic
//! clock; clocks of other nodes do not matter. A holder that cannot renew stops writing before
//! another replica may start, see [`WriteFence`]. A replica whose stores are not synced, or stuck,
//! does not take part, and gives the Lease back if it has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon::Shutdown;
use daemon::error_chain;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use protocol::admin::Term;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::jitter::Jitter;
use crate::settings::Settings;
use crate::watches::SyncState;

mod fence;
mod leadership;
mod lease_action;
mod lease_record;

pub use fence::{WriteFence, WriteFenceLayer};
pub use leadership::Leadership;
pub use lease_action::LEASE_TTL;
use lease_action::{LeaseAction, ObservedRecord};
use lease_record::{LeaseIdentity, term};

/// How long a holder may write after its last renewal. Shorter than `LEASE_TTL`, so that its last
/// request ends before another replica starts.
const WRITE_GRACE: Duration = Duration::from_secs(10);
/// Bounds a write of the client behind the fence, with its repetitions. A write that begins when
/// the fence closes has ended before another replica may lead.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
/// Interval between two attempts to acquire or renew the Lease.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
/// Interval between two attempts after one that failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Bounds the requests of one attempt. Two attempts fit into `WRITE_GRACE`, so that one
/// connection that hangs does not cost the lease.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest factor by which jitter changes an interval, in percent.
const JITTER_PERCENT_MAX: u64 = 120;

const fn jittered_millis(interval: Duration) -> u128 {
    interval.as_millis() * JITTER_PERCENT_MAX as u128 / 100
}

const _: () = assert!(
    WRITE_GRACE.as_millis() + WRITE_TIMEOUT.as_millis() < LEASE_TTL.as_millis(),
    "the last write of a holder must end before another replica may lead"
);
const _: () = assert!(
    jittered_millis(RENEWAL_INTERVAL)
        + REQUEST_TIMEOUT.as_millis()
        + jittered_millis(RETRY_INTERVAL)
        + REQUEST_TIMEOUT.as_millis()
        < WRITE_GRACE.as_millis(),
    "one request that hangs must not cost the lease"
);

/// Called before a term begins, while no worker runs.
pub type BeginTerm = Box<dyn Fn() + Send + Sync>;

/// Takes part in the election until shutdown, then releases the Lease.
pub struct Election {
    api: Api<Lease>,
    identity: LeaseIdentity,
    fence: WriteFence,
    leadership: Arc<Leadership>,
    sync: SyncState,
    clock: Clock,
    jitter: Jitter,
    begin_term: BeginTerm,
    observed: Mutex<ObservedRecord>,
}

/// What an attempt found.
enum Held {
    /// This replica holds the Lease in this term.
    Ours(Term),
    Others,
}

impl Election {
    /// `client` must not be behind the fence, which only a valid Lease opens. `leadership` must
    /// have the same fence.
    #[must_use]
    pub fn new(
        client: Client,
        settings: &Settings,
        (fence, leadership): (WriteFence, Arc<Leadership>),
        sync: SyncState,
        (clock, jitter): (Clock, Jitter),
        begin_term: BeginTerm,
    ) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            identity: LeaseIdentity {
                name: settings.lease_name.clone(),
                namespace: settings.namespace.clone(),
                holder: format!("{}_{}", settings.pod_name, uuid::Uuid::new_v4()),
            },
            fence,
            leadership,
            sync,
            clock,
            jitter,
            begin_term,
            observed: Mutex::default(),
        }
    }

    /// Runs until shutdown. `stopped` tells whether the workers have stopped. Only then is the
    /// Lease released: a request of a worker that did not stop may still be applied.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown, stopped: impl Future<Output = bool>) {
        while !shutdown.has_begun() {
            tokio::select! {
                biased;
                () = shutdown.begun() => {}
                () = self.fence.closed(), if self.leads() => {
                    tracing::warn!("the lease was not renewed in time");
                    self.stop_leading();
                }
                () = self.leadership.resigned() => {
                    tracing::warn!("a relay knows a later term; reading the lease again");
                    self.stop_leading();
                }
                () = self.round() => {}
            }
        }
        // The term goes on while the workers finish what they have.
        let led = self.leads();
        let all_stopped = stopped.await;
        self.stop_leading();
        if led && all_stopped {
            self.release().await;
        }
    }

    /// One attempt, and the pause after it.
    async fn round(&self) {
        let interval = match self.sync.check_all() {
            Ok(()) => self.attempt().await,
            Err(reason) => {
                self.step_down(&reason).await;
                RENEWAL_INTERVAL
            }
        };
        // Jitter keeps the replicas from sending requests at the same time.
        tokio::time::sleep(interval.mul_f64(0.8 + self.jitter.draw() * 0.4)).await;
    }

    /// Tries to acquire or renew the Lease. Returns the interval before the next attempt.
    async fn attempt(&self) -> Duration {
        let begun = Instant::now();
        match tokio::time::timeout(REQUEST_TIMEOUT, self.acquire_or_renew()).await {
            Ok(Ok(Held::Ours(term))) => {
                // Counted from before the request, because the answer may be late.
                self.lead(term, begun + WRITE_GRACE);
                return RENEWAL_INTERVAL;
            }
            Ok(Ok(Held::Others)) => {
                self.stop_leading();
                return RENEWAL_INTERVAL;
            }
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "failed to read or renew the lease");
            }
            Err(_) => {
                let timeout_seconds = REQUEST_TIMEOUT.as_secs();
                tracing::warn!(timeout_seconds, "the lease request timed out");
            }
        }
        RETRY_INTERVAL
    }

    fn leads(&self) -> bool {
        self.leadership.subscribe().borrow().is_some()
    }

    fn lead(&self, term: Term, until: Instant) {
        if self.leads() {
            return self.fence.allow_until(until);
        }
        (self.begin_term)();
        self.fence.allow_until(until);
        self.leadership.set_term(Some(term));
        tracing::info!(lease.holder = self.identity.holder, lease.term = %term, "started leading");
    }

    fn stop_leading(&self) {
        self.fence.close();
        if self.leads() {
            self.leadership.set_term(None);
            tracing::info!(lease.holder = self.identity.holder, "stopped leading");
        }
    }

    /// Gives the Lease back because this replica does not know what is in the cluster.
    async fn step_down(&self, reason: &str) {
        if !self.leads() {
            return;
        }
        tracing::error!(reason, "this replica cannot lead");
        self.stop_leading();
        // A request that is under way may still be applied.
        tokio::time::sleep(WRITE_TIMEOUT).await;
        self.release().await;
    }

    /// Reads the Lease, and writes it if this replica may.
    async fn acquire_or_renew(&self) -> Result<Held> {
        let found = self.api.get_opt(&self.identity.name).await.map_err(Error::cluster("read the lease"))?;
        let action = {
            let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
            let holder = &self.identity.holder;
            lease_action::decide(found.as_ref(), holder, self.leads(), &mut observed, Instant::now())
        };
        let record = self.identity.record(found.as_ref(), action, MicroTime(self.clock.now()));
        let written = match action {
            LeaseAction::Wait => return Ok(Held::Others),
            LeaseAction::Create => self.api.create(&PostParams::default(), &record).await,
            LeaseAction::Renew | LeaseAction::Acquire => {
                self.api.replace(&self.identity.name, &PostParams::default(), &record).await
            }
        };
        match written {
            Ok(lease) => Ok(Held::Ours(term(&lease))),
            // Another replica was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Held::Others),
            Err(error) => Err(Error::cluster("write the lease")(error)),
        }
    }

    /// Releases the Lease, so that the next replica does not have to wait.
    async fn release(&self) {
        self.fence.close();
        let released = tokio::time::timeout(REQUEST_TIMEOUT, async {
            let found = self.api.get_opt(&self.identity.name).await?;
            match self.identity.released(found) {
                Some(lease) => {
                    self.api.replace(&self.identity.name, &PostParams::default(), &lease).await.map(drop)
                }
                None => Ok(()),
            }
        });
        match released.await {
            Ok(Ok(())) => tracing::info!("released the lease"),
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "failed to release the lease; it expires");
            }
            Err(_) => tracing::warn!("releasing the lease timed out; it expires"),
        }
    }
}

#[cfg(test)]
mod tests;
