//! Libraries whose lower levels write what nobody may read in a log, and the level each is held to. No filter raises it:
//! whoever turns the log up in an emergency must not have to think of the secrets in it.

use tracing::{Level, Metadata};

/// By crate. At TRACE tungstenite writes the upgrade request with its API key, at DEBUG rmcp whole messages; the others
/// write requests and headers there, or may with their next version.
const CAPS: [(&str, Level); 8] = [
    ("h2", Level::INFO),
    ("hyper", Level::INFO),
    ("hyper_util", Level::INFO),
    ("reqwest", Level::INFO),
    ("rmcp", Level::WARN),
    ("rustls", Level::INFO),
    ("tokio_tungstenite", Level::INFO),
    ("tungstenite", Level::INFO),
];

/// Whether the crate that writes this may, at this level.
pub(super) fn allow(event: &Metadata<'_>) -> bool {
    let library = event.target().split("::").next().unwrap_or_default();
    CAPS.iter().find(|(name, _)| *name == library).is_none_or(|(_, most)| event.level() <= most)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::{filters, parse_filter};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(filter: &str, events: impl FnOnce()) -> String {
        let log = Log::default();
        let lines = tracing_subscriber::fmt::layer().with_writer(log.clone());
        let subscriber =
            tracing_subscriber::registry().with(lines).with(filters(parse_filter(filter).unwrap()));
        tracing::subscriber::with_default(subscriber, events);
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
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
