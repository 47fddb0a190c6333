//! What a client asks to use: an agent at its own endpoint, or the gateway, where the person chooses one. Everything here is
//! asked of the directory as it is now.

use protocol::Did;

use super::Oauth;
use super::account::{Account, Barred, Resource};
use super::offer::{self, Offer};

pub(super) enum Target {
    Agent(Resource),
    Gateway,
}

/// Why a form names no agent for a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unchosen {
    /// The person is still to choose.
    Missing,
    Barred(Barred),
}

impl Oauth {
    pub(super) fn target(&self, url: &str) -> Option<Target> {
        if self.gateway_url() == Some(url) {
            return Some(Target::Gateway);
        }
        self.directory.resource(url).map(Target::Agent)
    }

    /// The agents that this person may let the client use.
    pub(super) fn offer(&self, target: &Target, account: &Account) -> Result<Offer, Barred> {
        match target {
            Target::Agent(resource) => {
                account.check_may_use(resource)?;
                Ok(Offer { agents: vec![resource.clone()], more: false })
            }
            Target::Gateway => {
                let candidates = account.agent.clone().map_or_else(
                    || self.directory.agents_naming(account.names()).into_iter().collect(),
                    |agent| vec![agent],
                );
                let candidates = candidates.iter().filter_map(|agent| self.directory.resource_of(agent));
                offer::through_gateway(account, candidates)
            }
        }
    }

    /// The agent that a form names, if this person may use it. One that is not there looks like one of others.
    pub(super) fn chosen(
        &self,
        target: &Target,
        account: &Account,
        named: Option<&str>,
    ) -> Result<Did, Unchosen> {
        if let Target::Agent(resource) = target {
            account.check_may_use(resource).map_err(Unchosen::Barred)?;
            return Ok(resource.agent.clone());
        }
        let agent = named.ok_or(Unchosen::Missing)?.parse::<Did>().ok();
        let resource = agent.and_then(|agent| self.directory.resource_of(&agent));
        let resource = resource.ok_or(Unchosen::Barred(Barred::NotInvited))?;
        account.check_may_use_through_gateway(&resource).map_err(Unchosen::Barred)?;
        Ok(resource.agent)
    }

    /// Whether an invitation to this agent leads to the target.
    pub(super) fn leads_to(&self, target: &Target, agent: &Did) -> Result<(), Barred> {
        match target {
            Target::Agent(resource) if resource.agent == *agent => Ok(()),
            Target::Agent(_) => Err(Barred::NotInvited),
            Target::Gateway => match self.directory.resource_of(agent) {
                Some(resource) if resource.suspended => Err(Barred::Suspended),
                Some(resource) if resource.mcp.endpoint.is_some() => Ok(()),
                _ => Err(Barred::NoEndpoint),
            },
        }
    }
}
