//! Counts writes at the API server, and the difference of two counts.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::ensure;

use super::exposition;

const METRIC: &str = "apiserver_request_total";
/// The API server's words for requests that change something.
const WRITING: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
/// What others write while no pod starts or ends: the Leases of leaders and nodes, nodes and pods,
/// the endpoints of pods that are ready, Events of the kubelet, and questions that are sent with
/// POST. Everything else is counted, so that no kind of object is forgotten.
const OF_OTHERS: [&str; 8] = [
    "leases",
    "nodes",
    "pods",
    "endpoints",
    "endpointslices",
    EVENTS,
    "tokenreviews",
    "subjectaccessreviews",
];
/// Kinds whose status Kubernetes' controllers write, also when a pod is not ready for a moment.
const STATUS_OF_OTHERS: [&str; 4] = ["deployments", "replicasets", "statefulsets", "poddisruptionbudgets"];
/// The API server's metric does not say who wrote an Event. Those of the operator are listed.
const EVENTS: &str = "events";
/// What is written once for an Agent.
const OF_AGENTS: [&str; 5] = ["agents", "secrets", "events", "configmaps", "serviceaccounts"];
/// What the operator alone writes, also while pods start and end.
const OF_THE_OPERATOR: [&str; 11] = [
    "relays",
    "tenants",
    "agents",
    "secrets",
    "configmaps",
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
    /// From the API server's metrics: requests of all clients, refused ones included. `events` is
    /// the number of Events that the operator has published, each with one request.
    ///
    /// # Errors
    /// Not an API server's metrics.
    pub fn read(text: &str, events: u64) -> anyhow::Result<Self> {
        let samples = exposition::samples(text, METRIC)?;
        ensure!(!samples.is_empty(), "no metric {METRIC}");
        let is_of_others = |resource: &str, subresource: &str| match subresource {
            "token" => true,
            "status" if STATUS_OF_OTHERS.contains(&resource) => true,
            _ => OF_OTHERS.contains(&resource),
        };
        let writing = samples.iter().filter(|sample| {
            WRITING.contains(&sample.label("verb"))
                && !is_of_others(sample.label("resource"), sample.label("subresource"))
        });
        let entries = writing.map(|sample| {
            let resource = match sample.label("subresource") {
                "" => sample.label("resource").to_owned(),
                below => format!("{}/{below}", sample.label("resource")),
            };
            (sample.label("verb"), resource, sample.value)
        });
        let mut writes: Self = entries.collect();
        writes.0.insert(("POST".to_owned(), EVENTS.to_owned()), events);
        Ok(writes)
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

    /// Those of Agents: the Agents, their Secrets and their Events.
    #[must_use]
    pub fn of_agents(&self) -> Self {
        self.only(&OF_AGENTS)
    }

    /// Those of kinds that the operator alone writes. Events are not among them.
    #[must_use]
    pub fn of_the_operator(&self) -> Self {
        self.only(&OF_THE_OPERATOR)
    }

    /// Those of one resource, its subresources included.
    #[must_use]
    pub fn of(&self, resource: &str) -> Self {
        self.only(&[resource])
    }

    /// Those of the status of Relays, Tenants and Agents.
    #[must_use]
    pub fn of_own_status(&self) -> Self {
        let own = self.only(&["relays", "tenants", "agents"]).0;
        Self(own.into_iter().filter(|((_, resource), _)| resource.ends_with("/status")).collect())
    }

    fn only(&self, resources: &[&str]) -> Self {
        let named = |resource: &str| resources.contains(&resource.split('/').next().unwrap_or_default());
        let kept = self.0.iter().filter(|((_, resource), _)| named(resource));
        Self(kept.map(|(key, count)| (key.clone(), *count)).collect())
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

/// `APPLY agents 1000, …`
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

    fn api_server(agents: u32, status: u32, events: u32) -> Writes {
        let text = format!(
            "apiserver_request_total{{code=\"200\",resource=\"agents\",subresource=\"\",verb=\"APPLY\"}} {agents}\n\
             apiserver_request_total{{code=\"409\",resource=\"agents\",subresource=\"\",verb=\"APPLY\"}} 1\n\
             apiserver_request_total{{code=\"200\",resource=\"agents\",subresource=\"status\",verb=\"APPLY\"}} {status}\n\
             apiserver_request_total{{code=\"201\",group=\"\",resource=\"events\",subresource=\"\",verb=\"POST\"}} {status}\n\
             apiserver_request_total{{code=\"200\",group=\"\",resource=\"events\",subresource=\"\",verb=\"PATCH\"}} {agents}\n\
             apiserver_request_total{{code=\"200\",resource=\"tenants\",subresource=\"status\",verb=\"APPLY\"}} {events}\n\
             apiserver_request_total{{code=\"200\",resource=\"agents\",subresource=\"\",verb=\"LIST\"}} 50\n\
             apiserver_request_total{{code=\"200\",resource=\"leases\",subresource=\"\",verb=\"PUT\"}} {agents}\n"
        );
        Writes::read(&text, events.into()).unwrap()
    }

    #[test]
    fn writes_between_two_readings_are_counted_without_our_own() {
        let added = api_server(110, 27, 0).since(&api_server(10, 7, 0)).without("APPLY", "agents", 100);
        assert_eq!(added.to_string(), "APPLY agents/status 20");
        assert!((added.per(10) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn events_of_the_operator_are_writes_of_agents_and_those_of_others_are_none() {
        let added = api_server(0, 1, 2).since(&api_server(0, 0, 0));
        assert_eq!(added.to_string(), "APPLY agents/status 1, APPLY tenants/status 2, POST events 2");
        assert_eq!(added.of_agents().to_string(), "APPLY agents/status 1, POST events 2");
        assert_eq!(added.of_own_status().total(), 3);
        assert_eq!(added.of_the_operator().of("events").total(), 0);
    }

    #[test]
    fn a_page_without_the_metric_is_an_error_and_not_silence() {
        assert_eq!(
            Writes::read("other_total 1\n", 0).unwrap_err().to_string(),
            "no metric apiserver_request_total"
        );
    }

    #[test]
    fn what_controllers_write_about_the_readiness_of_a_pod_is_left_out() {
        let written = |resource: &str, subresource: &str| {
            let labels = format!("resource=\"{resource}\",subresource=\"{subresource}\",verb=\"PUT\"");
            Writes::read(&format!("{METRIC}{{{labels}}} 1\n"), 0).unwrap().since(&Writes::default()).total()
        };
        assert_eq!((written("endpointslices", ""), written("statefulsets", "status")), (0, 0));
        assert_eq!((written("statefulsets", ""), written("services", "status")), (1, 1));
    }

    #[test]
    fn reads_and_leases_are_not_writes_of_the_operator() {
        let same = api_server(10, 7, 3).since(&api_server(10, 7, 3));
        assert_eq!((same.total(), same.to_string().as_str()), (0, "none"));
    }
}
