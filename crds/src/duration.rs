//! Durations in the resources, written as Kubernetes writes them, such as `24h`, `90m` or `20s`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A duration in hours, minutes and seconds, such as `24h`, `1h30m` or `0s`. Every duration in the
/// resources has this form. The API server enforces it; this type does not check it.
///
/// ```
/// use msg2agent_crds::Duration;
///
/// let overlap = Duration::from("1h30m");
/// assert_eq!(overlap.as_secs(), Some(5_400));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Duration(
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]{1,5}h)?([0-9]{1,4}m)?([0-9]{1,6}s)?$"))]
    String,
);

impl Duration {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The duration in seconds. `None` for a text that is not a duration, which the API server
    /// refuses.
    #[must_use]
    pub fn as_secs(&self) -> Option<u64> {
        // The parser reads an empty text as zero.
        let parsed: kube::core::Duration = Some(&self.0).filter(|text| !text.is_empty())?.parse().ok()?;
        (!parsed.is_negative()).then(|| std::time::Duration::from(parsed).as_secs())
    }
}

impl From<&str> for Duration {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubernetes_reads_them() {
        for (text, seconds) in
            [("0s", Some(0)), ("20s", Some(20)), ("1h30m", Some(5_400)), ("720h", Some(2_592_000))]
        {
            assert_eq!(Duration::from(text).as_secs(), seconds, "{text}");
        }
        for text in ["soon", "-5s", ""] {
            assert_eq!(Duration::from(text).as_secs(), None, "{text}");
        }
    }
}
