//! `GET tenants/{tenant}/agents/{name}`: what is declared, what is registered, and whether it is there now.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{AgentView, KeyView};

use super::Admin;
use super::path::OfAgent;
use crate::directory::AgentEntry;
use crate::hub::Hub;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfAgent(tenant, name): OfAgent,
) -> Result<Json<AgentView>, Refusal> {
    let did = admin.directory.did(&tenant, &name);
    let agent = admin.directory.agent(&did).ok_or(Reason::NotFound)?;
    Ok(Json(view(&admin.hub, &agent)))
}

/// Keys by their ids only.
pub(super) fn view(hub: &Hub, agent: &AgentEntry) -> AgentView {
    let keys = agent.keys.iter();
    AgentView {
        did: agent.did.clone(),
        root_key: agent.root_key.clone(),
        card: agent.card().cloned(),
        suspended: agent.suspended,
        keys: keys.map(|key| KeyView { key_id: key.sha256.key_id(), not_after: key.not_after }).collect(),
        registered: agent.record.is_some(),
        online: hub.online(&agent.did),
        pending: hub.pending(&agent.did),
    }
}
