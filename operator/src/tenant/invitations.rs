//! The invitations of a Tenant. The code of each is made here and stays in its Secret; the relay learns the hash, so that it can be
//! written again at any time. Decisions are pure; [`converge`] touches the cluster and the relay.

use crds::tenant::{Invitation, InvitationState, InvitationStatus};
use crds::{Agent, Tenant, label, name};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use protocol::admin::{self, DEFAULT_INVITATION_TTL_SECONDS, DeclaredInvitation};
use protocol::api_key::KeyHash;
use protocol::{UnixSeconds, base64url};
use zeroize::Zeroizing;

use super::plan::Place;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::{Kind, Name};
use crate::relay::gateway;
use crate::secret::{self, Found};
use crate::{agent, pod};

/// Of the objects made for a Tenant.
const COMPONENT: &str = "invitation";
const CODE: &str = "code";
const AGENT: &str = "agent";
/// Where the code is of use: the agent's own endpoint, and the gateway of the Relay where it has one.
const URL: &str = "mcp-url";
const GATEWAY_URL: &str = "mcp-gateway-url";
/// Tells a code apart from other secrets, in a leak or a search.
const CODE_PREFIX: &str = "m2inv_";

/// A code as its Secret holds it.
struct Code {
    text: Zeroizing<String>,
    agent: String,
    not_after: UnixSeconds,
}

/// The invitations after a pass, and the first thing that was in the way of one.
pub(super) struct Converged {
    pub statuses: Vec<InvitationStatus>,
    pub failure: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Make a code; one for another agent is void.
    Make,
    Keep,
    /// The Secret was deleted after it had been made: what was handed out stays good, and no second code appears by itself.
    LeaveOut,
}

fn step(invitation: &Invitation, code: Option<&Code>, known: Option<&InvitationStatus>) -> Step {
    match code {
        Some(code) if code.agent == invitation.agent => Step::Keep,
        Some(_) => Step::Make,
        None if known.is_some_and(|known| known.not_after.is_some()) => Step::LeaveOut,
        None => Step::Make,
    }
}

/// Brings every invitation of the spec to Secret and relay, and takes back those that are no longer in it.
pub(super) async fn converge(context: &Context, tenant: &Tenant, relay: &Name, place: &Place) -> Converged {
    let known = tenant.status.as_ref().map(|status| status.invitations.as_slice()).unwrap_or_default();
    let mut converged = Converged { statuses: Vec::new(), failure: None };
    for invitation in &tenant.spec.invitations {
        let before = known.iter().find(|known| known.name == invitation.name);
        match issue(context, tenant, relay, place, invitation, before).await {
            Ok(status) => converged.statuses.push(status),
            Err(error) => {
                converged.statuses.push(waiting(tenant, &invitation.name, before));
                converged.failure = converged.failure.or(Some(error));
            }
        }
    }
    let declared = |name: &str| tenant.spec.invitations.iter().any(|invitation| invitation.name == name);
    for gone in known.iter().filter(|known| !declared(&known.name)) {
        if let Err(error) = take_back(context, tenant, relay, place, &gone.name).await {
            converged.statuses.push(gone.clone());
            converged.failure = converged.failure.or(Some(error));
        }
    }
    converged
}

async fn issue(
    context: &Context,
    tenant: &Tenant,
    relay: &Name,
    place: &Place,
    invitation: &Invitation,
    before: Option<&InvitationStatus>,
) -> Result<InvitationStatus> {
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let agent = invited_agent(context, tenant, &invitation.agent);
    let urls = urls(context, agent.as_deref(), relay);
    let secret_name = secret_name(tenant, &invitation.name);
    let uid = tenant.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_INVITATION, &uid).await?;
    let held = match &found {
        Found::Ours(held) => read(held),
        Found::None | Found::Foreign => None,
    };
    let code = match step(invitation, held.as_ref(), before) {
        Step::LeaveOut => return Ok(left_out(tenant, &invitation.name, before, now)),
        Step::Make => make(invitation, now),
        Step::Keep => held.unwrap_or_else(|| make(invitation, now)),
    };
    secret::write(&context.client, &found, build(tenant, &secret_name, &code, &urls)).await?;
    let is_open =
        code.not_after > now && agent.is_some() && declare(context, relay, place, invitation, &code).await?;
    let state = state(is_open, code.not_after, now);
    Ok(status(tenant, &invitation.name, state, Some(code.not_after)))
}

