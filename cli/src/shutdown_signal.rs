//! Waits for the signal that stops a long-running command.

use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShutdownSignal {
    /// SIGINT, which a terminal sends to child processes too.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Waits for SIGINT or SIGTERM; forever if no handler can be installed.
pub(crate) async fn received() -> ShutdownSignal {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => ShutdownSignal::Interrupt,
        _ = terminate.recv() => ShutdownSignal::Terminate,
    }
}
