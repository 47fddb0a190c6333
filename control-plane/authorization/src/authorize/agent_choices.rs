//! Which agents a person is offered on the consent page: the one the client asked for, or through the gateway each that the
//! person may use now. Pure.

use super::account::{Account, Barred, Resource};

/// Agents on one consent page. A person with more than that pastes the URL of the agent's own endpoint.
pub(super) const AGENTS_OFFERED_MAX: usize = 100;

/// At least one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) agents: Vec<Resource>,
    /// The person may use others that are not listed.
    pub(super) more: bool,
}

/// The agents among `candidates` that the gateway serves to this account, in their order.
pub(super) fn through_gateway(
    account: &Account,
    candidates: impl Iterator<Item = Resource>,
) -> Result<Offer, Barred> {
    let (mut agents, mut barred) = (Vec::new(), Barred::NotInvited);
    for candidate in candidates {
        match account.check_may_use_through_gateway(&candidate) {
            Ok(()) if agents.len() == AGENTS_OFFERED_MAX => return Ok(Offer { agents, more: true }),
            Ok(()) => agents.push(candidate),
            Err(Barred::NotInvited) => {}
            Err(why) => barred = why,
        }
    }
    if agents.is_empty() { Err(barred) } else { Ok(Offer { agents, more: false }) }
}

#[cfg(test)]
mod tests {
    use protocol::admin::McpSpec;

    use super::*;

    fn agent(number: usize, account: &str) -> Resource {
        Resource {
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

    fn offer(candidates: Vec<Resource>) -> Result<Offer, Barred> {
        let account = Account {
            id: "acct".into(),
            issuer: "https://accounts.example".into(),
            subject: "1234".into(),
            email: None,
            agent: None,
        };
        through_gateway(&account, candidates.into_iter())
    }

    #[test]
    fn only_what_the_person_may_use_is_offered() {
        let suspended = Resource { suspended: true, ..agent(2, "1234") };
        let mut unserved = agent(3, "1234");
        unserved.mcp.endpoint = None;
        let all =
            vec![agent(0, "9"), agent(1, "1234"), suspended.clone(), unserved.clone(), agent(4, "1234")];
        let offered = offer(all).unwrap();
        assert_eq!(offered, Offer { agents: vec![agent(1, "1234"), agent(4, "1234")], more: false });
        assert_eq!(offer(vec![]), Err(Barred::NotInvited));
        assert_eq!(offer(vec![agent(0, "9")]), Err(Barred::NotInvited));
        assert_eq!(offer(vec![agent(0, "9"), unserved]), Err(Barred::NoEndpoint));
        assert_eq!(offer(vec![suspended, agent(0, "9")]), Err(Barred::Suspended));
    }

    #[test]
    fn a_page_has_its_limit_and_says_that_there_are_more() {
        let many = |count: usize| offer((0..count).map(|number| agent(number, "1234")).collect()).unwrap();
        let full = many(AGENTS_OFFERED_MAX);
        assert_eq!((full.agents.len(), full.more), (AGENTS_OFFERED_MAX, false));
        let beyond = many(AGENTS_OFFERED_MAX + 1);
        assert_eq!((beyond.agents.len(), beyond.more), (AGENTS_OFFERED_MAX, true));
    }
}