/// Where the code is of use, each with its data key.
fn urls(context: &Context, agent: Option<&Agent>, relay: &Name) -> Vec<(&'static str, String)> {
    let cluster_domain = &context.settings.cluster_domain;
    let Some(agent) = agent else { return Vec::new() };
    let gateway = context.world.relay(relay).and_then(|relay| gateway::build::url(&relay, cluster_domain));
    let own = (URL, agent::mcp_url(agent, cluster_domain));
    [own].into_iter().chain(gateway.map(|url| (GATEWAY_URL, url))).collect()
}

/// Whether every ready replica of the relay knows it.
async fn declare(
    context: &Context,
    relay: &Name,
    place: &Place,
    invitation: &Invitation,
    code: &Code,
) -> Result<bool> {
    let Ok(agent) = invitation.agent.parse() else { return Ok(false) };
    let sha256 = KeyHash::sha256(&code.text);
    let content = DeclaredInvitation { agent, sha256, not_after: code.not_after };
    let path = admin::invitation_path(&place.tenant_id, &invitation.name);
    Ok(context.fleet.write(relay, &path, &content).await?.is_complete())
}

/// The relay forgets it with the account that was made of it. The Secret is emptied: the operator deletes none.
async fn take_back(
    context: &Context,
    tenant: &Tenant,
    relay: &Name,
    place: &Place,
    invitation: &str,
) -> Result<()> {
    if !context.fleet.erase(relay, &admin::invitation_path(&place.tenant_id, invitation)).await? {
        return Err(Error::NoReplica(relay.to_string()));
    }
    let secret_name = secret_name(tenant, invitation);
    let uid = tenant.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_INVITATION, &uid).await?;
    let Found::Ours(held) = &found else { return Ok(()) };
    let emptied = Secret { data: None, ..(**held).clone() };
    secret::write(&context.client, &found, emptied).await.map(drop)
}

/// The accepted Agent with an MCP endpoint that an invitation is for.
fn invited_agent(context: &Context, tenant: &Tenant, handle: &str) -> Option<std::sync::Arc<Agent>> {
    let claimants = context.world.index.claimants(Kind::Agent, &Name::of(tenant), handle);
    claimants
        .iter()
        .filter_map(|name| context.world.agent(name))
        .find(|agent| agent::is_accepted(agent) && agent.spec.mcp.enabled)
}

fn make(invitation: &Invitation, now: UnixSeconds) -> Code {
    let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
    // The pattern and range of the spec are checked by the API server.
    let parsed = invitation.valid_for.parse::<kube::core::Duration>();
    let life = parsed
        .map_or(DEFAULT_INVITATION_TTL_SECONDS, |duration| std::time::Duration::from(duration).as_secs());
    Code {
        text: Zeroizing::new(format!("{CODE_PREFIX}{}", base64url::encode(bytes.as_slice()))),
        agent: invitation.agent.clone(),
        not_after: now.saturating_add(life),
    }
}

fn secret_name(tenant: &Tenant, invitation: &str) -> Name {
    let name = name::tenant_invitation(&tenant.name_any(), invitation);
    Name::new(&tenant.namespace().unwrap_or_default(), &name)
}

fn read(secret: &Secret) -> Option<Code> {
    let not_after = secret.annotations().get(label::NOT_AFTER)?.parse().ok()?;
    Some(Code {
        text: secret::text(secret, CODE)?,
        agent: secret::text(secret, AGENT)?.to_string(),
        not_after,
    })
}

