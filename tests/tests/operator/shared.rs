//! The cluster of this suite, with the charts installed by the first test that asks.

use std::sync::OnceLock;

use msg2agent_tests::cluster::{self, Cluster};
use msg2agent_tests::{demo, install_tls_provider, repository};

static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();

pub(crate) async fn client() -> anyhow::Result<kube::Client> {
    install_tls_provider();
    let shared =
        tokio::task::spawn_blocking(|| SHARED.get_or_init(|| start().map_err(|error| format!("{error:#}"))));
    match shared.await? {
        Ok(cluster) => cluster.client().await,
        Err(error) => anyhow::bail!("no operator to test: {error}"),
    }
}

fn start() -> anyhow::Result<Cluster> {
    let folder = cluster::open_folder(Some(&repository().join("target/operator-cluster")))?;
    let cluster = Cluster::up(folder)?;
    demo::install_product(&cluster)?;
    Ok(cluster)
}
