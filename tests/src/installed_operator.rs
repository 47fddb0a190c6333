//! Installs both charts for the suites that test a running operator. The suites run one after the
//! other and share the cluster; the first test that asks installs it.

use std::{sync::OnceLock, time::Duration};

use anyhow::ensure;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::ListParams};

use devtools::cluster::Cluster;
pub use devtools::demo::OPERATOR_NAMESPACE;
use devtools::eventually::eventually;
use devtools::{demo, install_tls_provider};

use crate::namespace::{TestNamespace, in_namespace};
use crate::test_cluster;

/// The operator's Deployment and its Lease have the same name.
pub const OPERATOR: &str = "msg2agent-operator";

/// Longest wait for an operator that leads: both replicas were restarted, and a lease has to
/// expire.
const LEADER_TIMEOUT: Duration = Duration::from_secs(60);

static INSTALLED: OnceLock<Result<Cluster, String>> = OnceLock::new();

/// Runs a test in a new namespace, once an operator leads.
pub async fn in_installed(
    name: &str,
    test: impl AsyncFnOnce(TestNamespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let client = client().await?;
    leader(&client).await?;
    in_namespace(client, name, test).await
}

/// A client of the cluster, which is started and gets the charts when it has not.
pub async fn client() -> anyhow::Result<Client> {
    cluster().await?.client().await
}

/// The cluster itself, for programs that need its kubeconfig.
pub async fn cluster() -> anyhow::Result<&'static Cluster> {
    install_tls_provider();
    let installed = tokio::task::spawn_blocking(|| {
        INSTALLED.get_or_init(|| start().map_err(|error| format!("{error:#}")))
    });
    installed.await?.as_ref().map_err(|error| anyhow::anyhow!("no operator to test: {error}"))
}

/// The holder of the operator's Lease, as `<pod>_<id>`. Waits until there is one.
pub async fn leader(client: &Client) -> anyhow::Result<String> {
    let leases = Api::<Lease>::all(client.clone());
    let named = ListParams::default().fields(&format!("metadata.name={OPERATOR}"));
    eventually("an operator leads", LEADER_TIMEOUT, async || {
        let found = leases.list(&named).await?;
        let mut holders = found.items.into_iter().filter_map(|lease| lease.spec?.holder_identity);
        let holder = holders.find(|holder| !holder.is_empty());
        ensure!(holder.is_some(), "no Lease {OPERATOR} has a holder");
        Ok(holder.unwrap_or_default())
    })
    .await
}

fn start() -> anyhow::Result<Cluster> {
    let cluster = test_cluster::up("operator-cluster")?;
    demo::install_product(&cluster)?;
    Ok(cluster)
}
