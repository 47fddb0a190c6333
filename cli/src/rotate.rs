//! `m2a rotate`: new signing and encryption keys under the same name.

use std::process::ExitCode;
use std::time::Duration;

use msg2agent::Link;
use serde::Serialize;
use tokio::time::timeout;

use crate::connect;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Tone};

/// Time for the relay to take the new record.
const REGISTER_DEADLINE: Duration = Duration::from_secs(15);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    did: String,
    signing_key_id: String,
    encryption_key_id: String,
}

pub(crate) async fn run(profile: Option<&str>, output: &Output) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    let before = epoch(&agent.link());
    let mut link = agent.watch_link();
    agent.rotate().await?;
    let registered = link.wait_for(|link| epoch(link) > before);
    if timeout(REGISTER_DEADLINE, registered).await.is_err() {
        return Err(Failure::new(
            Exit::TryAgain,
            "the new keys are kept, but the relay has not taken them yet",
        )
        .advising("connect again; they are registered then"));
    }
    let whoami = agent.whoami();
    let printed = Printed {
        did: whoami.did.to_string(),
        signing_key_id: whoami.signing.unwrap_or_default(),
        encryption_key_id: whoami.encryption.unwrap_or_default(),
    };
    let keys = format!("signs with {}, reads with {}", printed.signing_key_id, printed.encryption_key_id);
    let text = format!("{} {}: {keys}", output.paint(Tone::Good, "rotated"), printed.did);
    output.result(&printed, text);
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn epoch(link: &Link) -> u64 {
    match link {
        Link::Online(session) => session.epoch,
        _ => 0,
    }
}
