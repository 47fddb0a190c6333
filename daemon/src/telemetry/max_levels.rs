//! Maximum log levels of libraries that write secrets at their lower levels. No filter raises them,
//! so that an administrator may turn up the log in an emergency without leaking secrets.

use tracing::{Level, Metadata};

/// The maximum level by crate. At TRACE tungstenite writes the upgrade request with its API key, at
/// DEBUG rmcp writes whole messages; the others write requests and headers, or may do so in their
/// next version.
const MAX_LEVELS: [(&str, Level); 8] = [
    ("h2", Level::INFO),
    ("hyper", Level::INFO),
    ("hyper_util", Level::INFO),
    ("reqwest", Level::INFO),
    ("rmcp", Level::WARN),
    ("rustls", Level::INFO),
    ("tokio_tungstenite", Level::INFO),
    ("tungstenite", Level::INFO),
];

/// Whether the crate that writes this event may write at its level.
pub(super) fn allow(event: &Metadata<'_>) -> bool {
    let library = event.target().split("::").next().unwrap_or_default();
    MAX_LEVELS.iter().find(|(name, _)| *name == library).is_none_or(|(_, maximum)| event.level() <= maximum)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::captured_log::CapturedLog;
    use super::super::{filters, parse_filter};

    fn logged(filter: &str, events: impl FnOnce()) -> String {
        let log = CapturedLog::default();
        let lines = tracing_subscriber::fmt::layer().with_writer(log.clone());
        let subscriber =
            tracing_subscriber::registry().with(lines).with(filters(parse_filter(filter).unwrap()));
        tracing::subscriber::with_default(subscriber, events);
        log.text()
    }

    #[test]
    fn no_filter_raises_a_library_above_its_level() {
        for filter in ["trace", "tungstenite=trace", "trace,tungstenite::handshake::client=trace,rmcp=debug"]
        {
            let log = logged(filter, || {
                tracing::trace!(target: "tungstenite::handshake::client", "Authorization: secret");
                tracing::debug!(target: "rmcp::service", "a secret message");
                tracing::debug!(target: "hyper", "a secret header");
                tracing::warn!(target: "tungstenite", "a warning");
            });
            assert!(!log.contains("secret"), "{filter}: {log}");
            assert!(log.contains("a warning"), "{filter}: {log}");
        }
    }

    #[test]
    fn everything_else_is_as_loud_as_the_filter_says() {
        let log = logged("info,relay=trace", || {
            tracing::trace!(target: "relay::hub", "one");
            tracing::debug!(target: "tungstenite_like", "two");
            tracing::info!(target: "hyper", "three");
        });
        assert!(log.contains("one") && !log.contains("two") && log.contains("three"), "{log}");
    }
}
