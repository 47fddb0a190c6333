//! Issues and revokes the invitations of a Tenant.
//!
//! The code of an invitation is generated here and stays in its Secret. The relay gets the hash, so
//! that the invitation can be written again at any time. Decisions are pure; [`converge`] reads and
//! writes the Secrets and the relay.

use std::sync::Arc;

use crds::tenant::{Invitation, InvitationState, InvitationStatus};
use crds::{Agent, Tenant, label};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use protocol::UnixSeconds;
use protocol::admin::{self, DeclaredInvitation};
use protocol::api_key::KeyHash;

use super::invitation_secret::{
    InvitationCode, InvitationUrls, build, emptied, invitation_of, secret_name, selector,
};
use super::resolve::ResolvedTenant;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::observed::Observed;
use crate::relay_replicas::Progress;
use crate::secret::{self, Reading};
use crate::{agent, conditions, relay};

/// The invitations after a reconcile, and the first error.
pub(super) struct ConvergedInvitations {
    pub statuses: Vec<InvitationStatus>,
    pub failure: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InvitationStep {
    /// Generate a code. It replaces one for another agent.
    Generate,
    Keep,
    /// The Secret was deleted after its code had been generated. That code stays valid, and no
    /// second one is generated.
    Skip,
}

fn step(
    invitation: &Invitation,
    code: Option<&InvitationCode>,
    known: Option<&InvitationStatus>,
) -> InvitationStep {
    match code {
        Some(code) if code.agent == invitation.agent => InvitationStep::Keep,
        Some(_) => InvitationStep::Generate,
        None if known.is_some_and(|known| known.not_after.is_some()) => InvitationStep::Skip,
        None => InvitationStep::Generate,
    }
}

/// Issues every invitation of the spec, and revokes those that are no longer in it.
pub(super) async fn converge(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    resolved: &ResolvedTenant,
) -> ConvergedInvitations {
    let mut converged = ConvergedInvitations { statuses: Vec::new(), failure: None };
    let known = match known(context, tenant).await {
        Ok(known) => known,
        Err(error) => {
            converged.failure = Some(error);
            Vec::new()
        }
    };
    for invitation in &tenant.spec.invitations {
        let before = known.iter().find(|known| known.name == invitation.name);
        match issue(context, tenant, relay, resolved, invitation, before).await {
            Ok(status) => converged.statuses.push(status),
            Err(error) => {
                converged.statuses.push(waiting(tenant, &invitation.name, before));
                converged.failure = converged.failure.or(Some(error));
            }
        }
    }
    let is_declared = |name: &str| tenant.spec.invitations.iter().any(|invitation| invitation.name == name);
    for removed in known.iter().filter(|known| !is_declared(&known.name)) {
        if let Err(error) = revoke(context, tenant, relay, resolved, &removed.name).await {
            converged.statuses.push(removed.clone());
            converged.failure = converged.failure.or(Some(error));
        }
    }
    converged
}

/// The invitations that were issued so far. A Tenant whose status is lost has its Secrets, and what
/// is no longer in its spec must be revoked nevertheless.
async fn known(context: &Context, tenant: &Tenant) -> Result<Vec<InvitationStatus>> {
    if let Some(status) = &tenant.status {
        return Ok(status.invitations.clone());
    }
    let api = Api::<Secret>::namespaced(context.client.clone(), &tenant.namespace().unwrap_or_default());
    let listed = api.list_metadata(&ListParams::default().labels(&selector(tenant))).await;
    let listed = listed.map_err(Error::cluster("list the Secrets of invitations"))?;
    let names = listed.items.iter().filter_map(|secret| invitation_of(&secret.metadata, tenant));
    Ok(names.map(|name| waiting(tenant, &name, None)).collect())
}

async fn issue(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    resolved: &ResolvedTenant,
    invitation: &Invitation,
    before: Option<&InvitationStatus>,
) -> Result<InvitationStatus> {
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let agent = invited_agent(context, tenant, &invitation.agent);
    let urls = urls(context, agent.as_deref(), relay);
    let secret_name = secret_name(tenant, &invitation.name);
    let uid = tenant.uid().unwrap_or_default();
    let found = secret::find(context, &secret_name, label::SECRET_INVITATION, &uid, Reading::Always).await?;
    let held = found.usable().and_then(InvitationCode::read);
    let code = match step(invitation, held.as_ref(), before) {
        InvitationStep::Skip => return Ok(without_secret(tenant, &invitation.name, before, now)),
        InvitationStep::Generate => InvitationCode::generate(invitation, now),
        InvitationStep::Keep => held.unwrap_or_else(|| InvitationCode::generate(invitation, now)),
    };
    secret::update(context, &found, build(tenant, &secret_name, &code, &urls)).await?;
    let is_open = if code.not_after > now && agent.is_some() {
        declare(context, tenant, relay, resolved, invitation, &code).await?
    } else {
        Observed::Known(false)
    };
    let state = state(is_open, before.map(|before| before.state), code.not_after, now);
    Ok(status(tenant, &invitation.name, state, Some(code.not_after)))
}

fn urls(context: &Context, agent: Option<&Agent>, relay: &NamespacedName) -> InvitationUrls {
    let cluster_domain = &context.settings.cluster_domain;
    let Some(agent) = agent else { return InvitationUrls::default() };
    let relay = context.caches.relay(relay);
    InvitationUrls {
        mcp: Some(agent::urls::mcp_url(agent, cluster_domain)),
        gateway: relay.and_then(|relay| relay::urls::gateway_url(&relay, cluster_domain)),
    }
}

/// Writes the hash of the code to the relay. Returns whether every ready replica acknowledged it.
async fn declare(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    resolved: &ResolvedTenant,
    invitation: &Invitation,
    code: &InvitationCode,
) -> Result<Observed<bool>> {
    let Ok(agent) = invitation.agent.parse() else { return Ok(Observed::Known(false)) };
    let sha256 = KeyHash::sha256(&code.text);
    let content = DeclaredInvitation { agent, sha256, not_after: code.not_after };
    let path = admin::invitation_path(&resolved.tenant_id, &invitation.name);
    let writer = context.relay_replicas.writer(&tenant.uid().unwrap_or_default());
    let written = context.relay_replicas.write(relay, &path, &writer, &content).await?;
    Ok(written.map(Progress::is_complete))
}

/// Deletes an invitation from the relay, together with the account of the person who used it. The
/// Secret is emptied, because the operator may not delete Secrets.
async fn revoke(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    resolved: &ResolvedTenant,
    invitation: &str,
) -> Result<()> {
    let path = admin::invitation_path(&resolved.tenant_id, invitation);
    let writer = context.relay_replicas.writer(&tenant.uid().unwrap_or_default());
    if !context.relay_replicas.delete(relay, &path, &writer, None).await? {
        return Err(Error::NoReplica(relay.to_string()));
    }
    let secret_name = secret_name(tenant, invitation);
    let uid = tenant.uid().unwrap_or_default();
    let found = secret::find(context, &secret_name, label::SECRET_INVITATION, &uid, Reading::Always).await?;
    if found.usable().is_none() {
        return Ok(());
    }
    secret::update(context, &found, emptied(tenant, &secret_name)).await.map(drop)
}

/// The agent of an invitation, if it is accepted and has an MCP endpoint.
fn invited_agent(context: &Context, tenant: &Tenant, handle: &str) -> Option<Arc<Agent>> {
    let claimants = context.caches.index.claimants(Kind::Agent, &NamespacedName::from_object(tenant), handle);
    claimants
        .iter()
        .filter_map(|name| context.caches.agent(name))
        .find(|agent| conditions::is_accepted(&**agent) && agent.spec.mcp.enabled)
}

/// `former` stays while it is not known whether the relay has the invitation.
fn state(
    is_open: Observed<bool>,
    former: Option<InvitationState>,
    not_after: UnixSeconds,
    now: UnixSeconds,
) -> InvitationState {
    match is_open {
        _ if not_after <= now => InvitationState::Expired,
        Observed::Known(true) => InvitationState::Open,
        Observed::Known(false) => InvitationState::Waiting,
        Observed::Unknown => former.unwrap_or(InvitationState::Waiting),
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

/// The status of an invitation whose Secret was deleted, from the last status.
fn without_secret(
    tenant: &Tenant,
    name: &str,
    before: Option<&InvitationStatus>,
    now: UnixSeconds,
) -> InvitationStatus {
    let at = before.and_then(|before| before.not_after.as_ref());
    let not_after = at.and_then(|at| u64::try_from(at.0.as_second()).ok()).unwrap_or(0);
    status(tenant, name, state(Observed::Known(true), None, not_after, now), Some(not_after))
}

/// The status of an invitation that could not be issued.
fn waiting(tenant: &Tenant, name: &str, before: Option<&InvitationStatus>) -> InvitationStatus {
    let new = || status(tenant, name, InvitationState::Waiting, None);
    before.map_or_else(new, |before| InvitationStatus { state: InvitationState::Waiting, ..before.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_790_000_000;

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
    fn a_code_is_generated_once_for_its_agent() {
        let code = InvitationCode::generate(&invitation(), NOW);
        assert_eq!(step(&invitation(), None, None), InvitationStep::Generate);
        assert_eq!(step(&invitation(), Some(&code), None), InvitationStep::Keep);
        let other = Invitation { agent: "bob".into(), ..invitation() };
        assert_eq!(step(&other, Some(&code), None), InvitationStep::Generate);
    }

    #[test]
    fn a_restart_does_not_close_an_open_invitation_before_the_relay_is_contacted() {
        let at = |is_open, former| state(is_open, former, NOW + 5, NOW);
        assert_eq!(at(Observed::Unknown, Some(InvitationState::Open)), InvitationState::Open);
        assert_eq!(at(Observed::Unknown, None), InvitationState::Waiting);
        assert_eq!(at(Observed::Known(false), Some(InvitationState::Open)), InvitationState::Waiting);
        assert_eq!(at(Observed::Known(true), None), InvitationState::Open);
        let late = state(Observed::Unknown, Some(InvitationState::Open), NOW, NOW);
        assert_eq!(late, InvitationState::Expired);
    }

    #[test]
    fn a_deleted_secret_brings_no_second_code() {
        let known = status(&tenant(), "claude", InvitationState::Open, Some(NOW + 5));
        assert_eq!(step(&invitation(), None, Some(&known)), InvitationStep::Skip);
        assert_eq!(without_secret(&tenant(), "claude", Some(&known), NOW).state, InvitationState::Open);
        let expired = without_secret(&tenant(), "claude", Some(&known), NOW + 5);
        assert_eq!(expired.state, InvitationState::Expired);
    }

    #[test]
    fn an_invitation_that_failed_before_it_had_a_code_is_tried_again() {
        let failed = waiting(&tenant(), "claude", None);
        assert_eq!(step(&invitation(), None, Some(&failed)), InvitationStep::Generate);
    }
}
