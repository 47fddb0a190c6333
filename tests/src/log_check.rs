//! Checks logs for panics, unexpected errors, and secrets that a test planted.

use thiserror::Error;

/// A line that fails a test.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogFault {
    #[error("line {line} tells of a panic: {text}")]
    Panic { line: usize, text: String },
    #[error("line {line} is an error nobody expected: {text}")]
    Error { line: usize, text: String },
    /// The text is left out: it has the secret in it.
    #[error("line {line} holds the secret {name}")]
    Secret { line: usize, name: String },
}

/// The secrets and the expected errors that a log is checked against.
#[derive(Default)]
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct LogCheck {
    secrets: Vec<(String, String)>,
    expected_errors: Vec<String>,
}

impl LogCheck {
    /// A secret that must not appear, with the name to call it by. Secrets under 8 characters would
    /// match by chance.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        debug_assert!(value.len() >= 8, "{name} is too short to search for");
        self.secrets.push((name.into(), value.into()));
        self
    }

    /// Error lines that contain `part` are part of the test.
    #[must_use]
    pub fn expect_error(mut self, part: &str) -> Self {
        self.expected_errors.push(part.into());
        self
    }

    /// Every fault in a log, in the order of its lines.
    pub fn faults(&self, log: &str) -> Vec<LogFault> {
        log.lines().enumerate().filter_map(|(index, text)| self.fault(index + 1, text)).collect()
    }

    fn fault(&self, line: usize, text: &str) -> Option<LogFault> {
        if let Some((name, _)) = self.secrets.iter().find(|(_, value)| text.contains(value)) {
            return Some(LogFault::Secret { line, name: name.clone() });
        }
        if text.contains("panicked at") {
            return Some(LogFault::Panic { line, text: text.into() });
        }
        let expected = self.expected_errors.iter().any(|part| text.contains(part));
        (is_error(text) && !expected).then(|| LogFault::Error { line, text: text.into() })
    }
}

/// Either form of our logs: `"level":"ERROR"` of JSON, or ERROR as a word of its own among the
/// first of a text line.
fn is_error(text: &str) -> bool {
    if text.trim_start().starts_with('{') {
        let without_blanks: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        return without_blanks.contains("\"level\":\"ERROR\"");
    }
    text.split_whitespace().take(3).any(|word| word == "ERROR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_log_has_no_faults() {
        let log =
            "2026-01-01T00:00:00Z  INFO relay: ready\n{\"level\":\"INFO\",\"message\":\"no ERROR here\"}\n";
        assert_eq!(LogCheck::default().faults(log), []);
    }

    #[test]
    fn errors_of_both_formats_are_found() {
        let log = "2026-01-01T00:00:00Z ERROR relay: no disk\n{\"level\": \"ERROR\",\"message\":\"x\"}";
        assert_eq!(LogCheck::default().faults(log).len(), 2);
        assert_eq!(LogCheck::default().expect_error("no disk").faults(log).len(), 1);
    }

    #[test]
    fn a_secret_is_found_and_not_repeated() {
        let faults = LogCheck::default().secret("key", "sk_live_canary").faults("INFO key=sk_live_canary\n");
        assert_eq!(faults, [LogFault::Secret { line: 1, name: "key".into() }]);
        assert!(!faults[0].to_string().contains("canary"));
    }

    #[test]
    fn a_panic_is_found_even_without_a_level() {
        let faults = LogCheck::default().faults("thread 'main' panicked at src/main.rs:1:1:");
        assert!(matches!(faults.as_slice(), [LogFault::Panic { line: 1, .. }]), "{faults:?}");
    }
}
