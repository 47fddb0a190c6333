//! `m2a ask`: a request and its answer, with a proof of both on demand.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Exchange, SendOptions};
use serde::Serialize;
use tokio::time::Instant;

use crate::failure::{Exit, Failure};
use crate::output::{Output, Tone};
use crate::printed::{PrintedMessage, PrintedSent};
use crate::send::Body;
use crate::{connect, proof_file};

#[derive(Args)]
pub(crate) struct Options {
    /// The agent to ask: a DID, or the name of an agent of the own tenant.
    #[arg(long, value_name = "AGENT")]
    to: String,
    #[command(flatten)]
    body: Body,
    /// What is asked for, by the name the other agent knows.
    #[arg(long)]
    method: Option<String>,
    /// How long to wait for the answer, and before that for an agent that has never connected.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Write a proof of request and answer, for `m2a verify`; - prints it, and everything else goes to standard error.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

#[derive(Serialize)]
struct Printed {
    sent: PrintedSent,
    answer: PrintedMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<PathBuf>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    options: Options,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let Options { to, body, method, timeout, proof } = options;
    let until = Instant::now() + Duration::from_secs(timeout);
    let mut content = body.content()?;
    content.method = method;
    let output =
        if proof.as_deref().is_some_and(|p| p.as_os_str() == "-") { &output.aside() } else { output };
    let agent = connect::agent(profile).await?;
    let to = connect::address(&to, agent.did())?;
    connect::until_known(&agent, &to, until, output).await?;
    let left = until.saturating_duration_since(Instant::now());
    let Exchange { sent, answer } = agent.request_with(&to, content, left, SendOptions::default()).await?;
    if let Some(path) = &proof {
        proof_file::write(&agent, [sent.evidence(), answer.evidence()], path)?;
    }
    let failed = answer.is_error();
    let printed = Printed { sent: PrintedSent::new(&sent), answer: PrintedMessage::new(&answer), proof };
    output.result(&printed, text(&printed, output));
    agent.close().await;
    if failed {
        return Err(Failure::new(Exit::Failed, format!("{to} answered with an error")));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(printed: &Printed, output: &Output) -> String {
    let Printed { sent, answer, proof } = printed;
    let mut text = format!("{}\n{}", sent.text(output), answer.text(output));
    if let Some(path) = proof.as_deref().filter(|p| p.as_os_str() != "-") {
        let hint = format!("\nproof written to {0}; verify it anywhere: m2a verify {0}", path.display());
        text.push_str(&output.paint(Tone::Quiet, hint));
    }
    text
}
