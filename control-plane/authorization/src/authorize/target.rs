//! The endpoint that a client asks to use: an agent's own, or the gateway, where the person chooses
//! an agent. Every answer comes from the relay's current state.

use std::sync::Arc;

use protocol::Did;

use super::agent_choices::{AgentChoices, gateway_choices};
use super::gateway::Gateway;
use crate::people::account::{AccessDenied, Account};
use crate::relay::{McpEndpoint, Relay};

/// The endpoint that a client asks to use.
pub(crate) enum Target {
    Agent(McpEndpoint),
    Gateway,
}

/// Why a consent form does not select an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentNotChosen {
    /// The form has no agent.
    Missing,
    Denied(AccessDenied),
}

/// All endpoints of the relay, with its gateway.
pub(crate) struct Targets {
    relay: Arc<dyn Relay>,
    gateway: Option<Gateway>,
}

impl Targets {
    pub(crate) const fn new(relay: Arc<dyn Relay>, gateway: Option<Gateway>) -> Self {
        Self { relay, gateway }
    }

    pub(crate) const fn gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref()
    }

    pub(crate) fn gateway_url(&self) -> Option<&str> {
        self.gateway.as_ref().map(Gateway::url)
    }

    /// The target with exactly this URL.
    pub(crate) fn find(&self, url: &str) -> Option<Target> {
        if self.gateway_url() == Some(url) {
            return Some(Target::Gateway);
        }
        self.relay.endpoint(url).map(Target::Agent)
    }

    /// The agents that this person may let the client use.
    pub(crate) fn agent_choices(
        &self,
        target: &Target,
        account: &Account,
    ) -> Result<AgentChoices, AccessDenied> {
        match target {
            Target::Agent(endpoint) => {
                account.check_may_use(endpoint)?;
                Ok(AgentChoices { agents: vec![endpoint.clone()], more: false })
            }
            Target::Gateway => {
                let names: Vec<_> = account.names().collect();
                let candidates = account.agent.clone().map_or_else(
                    || self.relay.agents_listing(&names).into_iter().collect(),
                    |agent| vec![agent],
                );
                let endpoints = candidates.iter().filter_map(|agent| self.relay.endpoint_of(agent));
                gateway_choices(account, endpoints)
            }
        }
    }

    /// The agent that a consent form selects, if this person may use it. An agent that does not
    /// exist is answered like one that the person may not use.
    pub(crate) fn choose_agent(
        &self,
        target: &Target,
        account: &Account,
        selected: Option<&str>,
    ) -> Result<Did, AgentNotChosen> {
        if let Target::Agent(endpoint) = target {
            account.check_may_use(endpoint).map_err(AgentNotChosen::Denied)?;
            return Ok(endpoint.agent.clone());
        }
        let agent = selected.ok_or(AgentNotChosen::Missing)?.parse::<Did>().ok();
        let endpoint = agent.and_then(|agent| self.relay.endpoint_of(&agent));
        let endpoint = endpoint.ok_or(AgentNotChosen::Denied(AccessDenied::NotInvited))?;
        account.check_may_use_through_gateway(&endpoint).map_err(AgentNotChosen::Denied)?;
        Ok(endpoint.agent)
    }

    /// Whether an invitation to this agent can be used for the target.
    pub(crate) fn check_invitation(&self, target: &Target, agent: &Did) -> Result<(), AccessDenied> {
        match target {
            Target::Agent(endpoint) if endpoint.agent == *agent => Ok(()),
            Target::Agent(_) => Err(AccessDenied::NotInvited),
            Target::Gateway => match self.relay.endpoint_of(agent) {
                Some(endpoint) if endpoint.suspended => Err(AccessDenied::Suspended),
                Some(endpoint) if endpoint.mcp.endpoint.is_some() => Ok(()),
                _ => Err(AccessDenied::NoEndpoint),
            },
        }
    }
}
