//! Holds the command lines of the built-in cluster's programs. Pure.

use std::path::{Path, PathBuf};

use super::network::{API_PORT, Network};

/// Port of etcd's metrics.
pub(crate) const ETCD_METRICS_PORT: u16 = 2381;

/// Growth of the heap, in percent, after which Kubernetes' programs collect garbage. With Go's
/// default of 100 the collector takes a quarter of the API server's processor time while thousands
/// of objects are written; the memory that this costs is there.
const COLLECTION_PERCENT: &str = "300";

/// Go's default, for what is small.
const DEFAULT_COLLECTION_PERCENT: &str = "100";

/// One long-running program of the node.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Variables beside those of the node. A component of Go never takes `GOGC` from the machine.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
}

/// Where the programs of one cluster are and where it keeps its files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodePaths<'a> {
    pub(crate) network: Network,
    /// The node's folder.
    pub(crate) node: &'a Path,
    /// Folder with the links `etcd`, `kube-apiserver`, ... to the one Kubernetes program.
    pub(crate) kubernetes: &'a Path,
    pub(crate) coredns: &'a Path,
    pub(crate) containerd: &'a Path,
}

impl NodePaths<'_> {
    fn kubernetes(&self, name: &'static str, arguments: Vec<String>) -> Component {
        let environment = vec![("GOGC", COLLECTION_PERCENT)];
        Component { name, program: self.kubernetes.join(name), arguments, environment }
    }

    fn file(&self, path: &str) -> String {
        self.node.join(path).display().to_string()
    }

    /// Its metrics are on the node's address, so that the API server's proxy reaches them.
    pub(crate) fn etcd(&self, fsync: bool) -> Component {
        let (client, peer) = ("http://127.0.0.1:2379", "http://127.0.0.1:2380");
        let mut arguments = vec![
            format!("--data-dir={}", self.file("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            format!("--listen-metrics-urls=http://{}:{ETCD_METRICS_PORT}", self.network.node()),
            "--log-level=warn".into(),
        ];
        // The data is deleted with the cluster.
        arguments.extend((!fsync).then(|| "--unsafe-no-fsync".into()));
        self.kubernetes("etcd", arguments)
    }

    /// RBAC stays on: the operator's Role is among the things to prove.
    pub(crate) fn apiserver(&self) -> Component {
        let network = self.network;
        self.kubernetes(
            "kube-apiserver",
            vec![
                "--bind-address=0.0.0.0".into(),
                format!("--secure-port={API_PORT}"),
                format!("--advertise-address={}", network.node()),
                "--etcd-servers=http://127.0.0.1:2379".into(),
                "--authorization-mode=Node,RBAC".into(),
                "--enable-admission-plugins=NodeRestriction".into(),
                "--allow-privileged".into(),
                format!("--service-cluster-ip-range={}", network.services()),
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
                format!("--service-account-key-file={}", self.file("pki/tokens.pub")),
                format!("--service-account-signing-key-file={}", self.file("pki/tokens.key")),
                format!("--client-ca-file={}", self.file("pki/authority.crt")),
                format!("--tls-cert-file={}", self.file("pki/server.crt")),
                format!("--tls-private-key-file={}", self.file("pki/server.key")),
                format!("--kubelet-certificate-authority={}", self.file("pki/authority.crt")),
                format!("--kubelet-client-certificate={}", self.file("pki/kubelet-client.crt")),
                format!("--kubelet-client-key={}", self.file("pki/kubelet-client.key")),
                "--kubelet-preferred-address-types=InternalIP".into(),
            ],
        )
    }

    /// Its host-path provisioner makes volumes.
    pub(crate) fn controller_manager(&self) -> Component {
        self.kubernetes(
            "kube-controller-manager",
            vec![
                format!("--kubeconfig={}", self.file("kubeconfig/controller-manager")),
                format!("--service-account-private-key-file={}", self.file("pki/tokens.key")),
                format!("--root-ca-file={}", self.file("pki/authority.crt")),
                format!("--flex-volume-plugin-dir={}", self.file("kubelet-plugins")),
                "--use-service-account-credentials".into(),
                "--enable-hostpath-provisioner".into(),
                "--leader-elect=false".into(),
            ],
        )
    }

    pub(crate) fn scheduler(&self) -> Component {
        self.kubernetes(
            "kube-scheduler",
            vec![
                format!("--kubeconfig={}", self.file("kubeconfig/scheduler")),
                "--leader-elect=false".into(),
            ],
        )
    }

    pub(crate) fn containerd(&self) -> Component {
        Component {
            name: "containerd",
            program: self.containerd.into(),
            arguments: vec![format!("--config={}", self.file("config/containerd.toml"))],
            environment: vec![("GOGC", DEFAULT_COLLECTION_PERCENT)],
        }
    }

    pub(crate) fn kubelet(&self) -> Component {
        self.kubernetes(
            "kubelet",
            vec![
                format!("--config={}", self.file("config/kubelet.json")),
                format!("--kubeconfig={}", self.file("kubeconfig/kubelet")),
                format!("--root-dir={}", self.file("kubelet")),
                format!("--cert-dir={}", self.file("kubelet-pki")),
                format!("--node-ip={}", self.network.node()),
                "--hostname-override=node".into(),
            ],
        )
    }

    pub(crate) fn proxy(&self) -> Component {
        self.kubernetes(
            "kube-proxy",
            vec![
                format!("--kubeconfig={}", self.file("kubeconfig/proxy")),
                format!("--cluster-cidr={}", self.network.pods()),
                "--hostname-override=node".into(),
                "--proxy-mode=iptables".into(),
                "--conntrack-max-per-core=0".into(),
            ],
        )
    }

    pub(crate) fn coredns(&self) -> Component {
        Component {
            name: "coredns",
            program: self.coredns.into(),
            arguments: vec![format!("-conf={}", self.file("config/Corefile"))],
            environment: vec![("GOGC", DEFAULT_COLLECTION_PERCENT)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> NodePaths<'static> {
        NodePaths {
            network: Network::candidates().next().unwrap(),
            node: Path::new("/state/node"),
            kubernetes: Path::new("/cache/kubernetes"),
            coredns: Path::new("/cache/coredns"),
            containerd: Path::new("/usr/bin/containerd"),
        }
    }

    #[test]
    fn etcd_waits_for_the_disk_where_it_is_asked_to() {
        let unsafe_option = |fsync| paths().etcd(fsync).arguments.contains(&"--unsafe-no-fsync".into());
        assert!(unsafe_option(false) && !unsafe_option(true));
    }

    #[test]
    fn no_component_takes_its_collector_from_the_machine() {
        let paths = paths();
        let all = [paths.etcd(true), paths.apiserver(), paths.kubelet(), paths.containerd(), paths.coredns()];
        for component in all {
            assert!(component.environment.iter().any(|(name, _)| *name == "GOGC"), "{}", component.name);
        }
    }

    #[test]
    fn role_based_access_control_is_on() {
        let apiserver = paths().apiserver();
        assert_eq!(apiserver.program, Path::new("/cache/kubernetes/kube-apiserver"));
        assert!(apiserver.arguments.contains(&"--authorization-mode=Node,RBAC".into()));
        assert!(!apiserver.arguments.iter().any(|argument| argument.contains("AlwaysAllow")));
    }
}
