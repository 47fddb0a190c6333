//! `m2a rotate`: rotates the agent's signing and encryption keys.

use std::process::ExitCode;
use std::time::Duration;

use msg2agent::ConnectionState;
use serde::Serialize;
use tokio::time::timeout;

use crate::connect;
use crate::failure::{ExitKind, Failure};
use crate::output::{Output, Tone};

/// How long the registration of the new keys may take.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeysView {
    did: String,
    signing_key_id: String,
    encryption_key_id: String,
}

pub(crate) async fn run(profile: Option<&str>, output: &Output) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    let before = epoch(&agent.connection_state());
    let mut connection = agent.watch_connection();
    agent.rotate().await?;
    let registered = connection.wait_for(|state| epoch(state) > before);
    if timeout(REGISTER_TIMEOUT, registered).await.is_err() {
        return Err(Failure::new(
            ExitKind::TryAgain,
            "the new keys are in the key file, but the relay has not registered them yet",
        )
        .advising("run m2a whoami, which registers them"));
    }
    let whoami = agent.whoami();
    let view = KeysView {
        did: whoami.did.to_string(),
        signing_key_id: whoami.signing_key_id.unwrap_or_default(),
        encryption_key_id: whoami.encryption_key_id.unwrap_or_default(),
    };
    let keys = format!("signs with {}, decrypts with {}", view.signing_key_id, view.encryption_key_id);
    let text = format!("{} {}: {keys}", output.paint(Tone::Good, "rotated"), view.did);
    output.result(&view, text);
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn epoch(state: &ConnectionState) -> u64 {
    state.session().map_or(0, |session| session.epoch)
}
