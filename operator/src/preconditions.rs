//! Checks before the operator runs: the definitions are not older than the operator, and no other
//! operator works in its namespaces.

use std::time::Duration;

use daemon::{Shutdown, error_chain};
use kube::Client;

use crate::definitions::{self, Definitions};
use crate::error::Result;
use crate::installations::{self, Installation};
use crate::observed::Observed;
use crate::settings::Settings;

/// Interval between two attempts while the API server does not answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Why the operator must not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreconditionError {
    #[error(
        "the definitions {} are older than this operator ({version}); upgrade the chart msg2agent-crds first",
        names.join(", "),
        version = crds::SCHEMA_VERSION
    )]
    OlderDefinitions { names: Vec<String> },
    #[error(
        "another operator ({0}) works in the same namespaces; uninstall one of the two, or give them different \
         watchNamespaces"
    )]
    OtherOperator(String),
}

/// Waits until the API server has said that the operator may run. Definitions that do not exist yet
/// are waited for later, by the watches.
///
/// # Errors
/// The operator must not run.
pub async fn wait(
    client: &Client,
    settings: &Settings,
    shutdown: &Shutdown,
) -> Result<(), PreconditionError> {
    while !shutdown.has_begun() {
        match observe(client).await {
            Ok((definitions, installations)) => return judge(&definitions, &installations, settings),
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "failed to check the installation; retrying");
            }
        }
        tokio::select! {
            () = shutdown.begun() => {}
            () = tokio::time::sleep(RETRY_INTERVAL) => {}
        }
    }
    Ok(())
}

async fn observe(client: &Client) -> Result<(Definitions, Observed<Vec<Installation>>)> {
    Ok((definitions::read(client).await?, installations::list(client).await?))
}

fn judge(
    definitions: &Definitions,
    installations: &Observed<Vec<Installation>>,
    settings: &Settings,
) -> Result<(), PreconditionError> {
    match definitions {
        Definitions::Older(names) => {
            return Err(PreconditionError::OlderDefinitions { names: names.clone() });
        }
        Definitions::Unreadable => {
            tracing::warn!("the operator may not read its definitions, so their version is not checked");
        }
        Definitions::Fit | Definitions::Missing(_) => {}
    }
    let Observed::Known(all) = installations else { return Ok(()) };
    let own = all.iter().find(|installation| installation.is_own(settings));
    match own.and_then(|own| installations::older_rival(own, all)) {
        Some(rival) => Err(PreconditionError::OtherOperator(rival.to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn settings() -> Settings {
        Settings::parse_from(["operator"])
    }

    #[test]
    fn older_definitions_stop_the_operator_and_missing_ones_do_not() {
        let judged = |definitions| judge(&definitions, &Observed::Unknown, &settings());
        let names = vec!["agents.msg2agent.xyz".to_owned()];
        let error = judged(Definitions::Older(names.clone())).unwrap_err();
        assert!(error.to_string().contains("agents.msg2agent.xyz are older"), "{error}");
        assert!(error.to_string().contains("upgrade the chart msg2agent-crds"), "{error}");
        for fine in [Definitions::Fit, Definitions::Missing(names), Definitions::Unreadable] {
            assert_eq!(judged(fine), Ok(()));
        }
    }
}
