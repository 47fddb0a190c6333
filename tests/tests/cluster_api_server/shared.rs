//! The one cluster all tests of this binary use.

use std::{path::PathBuf, sync::OnceLock};

use devtools::{
    cluster::{self, Cluster, kubeconfig},
    image, install_tls_provider, programs, repository,
};

enum Shared {
    /// Of the caller; images were loaded by the caller as well.
    Given(PathBuf),
    Ours(Cluster),
}

static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();

/// A client of the shared cluster, which is started by the first test that asks.
pub(crate) async fn client() -> anyhow::Result<kube::Client> {
    install_tls_provider();
    let shared =
        tokio::task::spawn_blocking(|| SHARED.get_or_init(|| start().map_err(|error| format!("{error:#}"))));
    match shared.await? {
        Ok(Shared::Given(path)) => kubeconfig::client(path, None).await,
        Ok(Shared::Ours(cluster)) => cluster.client().await,
        Err(error) => anyhow::bail!("no cluster to test with: {error}"),
    }
}

/// The cluster, where it is one of ours: to run commands inside.
pub(crate) fn ours() -> Option<&'static Cluster> {
    match SHARED.get() {
        Some(Ok(Shared::Ours(cluster))) => Some(cluster),
        _ => None,
    }
}

fn start() -> anyhow::Result<Shared> {
    if let Some(path) = std::env::var_os("MSG2AGENT_TEST_KUBECONFIG") {
        return Ok(Shared::Given(path.into()));
    }
    let cluster = Cluster::up(cluster::open_folder(Some(&repository().join("target/test-cluster")))?)?;
    let archive = image::PAUSE.build(&programs::folder()?, &cluster.folder().images())?;
    cluster.load(&archive)?;
    Ok(Shared::Ours(cluster))
}
