//! Questions about other agents of the same tenant.

use protocol::base64url;
use protocol::did::TenantId;
use protocol::frame::{DiscoverParams, DiscoverResult, Found, LookupParams, LookupResult};
use protocol::limits::FRAME_BYTES_MAX;

use crate::directory::Directory;

/// Bytes of a page's cards; the frame around them and the DIDs fit in the rest.
const PAGE_BYTES_MAX: usize = FRAME_BYTES_MAX / 4 * 3;

/// `online` is filled in by the hub, which alone knows.
pub(super) fn discover(directory: &Directory, tenant: &TenantId, params: &DiscoverParams) -> DiscoverResult {
    let page = directory.discover(tenant, params);
    let (mut agents, mut bytes, mut cut) = (Vec::new(), 0, false);
    for entry in &page.agents {
        let Some(card) = entry.card().cloned() else { continue };
        bytes += serde_json::to_vec(&card).map_or(0, |json| json.len()) + 512;
        if bytes > PAGE_BYTES_MAX && !agents.is_empty() {
            cut = true;
            break;
        }
        agents.push(Found { did: entry.did.clone(), card, online: false });
    }
    let last = agents.last().map(|found| found.did.clone());
    DiscoverResult { cursor: if cut { last } else { page.cursor }, agents }
}

/// Unknown, without a record, or in another tenant: the same nothing.
pub(super) fn lookup(
    directory: &Directory,
    tenant: &TenantId,
    params: &LookupParams,
) -> Option<LookupResult> {
    let entry = directory.lookup(tenant, &params.did)?;
    let record = base64url::encode(entry.record.as_ref()?);
    Some(LookupResult { record, online: false })
}
