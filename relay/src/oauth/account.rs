//! Accounts, and which agents they may use. Decided anew at each authorization, refresh and introspection. Pure.

use protocol::Did;
use protocol::admin::McpSpec;
use protocol::introspection::Inactive;

/// Issuer of accounts that were made by an invitation.
pub(crate) const INVITATION_ISSUER: &str = "invitation";

/// A person, as far as we know one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Subject of access tokens.
    pub(crate) id: String,
    /// The provider's issuer, or [`INVITATION_ISSUER`].
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// As the provider last verified it.
    pub(crate) email: Option<String>,
    /// The only agent that the bearer of an invitation may use.
    pub(crate) agent: Option<Did>,
}

/// An MCP endpoint of this relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) agent: Did,
    pub(crate) mcp: McpSpec,
    /// The agent's name for people, if it has one.
    pub(crate) agent_name: Option<String>,
    /// The agent or its tenant is suspended.
    pub(crate) suspended: bool,
}

/// Why somebody may not use an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barred {
    Suspended,
    NotInvited,
    /// It has no endpoint that the gateway serves.
    NoEndpoint,
}

impl Barred {
    pub(super) const fn reason(self) -> Inactive {
        match self {
            Self::Suspended => Inactive::Suspended,
            Self::NotInvited => Inactive::NotInvited,
            Self::NoEndpoint => Inactive::NoEndpoint,
        }
    }
}

impl Account {
    /// Invitations are for one agent; the provider's accounts are on the agent's list by subject or verified address. Who is not
    /// invited learns nothing else.
    pub(super) fn check_may_use(&self, resource: &Resource) -> Result<(), Barred> {
        let invited = match &self.agent {
            Some(agent) => self.issuer == INVITATION_ISSUER && *agent == resource.agent,
            None => resource.mcp.accounts.iter().any(|name| self.is_called(name)),
        };
        if !invited {
            return Err(Barred::NotInvited);
        }
        if resource.suspended { Err(Barred::Suspended) } else { Ok(()) }
    }

    /// The same, through the relay's gateway.
    pub(super) fn check_may_use_through_gateway(&self, resource: &Resource) -> Result<(), Barred> {
        self.check_may_use(resource)?;
        if resource.mcp.endpoint.is_none() { Err(Barred::NoEndpoint) } else { Ok(()) }
    }

    /// What lists may call it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.email.as_deref().into_iter().chain([self.subject.as_str()])
    }

    /// A name for the person on our pages.
    pub(super) fn shown_name(&self) -> &str {
        if self.issuer == INVITATION_ISSUER {
            return "the bearer of an invitation";
        }
        self.email.as_deref().unwrap_or(&self.subject)
    }

    /// A subject never holds `@` in a list of ours, so that nobody can name themselves like an address of another.
    fn is_called(&self, name: &str) -> bool {
        if name.contains('@') {
            return self.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(name));
        }
        self.subject == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(accounts: &[&str]) -> Resource {
        Resource {
            agent: "did:wba:example.com:agent:alice".parse().unwrap(),
            mcp: McpSpec {
                url: "https://mcp.example/alice".into(),
                accounts: accounts.iter().map(ToString::to_string).collect(),
                endpoint: None,
            },
            agent_name: None,
            suspended: false,
        }
    }

    fn account(subject: &str, email: Option<&str>) -> Account {
        Account {
            id: "acct".into(),
            issuer: "https://accounts.example".into(),
            subject: subject.into(),
            email: email.map(str::to_owned),
            agent: None,
        }
    }

    #[test]
    fn the_list_names_subjects_and_verified_addresses() {
        let listed = resource(&["Alice@Example.com", "1234"]);
        assert_eq!(account("9", Some("alice@example.COM")).check_may_use(&listed), Ok(()));
        assert_eq!(account("1234", None).check_may_use(&listed), Ok(()));
        assert_eq!(account("9", Some("bob@example.com")).check_may_use(&listed), Err(Barred::NotInvited));
        assert_eq!(account("9", None).check_may_use(&listed), Err(Barred::NotInvited));
        let impostor = account("Alice@Example.com", None);
        assert_eq!(impostor.check_may_use(&listed), Err(Barred::NotInvited));
    }

    #[test]
    fn an_invitation_opens_its_own_agent_only() {
        let invited = Account {
            issuer: INVITATION_ISSUER.into(),
            agent: Some("did:wba:example.com:agent:alice".parse().unwrap()),
            ..account("i_1", None)
        };
        assert_eq!(invited.check_may_use(&resource(&[])), Ok(()));
        let other =
            Resource { agent: "did:wba:example.com:agent:bob".parse().unwrap(), ..resource(&["i_1"]) };
        assert_eq!(invited.check_may_use(&other), Err(Barred::NotInvited));
    }

    #[test]
    fn nobody_uses_a_suspended_agent_and_strangers_do_not_learn_that_it_is() {
        let suspended = Resource { suspended: true, ..resource(&["1234"]) };
        assert_eq!(account("1234", None).check_may_use(&suspended), Err(Barred::Suspended));
        assert_eq!(account("9", None).check_may_use(&suspended), Err(Barred::NotInvited));
    }

    #[test]
    fn the_gateway_leads_to_agents_with_an_endpoint_for_it() {
        let mut listed = resource(&["1234"]);
        let check = |listed: &Resource, subject| account(subject, None).check_may_use_through_gateway(listed);
        assert_eq!(check(&listed, "1234"), Err(Barred::NoEndpoint));
        assert_eq!(check(&listed, "9"), Err(Barred::NotInvited));
        listed.mcp.endpoint = Some("https://alice.svc/mcp".into());
        assert_eq!(check(&listed, "1234"), Ok(()));
    }
}
