//! Finds and kills the process in the one pod of a test's relay.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::name::RELAY_HEALTH_PORT;
use devtools::eventually::eventually;
use devtools::pod_process::PodProcess;
use msg2agent_tests::namespace::TestNamespace;

/// The name of the first pod of the relay's StatefulSet.
pub(crate) const NAME: &str = "main-0";

/// From the end of the process to the start of the next: the kubelet looks every second.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn process(namespace: &TestNamespace) -> anyhow::Result<PodProcess> {
    PodProcess::of(&namespace.client, &namespace.name, NAME).await
}

/// Kills the relay's process and waits until the kubelet has started another in the same pod.
pub(crate) async fn kill(namespace: &TestNamespace) -> anyhow::Result<()> {
    let killed = process(namespace).await?;
    killed.kill()?;
    eventually("the kubelet starts the relay again", RESTART_TIMEOUT, async || {
        let now = process(namespace).await?;
        ensure!(now.restarts == killed.restarts + 1, "{} restarts", now.restarts);
        Ok(())
    })
    .await
}

/// The text of its metrics, through the API server.
pub(crate) async fn metrics(namespace: &TestNamespace) -> anyhow::Result<String> {
    let path = format!("/api/v1/namespaces/{}/pods/{NAME}:{RELAY_HEALTH_PORT}/proxy/metrics", namespace.name);
    let request = http::Request::get(path).body(Vec::new())?;
    namespace.client.request_text(request).await.context("read the relay's metrics")
}
