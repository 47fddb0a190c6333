//! Whether what a person allowed still holds: decided by the agent of the grant, at each exchange, refresh and introspection. Pure.

use protocol::introspection::Inactive;

use super::account::{Account, Barred, Resource};
use super::grant::Grant;

/// Why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapsed {
    /// The endpoint it was allowed for is not the agent's, or not the relay's gateway, any more.
    ResourceGone,
    Barred(Barred),
}

impl Lapsed {
    pub(super) const fn reason(self) -> Inactive {
        match self {
            Self::ResourceGone => Inactive::ResourceGone,
            Self::Barred(barred) => barred.reason(),
        }
    }

    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::ResourceGone => "the agent is not reached at this URL any more",
            Self::Barred(Barred::Suspended) => "the agent or its tenant is suspended",
            Self::Barred(Barred::NotInvited) => "the person may not use this agent any more",
            Self::Barred(Barred::NoEndpoint) => "the gateway does not serve this agent any more",
        }
    }
}

/// `agent` is the endpoint of the grant's agent as it is now, if it has one.
pub(super) fn judge(
    grant: &Grant,
    account: &Account,
    agent: Option<&Resource>,
    gateway_url: Option<&str>,
) -> Result<(), Lapsed> {
    let agent = agent.filter(|agent| agent.agent == grant.agent).ok_or(Lapsed::ResourceGone)?;
    let at_gateway = gateway_url == Some(&grant.resource);
    if grant.gateway != at_gateway || (!at_gateway && agent.mcp.url != grant.resource) {
        return Err(Lapsed::ResourceGone);
    }
    let may =
        if at_gateway { account.check_may_use_through_gateway(agent) } else { account.check_may_use(agent) };
    may.map_err(Lapsed::Barred)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use protocol::admin::McpSpec;

    use super::*;

    const GATEWAY: &str = "https://gateway.example/mcp";
    const OWN: &str = "https://mcp.example/alice";

    fn agent() -> Resource {
        Resource {
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
        let judge = |grant: &Grant, gateway| judge(grant, &account(), Some(&agent()), gateway);
        assert_eq!(judge(&grant(OWN, false), None), Ok(()));
        assert_eq!(judge(&grant(OWN, false), Some(GATEWAY)), Ok(()));
        assert_eq!(judge(&grant(GATEWAY, true), Some(GATEWAY)), Ok(()));
        for (grant, gateway) in [
            (grant(GATEWAY, true), None),
            (grant(GATEWAY, true), Some("https://other.example/mcp")),
            (grant("https://mcp.example/old", false), Some(GATEWAY)),
            // An agent's own URL that became the gateway's.
            (grant(OWN, false), Some(OWN)),
            (grant(OWN, true), Some(GATEWAY)),
        ] {
            assert_eq!(judge(&grant, gateway), Err(Lapsed::ResourceGone), "{grant:?} {gateway:?}");
        }
    }

    #[test]
    fn a_grant_ends_with_its_agent_and_the_rights_of_its_person() {
        let through = grant(GATEWAY, true);
        let judge = |agent: Option<&Resource>| {
            judge(&through, &account(), agent, Some(GATEWAY)).unwrap_err().reason().as_str()
        };
        assert_eq!(judge(None), "resource_gone");
        let other = Resource { agent: "did:wba:example.com:agent:bob".parse().unwrap(), ..agent() };
        assert_eq!(judge(Some(&other)), "resource_gone");
        assert_eq!(judge(Some(&Resource { suspended: true, ..agent() })), "suspended");
        let unserved = Resource { mcp: McpSpec { endpoint: None, ..agent().mcp }, ..agent() };
        assert_eq!(judge(Some(&unserved)), "no_endpoint");
        let removed = Resource { mcp: McpSpec { accounts: vec![], ..agent().mcp }, ..agent() };
        assert_eq!(judge(Some(&removed)), "not_invited");
    }
}
