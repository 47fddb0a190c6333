//! Answers `relay.discover` and `relay.lookup` within the tenant of the asking agent.

use protocol::did::TenantId;
use protocol::frame::{DiscoverParams, LookupParams, LookupResult};
use protocol::limits::FRAME_BYTES_MAX;
use protocol::{Reason, base64url};

use super::request::Query;
use crate::core::RequestId;
use crate::directory::Directory;
use crate::hub::{Command, PreparedAgent, PreparedPage};

/// Bytes of the cards of one page. The rest of the frame has room for the DIDs.
const PAGE_BYTES_MAX: usize = FRAME_BYTES_MAX / 4 * 3;
/// Bytes of an entry besides its card.
const ENTRY_BYTES_MAX: usize = 512;

pub(super) fn answer(
    directory: &Directory,
    tenant: &TenantId,
    id: RequestId,
    query: Query,
) -> Command<'static> {
    match query {
        Query::Discover(params) => Command::Discovered { id, result: discover(directory, tenant, &params) },
        Query::Lookup(params) => match lookup(directory, tenant, &params) {
            Some(result) => Command::LookedUp { id, did: params.did, result },
            None => Command::Refuse { id: Some(id), refusal: Reason::NotFound.into() },
        },
    }
}

fn discover(directory: &Directory, tenant: &TenantId, params: &DiscoverParams) -> PreparedPage {
    let page = directory.discover(tenant, params);
    let (mut agents, mut bytes, mut cut) = (Vec::<PreparedAgent>::new(), 0, false);
    for entry in &page.agents {
        let Some(Ok(card)) = entry.card().map(serde_json::value::to_raw_value) else { continue };
        bytes += card.get().len() + ENTRY_BYTES_MAX;
        if bytes > PAGE_BYTES_MAX && !agents.is_empty() {
            cut = true;
            break;
        }
        agents.push(PreparedAgent { did: entry.did.clone(), card, online: false });
    }
    let last = agents.last().map(|found| found.did.clone());
    PreparedPage { cursor: if cut { last } else { page.cursor }, agents }
}

/// `None` for an agent that is unknown, has no record, or belongs to another tenant.
fn lookup(directory: &Directory, tenant: &TenantId, params: &LookupParams) -> Option<LookupResult> {
    let entry = directory.lookup(tenant, &params.did)?;
    let record = base64url::encode(entry.record.as_ref()?);
    Some(LookupResult { record, online: false, former_root_keys: entry.former_root_keys.clone() })
}
