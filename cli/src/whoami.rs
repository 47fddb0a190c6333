//! `m2a whoami`: the agent's names and keys, and what the relay says about it.

use std::process::ExitCode;

use clap::Args;
use msg2agent::{Link, Whoami};
use serde::Serialize;

use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, Tone};

#[derive(Args)]
pub(crate) struct Options {
    /// Do not connect.
    #[arg(long)]
    offline: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    did: String,
    relay: String,
    online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_key_id: Option<String>,
    /// Messages waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<u64>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    options: Options,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let config = connect::config(profile)?;
    if options.offline {
        let (did, relay) = (config.did().to_string(), config.url().to_owned());
        let (root_key, signing_key_id, encryption_key_id, pending) = (None, None, None, None);
        print(
            &Printed { did, relay, online: false, root_key, signing_key_id, encryption_key_id, pending },
            output,
        );
        return Ok(ExitCode::SUCCESS);
    }
    let agent = connect::agent(profile).await?;
    let Whoami { did, relay, root_key, signing, encryption, link } = agent.whoami();
    let (online, pending) = match link {
        Link::Online(session) => (true, Some(session.pending)),
        _ => (false, None),
    };
    let printed = Printed {
        did: did.to_string(),
        relay,
        online,
        root_key: Some(root_key),
        signing_key_id: signing,
        encryption_key_id: encryption,
        pending,
    };
    print(&printed, output);
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(printed: &Printed, output: &Output) {
    let mut text = format!("did         {}\nrelay       {}", printed.did, printed.relay);
    let state = if printed.online { output.paint(Tone::Good, "online") } else { "not connected".to_owned() };
    let mut add = |label: &str, value: &Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("\n{label:<12}{value}"));
        }
    };
    add("state", &Some(state));
    add("root key", &printed.root_key);
    add("signs with", &printed.signing_key_id);
    add("reads with", &printed.encryption_key_id);
    add("waiting", &printed.pending.map(|n| format!("{n} messages")));
    output.result(printed, text);
}
