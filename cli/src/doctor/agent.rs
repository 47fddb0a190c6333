//! `m2a doctor agent/NAME`: what Kubernetes says of an Agent, with what its endpoint is then looked at. Everything is read by `kubectl`
//! with the rights of whoever asks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::finding::{Fault, Finding, Side, Step, Verdict};
use super::forward::Forwards;
use super::target::Target;
use crate::failure::{Exit, Failure};
use object::Agent;
pub(super) use object::Service;

mod object;

/// Which cluster and namespace, as kubectl takes them.
#[derive(clap::Args)]
pub(super) struct Cluster {
    /// Namespace of the Agent; that of the context when absent.
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Context of the kubeconfig.
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,

    /// Kubeconfig file.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// What is looked at, and the ports that lead there as long as it lives.
pub(super) struct Reached {
    pub(super) target: Target,
    pub(super) _forwards: Option<Forwards>,
}

#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    data: BTreeMap<String, Encoded>,
}

/// A value in base64.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Encoded(Zeroizing<String>);

impl From<String> for Encoded {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// The finding about the object, and its endpoint when there is one to look at.
pub(super) async fn look(name: &str, cluster: &Cluster) -> Result<(Finding, Option<Reached>), Failure> {
    let agent: Agent = cluster.read("agents.msg2agent.xyz", name).await?;
    let verdict = match object::judge(&agent) {
        Ok(saw) => Verdict::Passed { saw },
        Err(fault) => Verdict::Failed(fault),
    };
    let finding = Finding { step: Step::Agent, verdict };
    let Some(url) = agent.status.mcp_url.clone() else { return Ok((finding, None)) };
    let reached = match cluster.reach(&agent, &url).await? {
        Ok(reached) => reached,
        Err(fault) if !finding.is_fault() => {
            return Ok((Finding { step: Step::Agent, verdict: Verdict::Failed(fault) }, None));
        }
        Err(_) => return Ok((finding, None)),
    };
    Ok((finding, Some(reached)))
}

impl Cluster {
    /// `Err` inside: the endpoint's port cannot be forwarded, which is a finding and no mistake of the caller's.
    async fn reach(&self, agent: &Agent, url: &str) -> Result<Result<Reached, Fault>, Failure> {
        let secret: Secret =
            self.read_in(&agent.metadata.namespace, "secret", &agent.status.secret_name).await?;
        let mut target = Target::parse(url)?;
        target.token = Some(secret.text("token")?);
        let services = object::services(agent, &target);
        if services.is_empty() {
            return Ok(Ok(Reached { target, _forwards: None }));
        }
        let ca = secret.text("ca.crt")?;
        target.ca = Some(CertificateDer::pem_slice_iter(ca.as_bytes()).filter_map(Result::ok).collect());
        match Forwards::open(self, &services).await {
            Ok(forwards) => {
                target.routes = forwards.routes();
                target.proxy = Some(forwards.proxy());
                Ok(Ok(Reached { target, _forwards: Some(forwards) }))
            }
            Err(cause) => {
                let remedy = "see whether the pods behind that Service are ready, and whether you may forward ports (pods/portforward)";
                Ok(Err(Fault::new(Side::Cluster, cause, remedy)))
            }
        }
    }

    async fn read<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<T, Failure> {
        self.get(self.namespace.as_deref(), kind, name).await
    }

    async fn read_in<T: DeserializeOwned>(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<T, Failure> {
        self.get(Some(namespace), kind, name).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        namespace: Option<&str>,
        kind: &str,
        name: &str,
    ) -> Result<T, Failure> {
        let attempt = || format!("cannot read {kind} {name}");
        let mut command = self.kubectl(namespace);
        let asked = command.args(["get", kind, name, "--output", "json"]).output().await;
        let answer = asked.map_err(|e| {
            Failure::io("cannot run kubectl", e).advising("install kubectl, or use m2a doctor mcp URL")
        })?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(Exit::Failed, format!("{}: {said}", attempt()))
                .advising("give --namespace, --context or --kubeconfig as for kubectl"));
        }
        let out = Zeroizing::new(answer.stdout);
        serde_json::from_slice(&out).map_err(|e| {
            let told = Failure::new(Exit::Failed, attempt()).caused_by(&e);
            told.advising("is its definition of the same version as this program?")
        })
    }

    /// kubectl with the caller's choice of cluster.
    pub(super) fn kubectl(&self, namespace: Option<&str>) -> Command {
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
}

impl Secret {
    fn text(&self, key: &str) -> Result<Zeroizing<String>, Failure> {
        let missing = || {
            Failure::new(Exit::Failed, format!("the Agent's Secret holds no usable {key}"))
                .advising("kubectl describe agent says why the operator has not written it")
        };
        let value = self.data.get(key).ok_or_else(missing)?;
        let bytes = Zeroizing::new(STANDARD.decode(value.0.as_bytes()).map_err(|_| missing())?);
        let text = std::str::from_utf8(&bytes).map_err(|_| missing())?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}
