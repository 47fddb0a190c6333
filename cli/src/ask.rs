//! `m2a ask`: sends a request, waits for its answer, and optionally proves both.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Exchange, SendOptions};
use serde::Serialize;
use tokio::time::Instant;

use crate::failure::{ExitKind, Failure};
use crate::message_content::MessageContent;
use crate::message_view::{MessageView, SentView};
use crate::output::{Output, Tone};
use crate::{connect, proof_file};

#[derive(Args)]
pub(crate) struct AskArgs {
    /// The recipient: a DID, or the name of an agent of your tenant.
    #[arg(long, value_name = "AGENT")]
    to: String,
    #[command(flatten)]
    content: MessageContent,
    /// The method name, as the recipient defines it.
    #[arg(long)]
    method: Option<String>,
    /// How long to wait for the answer, including the first connection of a recipient that has
    /// never connected.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Write a proof of request and answer to this file, for `m2a verify`. With -, print the proof
    /// to standard output and everything else to standard error.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

#[derive(Serialize)]
struct ExchangeView {
    sent: SentView,
    answer: MessageView,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<PathBuf>,
}

pub(crate) async fn run(profile: Option<&str>, args: AskArgs, output: &Output) -> Result<ExitCode, Failure> {
    let AskArgs { to, content, method, timeout, proof } = args;
    let until = Instant::now() + Duration::from_secs(timeout);
    let mut content = content.read()?;
    content.method = method;
    let output =
        if proof.as_deref().is_some_and(|p| p.as_os_str() == "-") { &output.to_stderr() } else { output };
    let agent = connect::agent(profile).await?;
    let to = connect::resolve_address(&to, agent.did())?;
    connect::wait_until_registered(&agent, &to, until, output).await?;
    let left = until.saturating_duration_since(Instant::now());
    let Exchange { sent, answer } = agent.request_with(&to, content, left, SendOptions::default()).await?;
    if let Some(path) = &proof {
        proof_file::write(&agent, [sent.evidence(), answer.evidence()], path)?;
    }
    let failed = answer.is_error();
    let printed = ExchangeView { sent: SentView::new(&sent), answer: MessageView::new(&answer), proof };
    let handed_over = output.hand_over(&printed, text(&printed, output));
    if handed_over.is_ok() {
        // What cannot be acknowledged comes to the inbox of the next command.
        answer.ack().await?;
    }
    agent.close().await;
    if let Err(error) = handed_over {
        Failure::not_printed(error)?;
    }
    if failed {
        return Err(Failure::new(ExitKind::Failed, format!("{to} answered with an error")));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(printed: &ExchangeView, output: &Output) -> String {
    let ExchangeView { sent, answer, proof } = printed;
    let mut text = format!("{}\n{}", sent.text(output), answer.text(output));
    if let Some(path) = proof.as_deref().filter(|p| p.as_os_str() != "-") {
        let hint = format!("\nproof written to {0}; verify it with: m2a verify --pins {0}", path.display());
        text.push_str(&output.paint(Tone::Quiet, hint));
    }
    text
}
