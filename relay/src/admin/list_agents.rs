//! `GET tenants/{tenant}/agents?after=&limit=`, in the order of their names.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{AgentView, Page};
use protocol::did::AgentName;

use super::Admin;
use super::get_agent::view;
use super::paging::Paging;
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
    paging: Paging<AgentName>,
) -> Result<Json<Page<AgentView>>, Refusal> {
    let page = admin.directory.agent_page(&tenant, paging.after.as_ref(), paging.limit);
    let page = page.ok_or(Reason::NotFound)?;
    let items = page.items.iter().map(|agent| view(&admin.hub, agent)).collect();
    Ok(Json(Page { items, next: page.next }))
}
