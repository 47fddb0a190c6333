//! Formats an error together with its causes, for the log of a server.
//!
//! The SDK has its own `error::chain`, which the command line tool uses: the SDK stays free of the
//! crates of servers, and this crate depends on no other crate of the workspace.

use std::error::Error;

/// The text of `error` and of each of its causes, joined by `": "`, for one log line.
///
/// ```
/// let cause = std::io::Error::other("the disk is full");
/// let error = std::io::Error::other(cause);
/// assert_eq!(msg2agent_daemon::error_chain(&error), "the disk is full");
/// ```
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to {action}")]
    struct Attempt {
        action: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn the_causes_follow_the_error_in_order() {
        let inner = Attempt { action: "read", source: std::io::Error::other("no such file") };
        let outer = Attempt { action: "start", source: std::io::Error::other(inner) };
        assert_eq!(error_chain(&outer), "failed to start: failed to read: no such file");
    }

    #[test]
    fn an_error_without_a_cause_stands_alone() {
        assert_eq!(error_chain(&std::io::Error::other("no such file")), "no such file");
    }
}
