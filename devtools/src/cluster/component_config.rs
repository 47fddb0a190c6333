//! Renders the configuration files of the built-in cluster's components from its network and
//! folder. Pure.

use std::path::Path;

use serde_json::{Value, json};

use super::network::Network;

/// containerd's socket, on the node's own /run: a path in the state folder could exceed the
/// 107 bytes of a socket address.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// Image of the process that holds a pod's namespaces open.
pub const PAUSE_IMAGE: &str = "localhost/msg2agent-pause:dev";

/// Port of CoreDNS' readiness endpoint on the node address.
pub const DNS_READY_PORT: u16 = 8181;

/// containerd's configuration (version 2 format). `programs` holds the CNI plugins; `snapshotter`
/// is how it stacks image layers.
pub fn containerd(node: &Path, cni_programs: &Path, snapshotter: &str) -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    let (root, optional) = (node.join("containerd"), node.join("containerd-opt"));
    format!(
        r#"version = 2
root = {root:?}
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = {optional:?}

[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true

[{cri}.containerd]
snapshotter = "{snapshotter}"

[{cri}.cni]
bin_dir = {cni_programs:?}
conf_dir = {networks:?}
"#,
        networks = node.join("config/cni"),
    )
}

/// One bridge for all pods of the node.
pub fn pod_network(network: Network) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": network.pods() }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

/// The kubelet's configuration. It never evicts and never collects images: the disk is the
/// machine's own, and a lost image could not be pulled again. `cgroup` keeps its pods apart from
/// those of other kubelets on the machine.
pub fn kubelet(node: &Path, network: Network, cgroup: &str) -> Value {
    let pki = node.join("pki");
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "tlsCertFile": pki.join("server.crt"),
        "tlsPrivateKeyFile": pki.join("server.key"),
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": pki.join("authority.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "enforceNodeAllocatable": [],
        "evictionHard": { "imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%" },
        "imageGCHighThresholdPercent": 100,
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [network.node()],
        "podLogsDir": node.join("logs/pods"),
        "volumePluginDir": node.join("kubelet-plugins"),
        "nodeStatusUpdateFrequency": "1s",
    })
}

/// CoreDNS: the cluster's names on the node address, nothing beyond; there is no network to forward
/// to.
pub fn corefile(node: &Path, network: Network) -> String {
    let (address, kubeconfig) = (network.node(), node.join("kubeconfig/coredns"));
    format!(
        "cluster.local:53 in-addr.arpa:53 {{
    bind {address}
    ready {address}:{DNS_READY_PORT}
    errors
    cache 5
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {}
        pods insecure
        ttl 5
    }}
}}
",
        kubeconfig.display()
    )
}

/// The resolver configuration inside the cluster's namespaces.
pub fn resolv_conf(network: Network) -> String {
    format!(
        "nameserver {}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
        network.node()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::candidates().nth(3).unwrap()
    }

    #[test]
    fn everything_containerd_writes_to_disk_stays_in_the_folder() {
        let text = containerd(Path::new("/state/node"), Path::new("/usr/lib/cni"), "overlayfs");
        assert!(text.contains("root = \"/state/node/containerd\""), "{text}");
        assert!(text.contains("conf_dir = \"/state/node/config/cni\""), "{text}");
        assert!(text.contains("path = \"/state/node/containerd-opt\""), "{text}");
    }

    #[test]
    fn pods_ask_the_node_for_names() {
        let settings = kubelet(Path::new("/state/node"), network(), "/m2a-1");
        assert_eq!(settings["clusterDNS"][0], "10.250.3.1");
        assert_eq!(settings["authorization"]["mode"], "Webhook");
        assert!(corefile(Path::new("/state/node"), network()).contains("bind 10.250.3.1"));
        assert!(resolv_conf(network()).starts_with("nameserver 10.250.3.1\n"));
    }
}
