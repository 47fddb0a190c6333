//! Starts the one cluster that all tests of this suite use.

use std::sync::OnceLock;

use devtools::cluster::Cluster;
use devtools::cluster::record::Record;
use devtools::{image, install_tls_provider, programs};
use msg2agent_tests::test_cluster;

static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();

/// A client of the shared cluster, which is started by the first test that asks.
pub(crate) async fn client() -> anyhow::Result<kube::Client> {
    install_tls_provider();
    let shared =
        tokio::task::spawn_blocking(|| SHARED.get_or_init(|| start().map_err(|error| format!("{error:#}"))));
    match shared.await? {
        Ok(cluster) => cluster.client().await,
        Err(error) => anyhow::bail!("no cluster to test with: {error}"),
    }
}

/// The cluster, where commands can run inside it.
pub(crate) fn built_in() -> Option<&'static Cluster> {
    let cluster = SHARED.get()?.as_ref().ok()?;
    matches!(cluster.record(), Record::BuiltIn { .. }).then_some(cluster)
}

/// Loads the image of the pods. The nodes of an existing cluster that takes none from here must
/// have it.
fn start() -> anyhow::Result<Cluster> {
    let cluster = test_cluster::up("test-cluster")?;
    if cluster.takes_images() {
        let archive = image::PAUSE.build(&programs::folder()?, &cluster.folder().images())?;
        cluster.load(&archive)?;
    }
    Ok(cluster)
}
