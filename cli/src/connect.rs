//! Connects the agent that the command line selects, and resolves the names of other agents.

use std::time::Duration;

use msg2agent::{Agent, Config, Did, Error};
use protocol::did::{AgentName, Domain};
use tokio::time::{Instant, sleep};

use crate::failure::Failure;
use crate::output::Output;

/// How often a recipient that is not registered yet is looked up.
const LOOKUP_INTERVAL: Duration = Duration::from_millis(500);

/// The agent's settings: those of the named profile, or else of the environment.
pub(crate) fn config(profile: Option<&str>) -> Result<Config, Failure> {
    Ok(match profile {
        Some(name) => Config::from_profile(name)?,
        None => Config::find()?,
    })
}

pub(crate) async fn agent(profile: Option<&str>) -> Result<Agent, Failure> {
    Ok(Agent::connect(config(profile)?).await?)
}

/// Reads a DID, or the bare name of an agent of the same tenant.
pub(crate) fn resolve_address(text: &str, own: &Did) -> Result<Did, Failure> {
    if text.starts_with("did:") {
        return Ok(text.parse().map_err(Error::from)?);
    }
    let unfit = || {
        Failure::usage(
            format!("{text:?} is neither a DID nor the name of an agent"),
            "give a DID, or the name of an agent of your tenant",
        )
    };
    let name: AgentName = text.parse().map_err(|e: protocol::did::LabelError| unfit().caused_by(&e))?;
    let domain: Domain =
        own.domain().parse().map_err(|e: protocol::did::DomainError| unfit().caused_by(&e))?;
    Ok(Did::new(&domain, &own.tenant(), &name))
}

/// Waits for the first registration of a recipient, so that a message can be sealed for it.
pub(crate) async fn wait_until_registered(
    agent: &Agent,
    to: &Did,
    deadline: Instant,
    output: &Output,
) -> Result<(), Failure> {
    let mut remarked = false;
    loop {
        let error = match agent.lookup(to).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let late = Instant::now() + LOOKUP_INTERVAL > deadline;
        if !error.is_not_found() || late {
            return Err(error.into());
        }
        if !remarked {
            output.remark(format_args!("{to} has not connected to the relay yet; waiting for it"));
            remarked = true;
        }
        sleep(LOOKUP_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_an_agent_of_the_same_tenant() {
        let own: Did = "did:wba:localhost%3A8443:agent:acme:alice".parse().unwrap();
        assert_eq!(resolve_address("bob", &own).unwrap().as_str(), "did:wba:localhost%3A8443:agent:acme:bob");
        let other = "did:wba:relay.example:agent:bob";
        assert_eq!(resolve_address(other, &own).unwrap().as_str(), other);
        assert_eq!(resolve_address("Bob!", &own).unwrap_err().exit, crate::failure::ExitKind::Usage);
    }
}
