//! Accounts, and which agents they may use. Checked at every authorization, code exchange, refresh
//! and introspection. Pure.

use protocol::Did;
use protocol::introspection::Inactive;

use crate::relay::McpEndpoint;

/// The issuer of accounts that were created with an invitation.
pub const INVITATION_ISSUER: &str = "invitation";

/// A person who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The subject of access tokens.
    pub id: String,
    /// The provider's issuer, or [`INVITATION_ISSUER`].
    pub issuer: String,
    /// The provider's subject, or tenant and id of the invitation.
    pub subject: String,
    /// The e-mail address, as the provider last verified it.
    pub email: Option<String>,
    /// The only agent that an account from an invitation may use.
    pub agent: Option<Did>,
}

/// Why an account may not use an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessDenied {
    /// The agent or its tenant is suspended.
    Suspended,
    /// The agent's list of accounts does not have this one.
    NotInvited,
    /// The agent has no endpoint that the gateway serves.
    NoEndpoint,
}

impl AccessDenied {
    /// The reason for the gateway, for metrics and for error pages.
    #[must_use]
    pub const fn reason(self) -> Inactive {
        match self {
            Self::Suspended => Inactive::Suspended,
            Self::NotInvited => Inactive::NotInvited,
            Self::NoEndpoint => Inactive::NoEndpoint,
        }
    }
}

impl Account {
    /// Whether the account may use the agent at its own endpoint. An invitation is for one agent;
    /// an account of the provider has to be on the agent's list, by subject or verified e-mail
    /// address.
    ///
    /// # Errors
    /// The account is not on the list or, if it is, the agent is suspended: others do not learn
    /// that.
    pub fn check_may_use(&self, endpoint: &McpEndpoint) -> Result<(), AccessDenied> {
        let invited = match &self.agent {
            Some(agent) => self.issuer == INVITATION_ISSUER && *agent == endpoint.agent,
            None => endpoint.mcp.accounts.iter().any(|name| self.is_listed_as(name)),
        };
        if !invited {
            return Err(AccessDenied::NotInvited);
        }
        if endpoint.suspended { Err(AccessDenied::Suspended) } else { Ok(()) }
    }

    /// Whether the account may use the agent through the gateway.
    ///
    /// # Errors
    /// As [`Self::check_may_use`], or the gateway does not serve the agent.
    pub fn check_may_use_through_gateway(&self, endpoint: &McpEndpoint) -> Result<(), AccessDenied> {
        self.check_may_use(endpoint)?;
        if endpoint.mcp.endpoint.is_none() { Err(AccessDenied::NoEndpoint) } else { Ok(()) }
    }

    /// The names that a list may have for the account.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.email.as_deref().into_iter().chain([self.subject.as_str()])
    }

    /// The account's name on the consent page.
    pub(crate) fn display_name(&self) -> &str {
        if self.issuer == INVITATION_ISSUER {
            return "the bearer of an invitation";
        }
        self.email.as_deref().unwrap_or(&self.subject)
    }

    /// A listed name with `@` is an e-mail address and never a subject, so that a subject cannot
    /// pose as somebody else's address.
    fn is_listed_as(&self, name: &str) -> bool {
        if name.contains('@') {
            return self.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(name));
        }
        self.subject == name
    }
}

#[cfg(test)]
mod tests {
    use protocol::admin::McpSpec;

    use super::*;

    fn endpoint(accounts: &[&str]) -> McpEndpoint {
        McpEndpoint {
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
        let listed = endpoint(&["Alice@Example.com", "1234"]);
        assert_eq!(account("9", Some("alice@example.COM")).check_may_use(&listed), Ok(()));
        assert_eq!(account("1234", None).check_may_use(&listed), Ok(()));
        assert_eq!(
            account("9", Some("bob@example.com")).check_may_use(&listed),
            Err(AccessDenied::NotInvited)
        );
        assert_eq!(account("9", None).check_may_use(&listed), Err(AccessDenied::NotInvited));
        let impostor = account("Alice@Example.com", None);
        assert_eq!(impostor.check_may_use(&listed), Err(AccessDenied::NotInvited));
    }

    #[test]
    fn an_invitation_opens_its_own_agent_only() {
        let invited = Account {
            issuer: INVITATION_ISSUER.into(),
            agent: Some("did:wba:example.com:agent:alice".parse().unwrap()),
            ..account("i_1", None)
        };
        assert_eq!(invited.check_may_use(&endpoint(&[])), Ok(()));
        let other =
            McpEndpoint { agent: "did:wba:example.com:agent:bob".parse().unwrap(), ..endpoint(&["i_1"]) };
        assert_eq!(invited.check_may_use(&other), Err(AccessDenied::NotInvited));
    }

    #[test]
    fn nobody_uses_a_suspended_agent_and_strangers_do_not_learn_that_it_is() {
        let suspended = McpEndpoint { suspended: true, ..endpoint(&["1234"]) };
        assert_eq!(account("1234", None).check_may_use(&suspended), Err(AccessDenied::Suspended));
        assert_eq!(account("9", None).check_may_use(&suspended), Err(AccessDenied::NotInvited));
    }

    #[test]
    fn the_gateway_serves_agents_with_an_endpoint_for_it() {
        let mut listed = endpoint(&["1234"]);
        let check =
            |listed: &McpEndpoint, subject| account(subject, None).check_may_use_through_gateway(listed);
        assert_eq!(check(&listed, "1234"), Err(AccessDenied::NoEndpoint));
        assert_eq!(check(&listed, "9"), Err(AccessDenied::NotInvited));
        listed.mcp.endpoint = Some("https://alice.svc/mcp".into());
        assert_eq!(check(&listed, "1234"), Ok(()));
    }
}
