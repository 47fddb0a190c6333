//! The agents that the consent page lists: the one that the client asked for or, at the gateway,
//! every agent that the person may use now. Pure.

use crate::people::account::{AccessDenied, Account};
use crate::relay::McpEndpoint;

/// The most agents on one consent page. A person with more agents uses the URL of the agent's own
/// endpoint.
const AGENT_CHOICES_MAX: usize = 100;

/// The agents that a person can choose from; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentChoices {
    /// The agents on the page.
    pub agents: Vec<McpEndpoint>,
    /// Whether the person may use further agents that are not listed.
    pub more: bool,
}

/// The agents among `candidates` that this account may use through the gateway, in their order.
///
/// # Errors
/// There is none, with the reason for the last agent that the account would be allowed to use
/// otherwise.
pub fn gateway_choices(
    account: &Account,
    candidates: impl Iterator<Item = McpEndpoint>,
) -> Result<AgentChoices, AccessDenied> {
    let (mut agents, mut denied) = (Vec::new(), AccessDenied::NotInvited);
    for candidate in candidates {
        match account.check_may_use_through_gateway(&candidate) {
            Ok(()) if agents.len() == AGENT_CHOICES_MAX => return Ok(AgentChoices { agents, more: true }),
            Ok(()) => agents.push(candidate),
            Err(AccessDenied::NotInvited) => {}
            Err(reason) => denied = reason,
        }
    }
    if agents.is_empty() { Err(denied) } else { Ok(AgentChoices { agents, more: false }) }
}

#[cfg(test)]
mod tests {
    use protocol::admin::McpSpec;

    use super::*;

    fn agent(number: usize, account: &str) -> McpEndpoint {
        McpEndpoint {
            agent: format!("did:wba:example.com:agent:a{number}").parse().unwrap(),
            mcp: McpSpec {
                url: format!("https://mcp.example/{number}"),
                accounts: vec![account.into()],
                endpoint: Some("https://a.svc/mcp".into()),
            },
            agent_name: None,
            suspended: false,
        }
    }

    fn choices(candidates: Vec<McpEndpoint>) -> Result<AgentChoices, AccessDenied> {
        let account = Account {
            id: "acct".into(),
            issuer: "https://accounts.example".into(),
            subject: "1234".into(),
            email: None,
            agent: None,
        };
        gateway_choices(&account, candidates.into_iter())
    }

    #[test]
    fn only_agents_that_the_person_may_use_are_listed() {
        let suspended = McpEndpoint { suspended: true, ..agent(2, "1234") };
        let mut unserved = agent(3, "1234");
        unserved.mcp.endpoint = None;
        let all =
            vec![agent(0, "9"), agent(1, "1234"), suspended.clone(), unserved.clone(), agent(4, "1234")];
        let listed = choices(all).unwrap();
        assert_eq!(listed, AgentChoices { agents: vec![agent(1, "1234"), agent(4, "1234")], more: false });
        assert_eq!(choices(vec![]), Err(AccessDenied::NotInvited));
        assert_eq!(choices(vec![agent(0, "9")]), Err(AccessDenied::NotInvited));
        assert_eq!(choices(vec![agent(0, "9"), unserved]), Err(AccessDenied::NoEndpoint));
        assert_eq!(choices(vec![suspended, agent(0, "9")]), Err(AccessDenied::Suspended));
    }

    #[test]
    fn a_page_has_its_limit_and_says_that_there_are_more() {
        let many = |count: usize| choices((0..count).map(|number| agent(number, "1234")).collect()).unwrap();
        let full = many(AGENT_CHOICES_MAX);
        assert_eq!((full.agents.len(), full.more), (AGENT_CHOICES_MAX, false));
        let beyond = many(AGENT_CHOICES_MAX + 1);
        assert_eq!((beyond.agents.len(), beyond.more), (AGENT_CHOICES_MAX, true));
    }
}