fn build(tenant: &Tenant, name: &Name, code: &Code, urls: &[(&'static str, String)]) -> Secret {
    let mut labels = pod::labels(label::TENANT, &tenant.name_any(), COMPONENT);
    labels.insert(label::SECRET_KIND.into(), label::SECRET_INVITATION.into());
    let mut metadata = pod::owned_by(tenant, name.name.to_string(), labels);
    metadata.annotations = Some([(label::NOT_AFTER.to_owned(), code.not_after.to_string())].into());
    let mut values = vec![(CODE, code.text.as_str()), (AGENT, code.agent.as_str())];
    values.extend(urls.iter().map(|(key, url)| (*key, url.as_str())));
    Secret { metadata, type_: Some("Opaque".into()), data: Some(secret::data(values)), ..Secret::default() }
}

const fn state(is_open: bool, not_after: UnixSeconds, now: UnixSeconds) -> InvitationState {
    match (not_after <= now, is_open) {
        (true, _) => InvitationState::Expired,
        (false, true) => InvitationState::Open,
        (false, false) => InvitationState::Waiting,
    }
}

fn status(
    tenant: &Tenant,
    name: &str,
    state: InvitationState,
    not_after: Option<UnixSeconds>,
) -> InvitationStatus {
    let time = |at: UnixSeconds| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok().map(Time);
    InvitationStatus {
        name: name.to_owned(),
        state,
        secret_name: secret_name(tenant, name).name.to_string(),
        not_after: not_after.and_then(time),
    }
}

/// One whose Secret is gone: as far as it was known.
fn left_out(tenant: &Tenant, name: &str, before: Option<&InvitationStatus>, now: u64) -> InvitationStatus {
    let at = before.and_then(|before| before.not_after.as_ref());
    let not_after = at.and_then(|at| u64::try_from(at.0.as_second()).ok()).unwrap_or(0);
    status(tenant, name, state(true, not_after, now), Some(not_after))
}

fn waiting(tenant: &Tenant, name: &str, before: Option<&InvitationStatus>) -> InvitationStatus {
    let fresh = || status(tenant, name, InvitationState::Waiting, None);
    before.map_or_else(fresh, |before| InvitationStatus { state: InvitationState::Waiting, ..before.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn tenant() -> Tenant {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "team", "uid": "u"}, "spec": {"relayRef": {"name": "main"}},
        }))
        .unwrap()
    }

    fn invitation() -> Invitation {
        Invitation { name: "claude".into(), agent: "alice".into(), valid_for: "1h".into() }
    }

    #[test]
    fn a_code_is_read_back_as_written_and_lives_as_long_as_the_spec_says() {
        let code = make(&invitation(), NOW);
        assert_eq!(code.not_after, NOW + 3600);
        let secret =
            build(&tenant(), &secret_name(&tenant(), "claude"), &code, &[(URL, "https://a/mcp".into())]);
        assert_eq!(secret.metadata.name.as_deref(), Some("acme-invitation-claude"));
        let again = read(&secret).unwrap();
        assert_eq!((&*again.text, again.agent, again.not_after), (&*code.text, code.agent, code.not_after));
        assert_eq!(secret::text(&secret, URL).unwrap().as_str(), "https://a/mcp");
    }

    #[test]
    fn a_code_is_made_once_for_its_agent() {
        let code = make(&invitation(), NOW);
        assert_eq!(step(&invitation(), None, None), Step::Make);
        assert_eq!(step(&invitation(), Some(&code), None), Step::Keep);
        let other = Invitation { agent: "bob".into(), ..invitation() };
        assert_eq!(step(&other, Some(&code), None), Step::Make);
    }

    #[test]
    fn a_deleted_secret_brings_no_second_code() {
        let known = status(&tenant(), "claude", InvitationState::Open, Some(NOW + 5));
        assert_eq!(step(&invitation(), None, Some(&known)), Step::LeaveOut);
        assert_eq!(left_out(&tenant(), "claude", Some(&known), NOW).state, InvitationState::Open);
        assert_eq!(left_out(&tenant(), "claude", Some(&known), NOW + 5).state, InvitationState::Expired);
    }

    #[test]
    fn what_failed_before_it_had_a_code_is_tried_again() {
        let failed = waiting(&tenant(), "claude", None);
        assert_eq!(step(&invitation(), None, Some(&failed)), Step::Make);
    }
}
