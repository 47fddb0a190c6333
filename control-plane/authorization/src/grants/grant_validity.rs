//! Checks whether a grant is still valid against its agent's current state. Runs at every code
//! exchange, refresh and introspection. Pure.

use protocol::introspection::Inactive;

use super::grant::Grant;
use crate::people::account::{AccessDenied, Account};
use crate::relay::McpEndpoint;

/// Why a grant is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantInvalid {
    /// Its URL is no longer that of the agent's endpoint or of the gateway.
    ResourceGone,
    /// The person may no longer use the agent.
    Denied(AccessDenied),
}

impl GrantInvalid {
    /// The reason for the gateway and for metrics.
    #[must_use]
    pub const fn reason(self) -> Inactive {
        match self {
            Self::ResourceGone => Inactive::ResourceGone,
            Self::Denied(denied) => denied.reason(),
        }
    }

    /// A sentence for the client's developer.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::ResourceGone => "the agent is no longer reached at this URL",
            Self::Denied(AccessDenied::Suspended) => "the agent or its tenant is suspended",
            Self::Denied(AccessDenied::NotInvited) => "the person may no longer use this agent",
            Self::Denied(AccessDenied::NoEndpoint) => "the gateway no longer serves this agent",
        }
    }
}

/// Checks a grant. `endpoint` is the current endpoint of the grant's agent, if it has one.
///
/// # Errors
/// The grant is no longer valid.
pub fn check_grant(
    grant: &Grant,
    account: &Account,
    endpoint: Option<&McpEndpoint>,
    gateway_url: Option<&str>,
) -> Result<(), GrantInvalid> {
    let endpoint =
        endpoint.filter(|endpoint| endpoint.agent == grant.agent).ok_or(GrantInvalid::ResourceGone)?;
    let at_gateway = gateway_url == Some(&grant.resource);
    if grant.gateway != at_gateway || (!at_gateway && endpoint.mcp.url != grant.resource) {
        return Err(GrantInvalid::ResourceGone);
    }
    let allowed = if at_gateway {
        account.check_may_use_through_gateway(endpoint)
    } else {
        account.check_may_use(endpoint)
    };
    allowed.map_err(GrantInvalid::Denied)
}

#[cfg(test)]
mod tests {
    use protocol::admin::McpSpec;

    use super::*;

    const GATEWAY: &str = "https://gateway.example/mcp";
    const OWN: &str = "https://mcp.example/alice";

    fn agent() -> McpEndpoint {
        McpEndpoint {
            agent: "did:wba:example.com:agent:alice".parse().unwrap(),
            mcp: McpSpec {
                url: OWN.into(),
                accounts: vec!["1234".into()],
                endpoint: Some("https://alice.svc/mcp".into()),
            },
            agent_name: None,
            suspended: false,
        }
    }

    fn account() -> Account {
        Account {
            id: "acct".into(),
            issuer: "https://accounts.example".into(),
            subject: "1234".into(),
            email: None,
            agent: None,
        }
    }

    fn grant(resource: &str, gateway: bool) -> Grant {
        Grant {
            id: "g".into(),
            account: "acct".into(),
            client_id: "c".into(),
            agent: agent().agent,
            resource: resource.into(),
            gateway,
            scope: "mcp:read".into(),
            expires: 100,
        }
    }

    #[test]
    fn a_grant_holds_for_the_url_it_was_given_for_only() {
        let check = |grant: &Grant, gateway| check_grant(grant, &account(), Some(&agent()), gateway);
        assert_eq!(check(&grant(OWN, false), None), Ok(()));
        assert_eq!(check(&grant(OWN, false), Some(GATEWAY)), Ok(()));
        assert_eq!(check(&grant(GATEWAY, true), Some(GATEWAY)), Ok(()));
        for (grant, gateway) in [
            (grant(GATEWAY, true), None),
            (grant(GATEWAY, true), Some("https://other.example/mcp")),
            (grant("https://mcp.example/old", false), Some(GATEWAY)),
            // An agent's own URL that became the gateway's.
            (grant(OWN, false), Some(OWN)),
            (grant(OWN, true), Some(GATEWAY)),
        ] {
            assert_eq!(check(&grant, gateway), Err(GrantInvalid::ResourceGone), "{grant:?} {gateway:?}");
        }
    }

    #[test]
    fn a_grant_ends_with_its_agent_and_the_rights_of_its_person() {
        let through = grant(GATEWAY, true);
        let reason = |agent: Option<&McpEndpoint>| {
            check_grant(&through, &account(), agent, Some(GATEWAY)).unwrap_err().reason().as_str()
        };
        assert_eq!(reason(None), "resource_gone");
        let other = McpEndpoint { agent: "did:wba:example.com:agent:bob".parse().unwrap(), ..agent() };
        assert_eq!(reason(Some(&other)), "resource_gone");
        assert_eq!(reason(Some(&McpEndpoint { suspended: true, ..agent() })), "suspended");
        let unserved = McpEndpoint { mcp: McpSpec { endpoint: None, ..agent().mcp }, ..agent() };
        assert_eq!(reason(Some(&unserved)), "no_endpoint");
        let removed = McpEndpoint { mcp: McpSpec { accounts: vec![], ..agent().mcp }, ..agent() };
        assert_eq!(reason(Some(&removed)), "not_invited");
    }
}
