//! `m2a send`: one message to one agent.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Content, SendOptions};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::Output;
use crate::printed::PrintedSent;
use crate::{connect, proof_file};

#[derive(Args)]
pub(crate) struct Options {
    /// The recipient: a DID, or the name of an agent of the own tenant.
    #[arg(long, value_name = "AGENT")]
    to: String,
    #[command(flatten)]
    body: Body,
    /// A label that joins messages of one conversation.
    #[arg(long)]
    thread: Option<String>,
    /// How long the relay keeps it for a recipient that is away.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// How long to wait for a recipient that has never connected.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Write a proof of what was sent, for `m2a verify`; - prints it.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// What is said.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Body {
    /// A text; - reads it from standard input, out of sight of the process list.
    #[arg(long)]
    text: Option<String>,
    /// A JSON value.
    #[arg(long)]
    json: Option<serde_json::Value>,
}

impl Body {
    pub(crate) fn content(self) -> Result<Content, Failure> {
        match (self.text, self.json) {
            (_, Some(json)) => Ok(Content::json(json)),
            (Some(text), None) if text == "-" => std::io::read_to_string(std::io::stdin())
                .map(Content::text)
                .map_err(|e| Failure::io("cannot read the text from standard input", e)),
            (text, None) => Ok(Content::text(text.unwrap_or_default())),
        }
    }
}

pub(crate) async fn run(
    profile: Option<&str>,
    options: Options,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let until = Instant::now() + Duration::from_secs(options.timeout);
    let content = options.body.content()?;
    let output =
        if options.proof.as_deref().is_some_and(|p| p.as_os_str() == "-") { &output.aside() } else { output };
    let agent = connect::agent(profile).await?;
    let to = connect::address(&options.to, agent.did())?;
    connect::until_known(&agent, &to, until, output).await?;
    let settings = SendOptions { thread: options.thread, ttl: options.ttl, ..SendOptions::default() };
    let sent = agent.send_with(&to, content, settings).await?;
    if let Some(path) = &options.proof {
        proof_file::write(&agent, [sent.evidence()], path)?;
    }
    let printed = PrintedSent::new(&sent);
    output.result(&printed, printed.text(output));
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}
