//! Notes the resourceVersions of everything that the operator writes in the benchmark's namespace,
//! and tells two such states apart.

use std::collections::BTreeMap;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::ListParams;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::{Api, ResourceExt as _};

use super::bench_cluster::BenchCluster;
use super::objects::{self, Kind};
use super::operator;

/// Objects of one page of a list.
const PAGE_MAX: u32 = 500;

/// The state of the namespace.
#[derive(Debug, Default)]
pub struct Versions {
    /// resourceVersion by kind and name.
    objects: BTreeMap<(&'static str, String), String>,
    /// Last change of the condition Ready by Agent.
    ready_since: BTreeMap<String, String>,
    /// All conditions by Agent.
    conditions: BTreeMap<String, String>,
    events: u64,
}

/// What differs between two states.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Kind and name of the objects that were written.
    pub objects: Vec<(&'static str, String)>,
    /// Agents whose condition Ready has changed.
    pub transitions: Vec<String>,
    pub events: u64,
    /// The conditions of the first Agent that was written, before and after.
    pub example: Option<(String, String)>,
}

impl Versions {
    /// # Errors
    /// An error of the API server.
    pub async fn read(cluster: &BenchCluster) -> anyhow::Result<Self> {
        let mut versions = Self::default();
        for (kind, name) in [(Kind::Relay, "Relay"), (Kind::Tenant, "Tenant"), (Kind::Agent, "Agent")] {
            for object in all(&cluster.objects(kind)).await? {
                versions.see(name, &object);
            }
        }
        let secrets = Api::<Secret>::namespaced(cluster.client.clone(), &cluster.namespace);
        for secret in all_metadata(&secrets).await? {
            let version = secret.resource_version().unwrap_or_default();
            versions.objects.insert(("Secret", secret.name_any()), version);
        }
        let events = Api::<Event>::namespaced(cluster.client.clone(), &cluster.namespace);
        versions.events = operator::published_events(&events).await?;
        Ok(versions)
    }

    fn see(&mut self, kind: &'static str, object: &DynamicObject) {
        if let Some(since) = objects::ready_since(object).filter(|_| kind == "Agent") {
            self.ready_since.insert(object.name_any(), since.to_owned());
        }
        if kind == "Agent" {
            self.conditions.insert(object.name_any(), objects::conditions(object));
        }
        self.objects.insert((kind, object.name_any()), object.resource_version().unwrap_or_default());
    }

    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Changes {
        let changed =
            |(key, version): &(&(&'static str, String), &String)| before.objects.get(key) != Some(*version);
        let gone = before.objects.keys().filter(|key| !self.objects.contains_key(key));
        let written = self.objects.iter().filter(changed).map(|(key, _)| key);
        let moved =
            self.ready_since.iter().filter(|(agent, since)| before.ready_since.get(*agent) != Some(since));
        let objects: Vec<_> = written.chain(gone).cloned().collect();
        let agent = objects.iter().find(|(kind, _)| *kind == "Agent").map(|(_, name)| name);
        let conditions = |state: &Self| Some(state.conditions.get(agent?)?.clone());
        Changes {
            transitions: moved.map(|(agent, _)| agent.clone()).collect(),
            events: self.events.saturating_sub(before.events),
            example: conditions(before).zip(conditions(self)),
            objects,
        }
    }
}

async fn all(api: &Api<DynamicObject>) -> anyhow::Result<Vec<DynamicObject>> {
    let (mut found, mut page) = (vec![], ListParams::default().limit(PAGE_MAX));
    loop {
        let list = api.list(&page).await.context("list objects")?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

async fn all_metadata<K>(api: &Api<K>) -> anyhow::Result<Vec<PartialObjectMeta<K>>>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let (mut found, mut page) = (vec![], ListParams::default().limit(PAGE_MAX));
    loop {
        let list = api.list_metadata(&page).await.context("list metadata")?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(version: &str, since: &str, events: u64) -> Versions {
        Versions {
            objects: [(("Agent", "a".to_owned()), version.to_owned())].into(),
            ready_since: [("a".to_owned(), since.to_owned())].into(),
            conditions: BTreeMap::new(),
            events,
        }
    }

    #[test]
    fn a_written_object_a_transition_and_an_event_are_changes() {
        let changes = state("2", "10:01", 3).changes_since(&state("1", "10:00", 1));
        assert_eq!(changes.objects, [("Agent", "a".to_owned())]);
        assert_eq!((changes.transitions, changes.events), (vec!["a".to_owned()], 2));
        assert_eq!(state("1", "10:00", 1).changes_since(&state("1", "10:00", 1)), Changes::default());
    }

    #[test]
    fn an_object_that_is_gone_is_a_change() {
        let changes = Versions::default().changes_since(&state("1", "10:00", 0));
        assert_eq!(changes.objects, [("Agent", "a".to_owned())]);
    }
}
