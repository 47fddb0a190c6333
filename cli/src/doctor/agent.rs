//! Reads the Agent and its Secret with kubectl, and prepares the URL, token and CA for the endpoint
//! checks.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::agent_resource::{AgentResource, check, services};
use super::agent_secret::AgentSecret;
use super::finding::{Component, Fault, Finding, Step, Verdict};
use super::kubectl::Kubectl;
use super::port_forward::PortForwards;
use super::target::Target;
use crate::failure::Failure;

/// The endpoint of an Agent. Its ports are forwarded until this is dropped.
pub(super) struct AgentEndpoint {
    pub(super) target: Target,
    pub(super) _forwards: Option<PortForwards>,
}

/// Checks the object, and prepares its endpoint if it has one.
pub(super) async fn examine(
    name: &str,
    kubectl: &Kubectl,
) -> Result<(Finding, Option<AgentEndpoint>), Failure> {
    let agent: AgentResource = kubectl.read("agents.msg2agent.xyz", name).await?;
    let verdict = match check(&agent) {
        Ok(saw) => Verdict::Passed { saw },
        Err(fault) => Verdict::Failed(fault),
    };
    let finding = Finding { step: Step::Agent, verdict };
    let Some(url) = agent.status.mcp_url.clone() else { return Ok((finding, None)) };
    match open_endpoint(&agent, &url, kubectl).await? {
        Ok(endpoint) => Ok((finding, Some(endpoint))),
        Err(fault) if !finding.is_fault() => {
            Ok((Finding { step: Step::Agent, verdict: Verdict::Failed(fault) }, None))
        }
        Err(_) => Ok((finding, None)),
    }
}

/// The authority of the relay, where people sign in, and that of the endpoint.
async fn authorities(
    agent: &AgentResource,
    secret: &AgentSecret,
    kubectl: &Kubectl,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let (namespace, name) = (&agent.metadata.namespace, format!("{}-mcp-tls", agent.metadata.name));
    let endpoint: AgentSecret = kubectl.read_in(namespace, "secret", &name).await?;
    let pem = [secret.text("ca.crt")?, endpoint.text("ca.crt")?];
    let certificates = pem.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()));
    Ok(certificates.filter_map(Result::ok).collect())
}

/// The inner error is a finding: the port of the endpoint cannot be forwarded.
async fn open_endpoint(
    agent: &AgentResource,
    url: &str,
    kubectl: &Kubectl,
) -> Result<Result<AgentEndpoint, Fault>, Failure> {
    let secret: AgentSecret =
        kubectl.read_in(&agent.metadata.namespace, "secret", &agent.status.secret_name).await?;
    let mut target = Target::parse(url)?;
    target.token = Some(secret.text("token")?);
    let services = services(agent, &target);
    if services.is_empty() {
        return Ok(Ok(AgentEndpoint { target, _forwards: None }));
    }
    target.ca = Some(authorities(agent, &secret, kubectl).await?);
    match PortForwards::open(kubectl, &services).await {
        Ok(forwards) => {
            target.routes = forwards.routes();
            target.proxy = Some(forwards.proxy_url());
            Ok(Ok(AgentEndpoint { target, _forwards: Some(forwards) }))
        }
        Err(cause) => {
            let remedy = "check that the pods of that Service are ready, and that you may forward ports \
                          (pods/portforward)";
            Ok(Err(Fault::new(Component::Cluster, cause, remedy)))
        }
    }
}
