//! Writes keys, certificates, kubeconfigs and configuration of one node.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::NodeParameters;
use crate::{
    cluster::{
        certificates::{Authority, CertifiedKey, Identity, token_keys},
        component_config,
        folder::{ClusterFolder, write_private},
        kubeconfig,
        network::API_PORT,
    },
    command::{find_program, run},
};

/// Where distributions put the CNI plugins.
const CNI_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// The API server's clients: file name and who they are.
const CLIENTS: [(&str, Identity); 6] = [
    ("admin", Identity { user: "msg2agent-admin", group: Some("system:masters") }),
    ("controller-manager", Identity { user: "system:kube-controller-manager", group: None }),
    ("scheduler", Identity { user: "system:kube-scheduler", group: None }),
    ("proxy", Identity { user: "system:kube-proxy", group: None }),
    ("kubelet", Identity { user: "system:node:node", group: Some("system:nodes") }),
    ("coredns", Identity { user: super::addons::DNS_USER, group: None }),
];

/// Writes all files below the node's folder, and the kubeconfig for people outside.
pub(super) fn write(folder: &ClusterFolder, parameters: &NodeParameters) -> anyhow::Result<()> {
    let node = folder.node();
    for name in ["pki", "kubeconfig", "config/cni", "logs"] {
        fs::create_dir_all(node.join(name)).with_context(|| format!("create the node's folder {name}"))?;
    }
    let authority = Authority::generate()?;
    write_keys(&node.join("pki"), &authority, parameters)?;
    let inside = format!("https://127.0.0.1:{API_PORT}");
    for (name, identity) in CLIENTS {
        let text = kubeconfig::render(&inside, authority.certificate(), &authority.client(identity)?);
        write_private(&node.join("kubeconfig").join(name), &text)?;
    }
    let (_, admin) = CLIENTS[0];
    let text = kubeconfig::render(
        &parameters.server_from_outside,
        authority.certificate(),
        &authority.client(admin)?,
    );
    write_private(&folder.kubeconfig(), &text)?;
    write_settings(&node, parameters)
}

fn write_keys(pki: &Path, authority: &Authority, parameters: &NodeParameters) -> anyhow::Result<()> {
    write_private(&pki.join("authority.crt"), authority.certificate())?;
    write_pair(pki, "server", &authority.server(parameters.network)?)?;
    // The group is bound to what the API server needs of a kubelet: logs, exec, proxy.
    let kubelet_client = Identity { user: "kube-apiserver", group: Some("system:masters") };
    write_pair(pki, "kubelet-client", &authority.client(kubelet_client)?)?;
    let (private, public) = token_keys()?;
    write_private(&pki.join("tokens.key"), &private)?;
    write_private(&pki.join("tokens.pub"), &public)
}

fn write_pair(pki: &Path, name: &str, pair: &CertifiedKey) -> anyhow::Result<()> {
    write_private(&pki.join(format!("{name}.crt")), &pair.certificate)?;
    write_private(&pki.join(format!("{name}.key")), &pair.key)
}

fn write_settings(node: &Path, parameters: &NodeParameters) -> anyhow::Result<()> {
    let plugins = CNI_FOLDERS.iter().map(Path::new).find(|folder| folder.join("bridge").is_file());
    let plugins = plugins.context("find the CNI plugins (package containernetworking-plugins)")?;
    find_program("runc").context("find runc")?;
    let containerd = component_config::containerd(node, plugins, snapshotter(node)?);
    let config = node.join("config");
    let files = [
        ("containerd.toml", containerd),
        ("cni/10-pods.conflist", component_config::pod_network(parameters.network).to_string()),
        (
            "kubelet.json",
            component_config::kubelet(node, parameters.network, &format!("/{}", parameters.cgroup))
                .to_string(),
        ),
        ("Corefile", component_config::corefile(node, parameters.network)),
    ];
    for (name, text) in files {
        fs::write(config.join(name), text).with_context(|| format!("write {name}"))?;
    }
    Ok(())
}

/// Overlays cannot lie on an overlay, which is what a container's own root often is.
fn snapshotter(node: &Path) -> anyhow::Result<&'static str> {
    let kind = run("stat", ["--file-system".as_ref(), "--format=%T".as_ref(), node.as_os_str()])?;
    Ok(if kind.trim() == "overlayfs" { "native" } else { "overlayfs" })
}
