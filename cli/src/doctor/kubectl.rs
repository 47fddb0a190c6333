//! Runs kubectl with the user's permissions, in the cluster that the user selects.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::failure::{ExitKind, Failure};

/// The cluster and namespace, in kubectl's own options.
#[derive(clap::Args)]
pub(super) struct Kubectl {
    /// Namespace of the Agent [default: the namespace of the context].
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Context of the kubeconfig.
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,

    /// Kubeconfig file.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// A Service of which a port is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// The host name in the URL.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl Kubectl {
    /// Reads an object in the selected namespace.
    pub(super) async fn read<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<T, Failure> {
        self.get(self.namespace.as_deref(), kind, name).await
    }

    pub(super) async fn read_in<T: DeserializeOwned>(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<T, Failure> {
        self.get(Some(namespace), kind, name).await
    }

    /// A kubectl command for the selected cluster.
    pub(super) fn command(&self, namespace: Option<&str>) -> Command {
        let mut command = Command::new("kubectl");
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        if let Some(namespace) = namespace {
            command.args(["--namespace", namespace]);
        }
        command
    }

    async fn get<T: DeserializeOwned>(
        &self,
        namespace: Option<&str>,
        kind: &str,
        name: &str,
    ) -> Result<T, Failure> {
        let attempt = || format!("cannot read {kind} {name}");
        let mut command = self.command(namespace);
        let output = command.args(["get", kind, name, "--output", "json"]).output().await.map_err(|e| {
            Failure::io("cannot run kubectl", e).advising("install kubectl, or use m2a doctor mcp URL")
        })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::new(ExitKind::Failed, format!("{}: {message}", attempt()))
                .advising("use --namespace, --context or --kubeconfig as with kubectl"));
        }
        let json = Zeroizing::new(output.stdout);
        serde_json::from_slice(&json).map_err(|e| {
            let failure = Failure::new(ExitKind::Failed, attempt()).caused_by(&e);
            failure.advising("check that the CRD in the cluster has the version of this program")
        })
    }
}
