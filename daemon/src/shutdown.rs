//! Graceful shutdown: SIGTERM or SIGINT begins it, and every part of the process waits for it and
//! drains.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal, as shells report a death by SIGINT.
const SECOND_SIGNAL_STATUS: i32 = 130;

/// A signal that begins once. Cheap to clone; clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that begins at the first SIGTERM or SIGINT. A second signal ends the process at
    /// once, without draining.
    ///
    /// # Errors
    /// The operating system refuses the signal handlers.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let begun = shutdown.clone();
        // Ends with the process; owned by the runtime.
        tokio::spawn(async move {
            let name = tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
            tracing::info!(signal = name, "shutting down");
            begun.begin();
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::warn!("second signal: the process ends without draining");
            std::process::exit(SECOND_SIGNAL_STATUS);
        });
        Ok(shutdown)
    }

    pub fn begin(&self) {
        self.0.cancel();
    }

    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when shutdown begins, or at once if it has begun.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }
}

/// Runs `work` for at most `grace`. When the time is over, logs a warning with `name` and returns
/// `None`.
pub async fn within<T>(grace: Duration, name: &'static str, work: impl Future<Output = T>) -> Option<T> {
    match tokio::time::timeout(grace, work).await {
        Ok(value) => Some(value),
        Err(_) => {
            let grace_seconds = grace.as_secs_f64();
            tracing::warn!(
                step = name,
                grace_seconds,
                "{name} did not end in {grace_seconds} s; going on without it"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_begins_together_and_stays_begun() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.has_begun());
        shutdown.begin();
        other.begun().await;
        other.begun().await;
        assert!(other.has_begun());
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_step_is_left_behind_at_its_deadline() {
        let grace = Duration::from_secs(3);
        assert_eq!(within(grace, "quick", async { 7 }).await, Some(7));
        assert_eq!(within(grace, "stuck", std::future::pending::<()>()).await, None);
    }
}
