//! `m2a agents`: discovers agents, looks one up, or forgets its pinned root key.

use std::process::ExitCode;

use clap::Args;
use msg2agent::{Card, Contact, DiscoveredAgent};
use serde::Serialize;

use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, Tone, visible};

#[derive(Args)]
pub(crate) struct AgentsArgs {
    /// List only agents with this capability. Without it, all agents of your tenant are listed.
    #[arg(long, value_name = "ID", conflicts_with_all = ["look_up", "forget"])]
    capability: Option<String>,
    /// Look up one agent: a DID, or the name of an agent of your tenant.
    #[arg(value_name = "AGENT")]
    look_up: Option<String>,
    /// Forget the pinned root key of an agent, so that its new one is accepted. Ask its owner
    /// first.
    #[arg(long, value_name = "AGENT", conflicts_with = "look_up")]
    forget: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentView<'a> {
    did: &'a str,
    online: bool,
    card: &'a Card,
    /// Present after a lookup: verified and pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    root_key: Option<&'a str>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    args: AgentsArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    if let Some(text) = &args.forget {
        let did = connect::resolve_address(text, agent.did())?;
        let known = agent.forget(&did)?;
        let text = if known {
            format!("forgot the root key of {did}")
        } else {
            format!("no root key of {did} was pinned")
        };
        output.result(&serde_json::json!({ "did": did, "known": known }), text);
    } else if let Some(text) = &args.look_up {
        let Contact { did, card, root_key, online, .. } =
            agent.lookup(&connect::resolve_address(text, agent.did())?).await?;
        print(&AgentView { did: did.as_str(), online, card: &card, root_key: Some(&root_key) }, output);
    } else {
        let found = agent.discover(args.capability.as_deref()).await?;
        for DiscoveredAgent { did, card, online } in &found {
            print(&AgentView { did: did.as_str(), online: *online, card, root_key: None }, output);
        }
        if found.is_empty() {
            output.remark("no agents found");
        }
    }
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(agent: &AgentView<'_>, output: &Output) {
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
    add("description", &agent.card.description);
    add("capabilities", &capabilities.join(", "));
    add("root key", agent.root_key.unwrap_or_default());
    output.result(agent, text);
}
