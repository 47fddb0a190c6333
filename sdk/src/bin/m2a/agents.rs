//! `m2a agents`: who is there, by capability or by address.

use std::process::ExitCode;

use clap::Args;
use msg2agent::{Card, Contact, DiscoveredAgent};
use serde::Serialize;

use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, Tone, visible};

#[derive(Args)]
pub(crate) struct Options {
    /// Agents of the own tenant with this capability; without it, all of them.
    #[arg(long, value_name = "ID", conflicts_with_all = ["look_up", "forget"])]
    capability: Option<String>,
    /// Show one agent: a DID, or a name of the own tenant.
    #[arg(value_name = "AGENT")]
    look_up: Option<String>,
    /// Forget the root key of an agent, so that a changed one is accepted; ask its owner first.
    #[arg(long, value_name = "AGENT", conflicts_with = "look_up")]
    forget: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    did: &'a str,
    online: bool,
    card: &'a Card,
    /// Only of an agent that was looked up: verified, and pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    root_key: Option<&'a str>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    options: Options,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    if let Some(text) = &options.forget {
        let did = connect::address(text, agent.did())?;
        let known = agent.forget(&did)?;
        let text = if known { format!("forgot {did}") } else { format!("{did} was not known") };
        output.result(&serde_json::json!({ "did": did, "known": known }), text);
    } else if let Some(text) = &options.look_up {
        let Contact { did, card, root_key, online, .. } =
            agent.lookup(&connect::address(text, agent.did())?).await?;
        print(&Printed { did: did.as_str(), online, card: &card, root_key: Some(&root_key) }, output);
    } else {
        let found = agent.discover(options.capability.as_deref()).await?;
        for DiscoveredAgent { did, card, online } in &found {
            print(&Printed { did: did.as_str(), online: *online, card, root_key: None }, output);
        }
        if found.is_empty() {
            output.remark("no agent found");
        }
    }
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(agent: &Printed<'_>, output: &Output) {
    let state =
        if agent.online { output.paint(Tone::Good, "online ") } else { output.paint(Tone::Quiet, "offline") };
    let capabilities: Vec<_> = agent.card.capabilities.iter().map(|c| c.id.as_str()).collect();
    let mut text = format!("{state} {}", agent.did);
    let mut add = |label: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("\n        {label}: {}", visible(value)));
        }
    };
    add("name", &agent.card.name);
    add("about", &agent.card.description);
    add("can", &capabilities.join(", "));
    add("root key", agent.root_key.unwrap_or_default());
    output.result(agent, text);
}
