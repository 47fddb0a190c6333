//! Prepares mounts and links inside the new namespaces. Folders that components write to by fixed
//! paths are replaced by empty ones, so that those of the machine stay untouched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::NodeParameters;
use crate::{
    cluster::{component_config, uplink::INNER_END},
    command::run,
};

/// Fixed paths of containerd, the CNI plugins and the kubelet.
const REPLACED: [&str; 4] = ["/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet"];

/// Where the host-path provisioner puts volumes.
const VOLUMES: &str = "/tmp/hostpath_pv";

/// Makes the mounts, the links and the control group of one node.
pub(super) fn prepare(node: &Path, parameters: &NodeParameters) -> anyhow::Result<()> {
    mounts(node)?;
    resolver(node, &component_config::resolv_conf(parameters.network))?;
    links(parameters)?;
    control_groups(&parameters.cgroup)
}

fn mounts(node: &Path) -> anyhow::Result<()> {
    // Shared among the node's own parts only: `unshare` has cut it off from the machine.
    run("mount", ["--make-rshared", "/"])?;
    for path in REPLACED {
        fs::create_dir_all(path).with_context(|| format!("create {path}"))?;
        run("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", path])?;
    }
    let volumes = node.join("volumes");
    for folder in [&volumes, &PathBuf::from(VOLUMES), &node.join("kubelet-plugins"), &node.join("config/cni")]
    {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    run("mount", [Path::new("--bind"), &volumes, Path::new(VOLUMES)])?;
    Ok(())
}

/// Names are resolved by the cluster's DNS. Where /etc/resolv.conf leads into /run, that file is
/// gone and is written again.
fn resolver(node: &Path, text: &str) -> anyhow::Result<()> {
    let target = fs::read_link("/etc/resolv.conf").map(|link| Path::new("/etc").join(link));
    if let Ok(target) = target
        && !target.exists()
    {
        let parent = target.parent().context("find the folder of resolv.conf")?;
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        return fs::write(&target, text).context("write resolv.conf");
    }
    let own = node.join("config/resolv.conf");
    fs::write(&own, text).context("write the node's resolv.conf")?;
    run("mount", [Path::new("--bind"), &own, Path::new("/etc/resolv.conf")]).map(drop)
}

/// The node's interface is a bridge, because every kernel has it. Its default route is
/// for programs that require one; its gateway address is unused.
fn links(parameters: &NodeParameters) -> anyhow::Result<()> {
    let node = parameters.network.node();
    let [first, second, third, _] = node.octets();
    let address = format!("{node}/24");
    run("ip", ["link", "set", "lo", "up"])?;
    run("ip", ["link", "add", "node0", "type", "bridge"])?;
    run("ip", ["address", "add", &address, "dev", "node0"])?;
    run("ip", ["link", "set", "node0", "up"])?;
    if parameters.linked {
        run("ip", ["link", "set", INNER_END, "master", "node0", "up"])?;
    }
    run("ip", ["route", "add", "default", "via", &format!("{first}.{second}.{third}.254"), "dev", "node0"])?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("turn on forwarding inside the cluster")
}

/// A group of our own in every hierarchy: a kubelet ends what it does not know below its group.
fn control_groups(name: &str) -> anyhow::Result<()> {
    for hierarchy in crate::cluster::cgroup::hierarchies()? {
        let path = hierarchy.join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
    }
    Ok(())
}
