//! Waits for the signal that stops a long-running command.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShutdownSignal {
    /// SIGINT, which a terminal sends to child processes too.
    Interrupt,
    /// SIGTERM. Windows has no such signal.
    Terminate,
}

/// Waits for SIGINT or SIGTERM; forever if no handler can be installed.
#[cfg(unix)]
pub(crate) async fn received() -> ShutdownSignal {
    use tokio::signal::unix::{SignalKind, signal};
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

/// Waits for Ctrl-C; forever if no handler can be installed.
#[cfg(not(unix))]
pub(crate) async fn received() -> ShutdownSignal {
    match tokio::signal::ctrl_c().await {
        Ok(()) => ShutdownSignal::Interrupt,
        Err(_) => std::future::pending().await,
    }
}
