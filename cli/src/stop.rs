//! The end of a command that runs until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// From the terminal, which tells child processes too.
    Interrupt,
    Terminate,
}

/// Resolves on SIGINT or SIGTERM; never when neither can be listened to.
pub(crate) async fn requested() -> Stop {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Stop::Interrupt,
        _ = terminate.recv() => Stop::Terminate,
    }
}
