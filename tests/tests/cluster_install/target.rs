//! Starts the cluster and loads our images.

use anyhow::Context as _;
use devtools::cluster::{Cluster, record::Record};
use devtools::{image, install_tls_provider, programs};
use msg2agent_tests::test_cluster;

/// Images that a Relay without agents needs, and the pause image of the built-in cluster.
const NEEDED: [&str; 2] = ["msg2agent-operator", "msg2agent-relay"];

/// Name of the cluster's folder.
pub(crate) const NAME: &str = "install-cluster";

/// Starts the cluster and loads the images; blocking. None on a cluster of the caller's: what it
/// has installed is not ours to upgrade and remove.
pub(crate) fn start() -> anyhow::Result<Option<Cluster>> {
    install_tls_provider();
    let cluster = test_cluster::up(NAME)?;
    if matches!(cluster.record(), Record::Existing { .. }) {
        return Ok(None);
    }
    let binaries = programs::folder()?;
    let needed = image::PRODUCT.iter().filter(|image| NEEDED.contains(&image.binary));
    for image in needed.chain([&image::PAUSE]) {
        programs::path(image.binary)?;
        let archive = image.build(&binaries, &cluster.folder().images())?;
        cluster.load(&archive).with_context(|| format!("load {}", image.reference))?;
    }
    Ok(Some(cluster))
}
