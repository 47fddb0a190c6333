//! Counts writes at the API server, and the difference of two counts.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::ensure;

use super::exposition;

const METRIC: &str = "apiserver_request_total";
/// The API server's words for requests that change something.
const WRITING: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
/// What only the operator writes in a cluster in which nothing else happens. Its Lease, which
/// leader election renews all the time, is not among them, nor are Events.
const OPERATORS: [&str; 10] = [
    "relays",
    "tenants",
    "agents",
    "secrets",
    "services",
    "serviceaccounts",
    "deployments",
    "statefulsets",
    "networkpolicies",
    "poddisruptionbudgets",
];

/// Writes by verb and resource (with subresource).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes(BTreeMap<(String, String), u64>);

impl Writes {
    /// From the API server's metrics: requests of all clients, refused ones included, to what the
    /// operator owns or reports on.
    ///
    /// # Errors
    /// Not an API server's metrics.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let samples = exposition::samples(text, METRIC)?;
        ensure!(!samples.is_empty(), "no metric {METRIC}");
        let writing = samples.iter().filter(|sample| {
            WRITING.contains(&sample.label("verb"))
                && OPERATORS.contains(&sample.label("resource"))
                && sample.label("subresource") != "token"
        });
        let entries = writing.map(|sample| {
            let resource = match sample.label("subresource") {
                "" => sample.label("resource").to_owned(),
                below => format!("{}/{below}", sample.label("resource")),
            };
            (sample.label("verb"), resource, sample.value)
        });
        Ok(entries.collect())
    }

    /// The writes since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let added = self.0.iter().map(|(key, count)| {
            (key.clone(), count.saturating_sub(before.0.get(key).copied().unwrap_or_default()))
        });
        Self(added.filter(|(_, count)| *count > 0).collect())
    }

    /// Takes away what the benchmark itself wrote.
    #[must_use]
    pub fn without(mut self, verb: &str, resource: &str, count: u64) -> Self {
        let key = (verb.to_owned(), resource.to_owned());
        if let Some(counted) = self.0.get_mut(&key) {
            *counted = counted.saturating_sub(count);
        }
        self.0.retain(|_, count| *count > 0);
        self
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per(&self, objects: u32) -> f64 {
        self.total() as f64 / f64::from(objects.max(1))
    }
}

impl<'a> FromIterator<(&'a str, String, f64)> for Writes {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are whole and small"
    )]
    fn from_iter<I: IntoIterator<Item = (&'a str, String, f64)>>(entries: I) -> Self {
        let mut writes = BTreeMap::new();
        for (verb, resource, value) in entries {
            *writes.entry((verb.to_owned(), resource)).or_default() += value as u64;
        }
        Self(writes)
    }
}

/// `apply agents 1000, …`
impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, ((verb, resource), count)) in self.0.iter().enumerate() {
            write!(f, "{}{verb} {resource} {count}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_server(agents: u32, status: u32) -> Writes {
        let text = format!(
            "apiserver_request_total{{code=\"200\",resource=\"agents\",subresource=\"\",verb=\"APPLY\"}} {agents}\n\
             apiserver_request_total{{code=\"409\",resource=\"agents\",subresource=\"\",verb=\"APPLY\"}} 1\n\
             apiserver_request_total{{code=\"200\",resource=\"agents\",subresource=\"status\",verb=\"APPLY\"}} {status}\n\
             apiserver_request_total{{code=\"200\",resource=\"agents\",subresource=\"\",verb=\"LIST\"}} 50\n\
             apiserver_request_total{{code=\"200\",resource=\"leases\",subresource=\"\",verb=\"PUT\"}} 70\n"
        );
        Writes::read(&text).unwrap()
    }

    #[test]
    fn writes_between_two_readings_are_counted_without_our_own() {
        let added = api_server(110, 27).since(&api_server(10, 7)).without("APPLY", "agents", 100);
        assert_eq!(added.to_string(), "APPLY agents/status 20");
        assert!((added.per(10) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_page_without_the_metric_is_an_error_and_not_silence() {
        assert_eq!(
            Writes::read("other_total 1\n").unwrap_err().to_string(),
            "no metric apiserver_request_total"
        );
    }

    #[test]
    fn reads_and_leases_are_not_writes_of_the_operator() {
        let same = api_server(10, 7).since(&api_server(10, 7));
        assert_eq!((same.total(), same.to_string().as_str()), (0, "none"));
    }
}
