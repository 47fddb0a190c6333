//! Waits until the parts of a starting node can be used. It checks them from inside the namespaces.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::{Api, Client};

use crate::{
    cluster::{component::NodePaths, component_config::DNS_READY_PORT, image_import, kubeconfig},
    command::output_of,
    eventually::eventually,
    http_client,
};

/// Far above the seconds each part takes on two cores, so that a busy machine passes.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits for the API server and returns a client with all rights.
pub(super) async fn api_server(paths: &NodePaths<'_>) -> anyhow::Result<Client> {
    let client = kubeconfig::client(&paths.node.join("kubeconfig/admin"), None).await?;
    eventually("the API server is ready", READY_TIMEOUT, async || {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        client.request_text(request).await.context("ask /readyz")
    })
    .await?;
    Ok(client)
}

/// Waits for containerd to answer.
pub(super) async fn containerd() -> anyhow::Result<()> {
    let answers = async || output_of(image_import::ctr().arg("version")).map(drop);
    eventually("containerd answers", READY_TIMEOUT, answers).await
}

/// Waits until pods can be started and names can be resolved.
pub(super) async fn wait(paths: &NodePaths<'_>) -> anyhow::Result<()> {
    let client = kubeconfig::client(&paths.node.join("kubeconfig/admin"), None).await?;
    let nodes = Api::<Node>::all(client.clone());
    eventually("the node is Ready", READY_TIMEOUT, async || {
        let node = nodes.get("node").await?;
        ensure!(is_ready(&node), "conditions: {:?}", node.status.unwrap_or_default().conditions);
        Ok(())
    })
    .await?;
    let accounts = Api::<ServiceAccount>::namespaced(client, "default");
    eventually("the default service account exists", READY_TIMEOUT, async || {
        Ok(accounts.get("default").await?)
    })
    .await?;
    let dns = format!("http://{}:{DNS_READY_PORT}/ready", paths.network.node());
    let answers = async || http_client::get(&dns).await?.error_for_status().map_err(Into::into);
    eventually("the cluster's DNS is ready", READY_TIMEOUT, answers).await.map(drop)
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
