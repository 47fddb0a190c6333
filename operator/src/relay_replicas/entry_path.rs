//! Reads the paths of tenants and agents in the admin API. Pure.

use protocol::did::{AgentName, TenantId};

const TENANTS: &str = "/admin/v1/tenants/";

/// An entry that the relay lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryPath {
    Tenant(TenantId),
    Agent(TenantId, AgentName),
}

impl EntryPath {
    /// `None`: another path, for example that of an invitation.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix(TENANTS)?.split('/');
        let tenant = parts.next()?.parse().ok()?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Some(Self::Tenant(tenant)),
            (Some("agents"), Some(name), None) => Some(Self::Agent(tenant, name.parse().ok()?)),
            _ => None,
        }
    }
}

/// Whether the relay lists what is at this path.
pub(super) fn is_listed_path(path: &str) -> bool {
    EntryPath::parse(path).is_some()
}

/// The beginnings of the paths of everything that the relay removes together with the content at
/// `path`. The invitations of an agent count as removed with it, although some may remain: writing
/// them again is harmless.
pub(super) fn places_removed_with(path: &str) -> Vec<String> {
    let invitations = path.split_once("/agents/").map(|(tenant, _agent)| format!("{tenant}/invitations/"));
    [format!("{path}/")].into_iter().chain(invitations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_and_agents_are_told_from_everything_below_them() {
        let tenant = EntryPath::parse("/admin/v1/tenants/acme");
        assert_eq!(tenant, Some(EntryPath::Tenant("acme".parse().unwrap())));
        let agent = EntryPath::parse("/admin/v1/tenants/acme/agents/alice");
        assert_eq!(agent, Some(EntryPath::Agent("acme".parse().unwrap(), "alice".parse().unwrap())));
        for path in [
            "/admin/v1/tenants/acme/invitations/claude",
            "/admin/v1/tenants/acme/agents/alice/mcp",
            "/admin/v1/tenants/acme/agents",
            "/admin/v1/tenants/",
            "/admin/v1/agents",
        ] {
            assert_eq!(EntryPath::parse(path), None, "{path}");
        }
    }
}
