//! `m2a whoami`: shows the agent's DID, its keys and its connection.

use std::process::ExitCode;

use clap::Args;
use msg2agent::Whoami;
use serde::Serialize;

use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, Tone};

#[derive(Args)]
pub(crate) struct WhoamiArgs {
    /// Do not connect.
    #[arg(long)]
    offline: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhoamiView {
    did: String,
    relay: String,
    online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_key_id: Option<String>,
    /// Messages in the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<u64>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    args: WhoamiArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let config = connect::config(profile)?;
    if args.offline {
        let (did, relay) = (config.did().to_string(), config.url().to_owned());
        let (root_key, signing_key_id, encryption_key_id, pending) = (None, None, None, None);
        print(
            &WhoamiView { did, relay, online: false, root_key, signing_key_id, encryption_key_id, pending },
            output,
        );
        return Ok(ExitCode::SUCCESS);
    }
    let agent = connect::agent(profile).await?;
    let Whoami { did, relay, root_key, signing_key_id, encryption_key_id, connection } = agent.whoami();
    let (online, pending) = (connection.is_connected(), connection.session().map(|session| session.pending));
    let view = WhoamiView {
        did: did.to_string(),
        relay,
        online,
        root_key: Some(root_key),
        signing_key_id,
        encryption_key_id,
        pending,
    };
    print(&view, output);
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(view: &WhoamiView, output: &Output) {
    let mut text = format!("did            {}\nrelay          {}", view.did, view.relay);
    let state = if view.online { output.paint(Tone::Good, "online") } else { "not connected".to_owned() };
    let mut add = |label: &str, value: &Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("\n{label:<15}{value}"));
        }
    };
    add("state", &Some(state));
    add("root key", &view.root_key);
    add("signs with", &view.signing_key_id);
    add("decrypts with", &view.encryption_key_id);
    add("mailbox", &view.pending.map(|n| format!("{n} messages")));
    output.result(view, text);
}
