//! From the command line to an agent, and from a name to a DID.

use std::time::Duration;

use msg2agent::{Agent, Config, Did, Error};
use protocol::did::{AgentName, Domain};
use tokio::time::{Instant, sleep};

use crate::failure::Failure;
use crate::output::Output;

/// How often a recipient that has not registered yet is looked for.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The agent to act as: the environment's, unless a profile is named.
pub(crate) fn config(profile: Option<&str>) -> Result<Config, Failure> {
    Ok(match profile {
        Some(name) => Config::from_profile(name)?,
        None => Config::find()?,
    })
}

pub(crate) async fn agent(profile: Option<&str>) -> Result<Agent, Failure> {
    Ok(Agent::connect(config(profile)?).await?)
}

/// A DID, or the bare name of an agent of the own tenant.
pub(crate) fn address(text: &str, own: &Did) -> Result<Did, Failure> {
    if text.starts_with("did:") {
        return Ok(text.parse().map_err(Error::from)?);
    }
    let unfit = || {
        Failure::usage(
            format!("{text:?} is not the address of an agent"),
            "give a DID, or the name of an agent of your own tenant",
        )
    };
    let name: AgentName = text.parse().map_err(|e: protocol::did::LabelError| unfit().caused_by(&e))?;
    let domain: Domain =
        own.domain().parse().map_err(|e: protocol::did::DomainError| unfit().caused_by(&e))?;
    Ok(Did::new(&domain, &own.tenant(), &name))
}

/// Waits until a recipient that is declared but has not registered yet can be written to.
pub(crate) async fn until_known(
    agent: &Agent,
    to: &Did,
    until: Instant,
    output: &Output,
) -> Result<(), Failure> {
    let mut told = false;
    loop {
        let error = match agent.lookup(to).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let late = Instant::now() + RETRY_INTERVAL > until;
        if !error.is_not_found() || late {
            return Err(error.into());
        }
        if !told {
            output.remark(format_args!(
                "{to} is not known to the relay (yet); waiting for its first connection"
            ));
            told = true;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_an_agent_of_the_own_tenant() {
        let own: Did = "did:wba:localhost%3A8443:agent:acme:alice".parse().unwrap();
        assert_eq!(address("bob", &own).unwrap().as_str(), "did:wba:localhost%3A8443:agent:acme:bob");
        let other = "did:wba:relay.example:agent:bob";
        assert_eq!(address(other, &own).unwrap().as_str(), other);
        assert_eq!(address("Bob!", &own).unwrap_err().exit, crate::failure::Exit::Usage);
    }
}
