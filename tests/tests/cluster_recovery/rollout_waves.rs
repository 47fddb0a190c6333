//! Tests that a change by the operator itself, as an upgrade brings it, restarts relays before
//! their endpoints and never more workloads at a time than the budget says, and that a wrong image
//! stays at the first of them and heals.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::{Relay, Tenant, label};
use devtools::eventually::eventually;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use msg2agent_tests::custom_resources::{RELAY, TENANT, apply, becomes_ready};
use msg2agent_tests::installed_operator::{OPERATOR, OPERATOR_NAMESPACE, in_installed};
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::{alone, rolled_out};
use serde_json::json;

/// Both operators are replaced, and six pods restart one after the other.
const ROLLOUT_TIMEOUT: Duration = Duration::from_secs(300);
const SECOND_RELAY: &str = "second";
const PULL_SECRETS: &str = "MSG2AGENT_OPERATOR_IMAGE_PULL_SECRETS";
const BUDGET: &str = "MSG2AGENT_OPERATOR_ROLLOUT_BUDGET";
const IMAGE: &str = "MSG2AGENT_OPERATOR_MCP_SERVER_IMAGE";
const DEFAULT_IMAGE: &str = "localhost/msg2agent-mcp-server:dev";
/// Each endpoint with its relay.
const ENDPOINTS: [(&str, &str); 4] =
    [("alice-mcp", RELAY), ("bob-mcp", RELAY), ("carol-mcp", SECOND_RELAY), ("dave-mcp", SECOND_RELAY)];

