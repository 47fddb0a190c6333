//! Operations of the admin API on agents.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{AgentSpec, AgentView, Applied, KeyView, Page, Suspension};
use protocol::did::AgentName;

use super::AdminState;
use super::body::{StrictJson, write};
use super::deletion::RequestedPolicy;
use super::paging::Paging;
use super::path::{AgentPath, TenantPath};
use crate::directory::{AdminOperation, AgentEntry, Requester};
use crate::hub::Hub;
use crate::problem::ProblemResponse;

/// `GET tenants/{tenant}/agents?after=&limit=` lists the agents in the order of their names.
pub(super) async fn list(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
    paging: Paging<AgentName>,
) -> Result<Json<Page<AgentView>>, ProblemResponse> {
    let page = admin.directory.agent_page(&tenant, paging.after.as_ref(), paging.limit);
    let page = page.ok_or(Reason::NotFound)?;
    let items = page.items.iter().map(|agent| view(&admin.hub, agent)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// `GET tenants/{tenant}/agents/{name}` shows what is declared and registered, and whether the
/// agent is connected.
pub(super) async fn get(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
) -> Result<Json<AgentView>, ProblemResponse> {
    let did = admin.directory.did(&tenant, &name);
    let agent = admin.directory.agent(&did).ok_or(Reason::NotFound)?;
    Ok(Json(view(&admin.hub, &agent)))
}

/// Shows keys by their ids only.
fn view(hub: &Hub, agent: &AgentEntry) -> AgentView {
    let keys = agent.keys.iter();
    AgentView {
        did: agent.did.clone(),
        root_key: agent.root_key.clone(),
        card: agent.card().cloned(),
        suspended: agent.suspended,
        keys: keys.map(|key| KeyView { key_id: key.sha256.key_id(), not_after: key.not_after }).collect(),
        registered: agent.record.is_some(),
        online: hub.is_online(&agent.did),
        pending: hub.mailbox_rows(&agent.did),
        owner: agent.ownership.owner().cloned(),
        digest: Some(agent.declaration().digest()),
        deletion_policy: agent.deletion_policy,
    }
}

/// `PUT tenants/{tenant}/agents/{name}` declares an agent with all its keys. A key that is left out
/// is revoked, and its sessions are closed before the answer.
pub(super) async fn put(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
    by: Requester,
    StrictJson(spec): StrictJson<AgentSpec>,
) -> Result<Json<Applied>, ProblemResponse> {
    let operation = AdminOperation::PutAgent(admin.directory.did(&tenant, &name), Box::new(spec));
    write(&admin.directory, by, operation).await
}

/// `PUT tenants/{tenant}/agents/{name}/suspension` suspends or resumes an agent. Its keys, record
/// and mailbox are kept.
pub(super) async fn suspend(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
    by: Requester,
    StrictJson(Suspension { suspended }): StrictJson<Suspension>,
) -> Result<Json<Applied>, ProblemResponse> {
    let operation = AdminOperation::SuspendAgent(admin.directory.did(&tenant, &name), suspended);
    write(&admin.directory, by, operation).await
}

/// `DELETE tenants/{tenant}/agents/{name}?policy=` removes an agent with its keys and session, and
/// also its record and mailbox unless the policy retains them.
pub(super) async fn delete(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
    by: Requester,
    RequestedPolicy(policy): RequestedPolicy,
) -> Result<Json<Applied>, ProblemResponse> {
    let operation = AdminOperation::DeleteAgent(admin.directory.did(&tenant, &name), policy);
    write(&admin.directory, by, operation).await
}