#[tokio::test]
async fn an_upgrade_restarts_relays_before_their_endpoints_and_one_workload_at_a_time() {
    let _alone = alone().await.unwrap();
    in_installed("rollout-waves", async |namespace| {
        relays_and_endpoints(&namespace).await?;
        let before = Workloads::read(&namespace).await?;
        settings(&namespace.client, &[(PULL_SECRETS, "of-the-next-version"), (BUDGET, "1")]).await?;
        let outcome = async {
            let order = follow(&namespace, &before).await?;
            a_wrong_image_stays_at_one_endpoint(&namespace).await?;
            anyhow::Ok(order)
        };
        let outcome = outcome.await;
        settings(&namespace.client, &[(PULL_SECRETS, ""), (BUDGET, "10"), (IMAGE, DEFAULT_IMAGE)]).await?;
        rolled_out(&namespace.client).await?;
        let order = outcome?;
        for (endpoint, relay) in ENDPOINTS {
            let position = |wanted: &str| order.iter().position(|name| name == wanted);
            ensure!(position(relay) < position(endpoint), "{relay} before {endpoint}: {order:?}");
            becomes_ready(&namespace, agent_of(endpoint)?).await?;
        }
        eventually("the wrong image is put right", ROLLOUT_TIMEOUT, async || {
            let now = Workloads::read(&namespace).await?;
            let broken: Vec<_> = now.0.iter().filter(|(_, found)| !found.is_settled).collect();
            ensure!(broken.is_empty(), "{broken:?}");
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

/// An image that does not start is given to one endpoint. The others keep what they have.
async fn a_wrong_image_stays_at_one_endpoint(namespace: &TestNamespace) -> anyhow::Result<()> {
    let before = Workloads::read(namespace).await?;
    settings(&namespace.client, &[(IMAGE, "localhost/msg2agent-mcp-server:nope")]).await?;
    eventually("an endpoint waits for an image that is not there", ROLLOUT_TIMEOUT, async || {
        let waiting = waiting(namespace).await?;
        ensure!(waiting.iter().any(|reason| reason == "ImagePullBackOff"), "{waiting:?}");
        Ok(())
    })
    .await?;
    let now = Workloads::read(namespace).await?;
    let changed: Vec<_> = now.0.iter().filter(|(name, found)| before.differs(name, found)).collect();
    ensure!(changed.len() == 1, "{changed:?}");
    Ok(())
}

/// Why containers of the namespace wait.
async fn waiting(namespace: &TestNamespace) -> anyhow::Result<Vec<String>> {
    let pods = namespace.api::<Pod>().list(&ListParams::default()).await?;
    let statuses = pods.items.into_iter().filter_map(|pod| pod.status?.container_statuses).flatten();
    Ok(statuses.filter_map(|status| status.state?.waiting?.reason).collect())
}

async fn relays_and_endpoints(namespace: &TestNamespace) -> anyhow::Result<()> {
    for (relay, tenant) in [(RELAY, TENANT), (SECOND_RELAY, SECOND_RELAY)] {
        let domain = format!("{relay}.example.com");
        apply::<Relay>(namespace, relay, json!({"domain": domain})).await?;
        apply::<Tenant>(namespace, tenant, json!({"relayRef": {"name": relay}})).await?;
    }
    for (endpoint, relay) in ENDPOINTS {
        let tenant = if relay == RELAY { TENANT } else { SECOND_RELAY };
        let spec = json!({"tenantRef": {"name": tenant}, "mcp": {"enabled": true}});
        apply::<crds::Agent>(namespace, agent_of(endpoint)?, spec).await?;
    }
    for (endpoint, _) in ENDPOINTS {
        becomes_ready(namespace, agent_of(endpoint)?).await?;
    }
    Ok(())
}

fn agent_of(endpoint: &str) -> anyhow::Result<&str> {
    endpoint.strip_suffix("-mcp").context("the name of an endpoint")
}

/// Gives the operators other settings, which are in the pods of every workload, as an upgrade does.
async fn settings(client: &Client, variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let variables = variables.iter().map(|(name, value)| json!({"name": name, "value": value}));
    let variables: Vec<_> = variables.collect();
    let containers = json!([{"name": "operator", "env": variables}]);
    let change = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let deployments = Api::<Deployment>::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let change = Patch::Strategic(change);
    deployments.patch(OPERATOR, &PatchParams::default(), &change).await.context("change the operator")?;
    Ok(())
}

/// Looks at the workloads until all have restarted and serve. Returns the order in which they got
/// the new template.
async fn follow(namespace: &TestNamespace, before: &Workloads) -> anyhow::Result<Vec<String>> {
    let mut order: Vec<String> = Vec::new();
    let mut violation = None;
    eventually("every workload has restarted", ROLLOUT_TIMEOUT, async || {
        let now = Workloads::read(namespace).await?;
        let started = now.0.iter().filter(|(name, found)| before.differs(name, found));
        let new: Vec<_> =
            started.map(|(name, _)| name.clone()).filter(|name| !order.contains(name)).collect();
        order.extend(new);
        let restarting: Vec<_> =
            now.0.iter().filter(|(_, found)| !found.is_settled).map(|(name, _)| name).collect();
        if restarting.len() > 1 {
            violation.get_or_insert(format!("{restarting:?} restart at the same time"));
        }
        ensure!(violation.is_some() || restarting.is_empty() && order.len() == now.0.len(), "{order:?}");
        Ok(())
    })
    .await?;
    match violation {
        Some(violation) => Err(anyhow::anyhow!(violation)),
        None => Ok(order),
    }
}

/// A relay or an endpoint.
#[derive(Debug)]
struct Workload {
    template: String,
    /// Whether every pod has the current template and serves.
    is_settled: bool,
}

struct Workloads(BTreeMap<String, Workload>);

impl Workloads {
    async fn read(namespace: &TestNamespace) -> anyhow::Result<Self> {
        let sets = namespace.api::<StatefulSet>().list(&ListParams::default()).await?;
        let workload = |set: StatefulSet| {
            let template = set.annotations().get(label::TEMPLATE_HASH).cloned().unwrap_or_default();
            let status = set.status.clone().unwrap_or_default();
            let is_settled = status.observed_generation == set.metadata.generation
                && status.updated_replicas == Some(1)
                && status.available_replicas == Some(1);
            (set.name_any(), Workload { template, is_settled })
        };
        let found: BTreeMap<_, _> = sets.items.into_iter().map(workload).collect();
        ensure!(found.len() == ENDPOINTS.len() + 2, "{:?}", found.keys());
        Ok(Self(found))
    }

    fn differs(&self, name: &str, now: &Workload) -> bool {
        self.0.get(name).is_none_or(|before| before.template != now.template)
    }
}
