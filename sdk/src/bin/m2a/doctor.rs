//! `m2a doctor`: walks what a client walks, a line for each step, and names the side that stopped, the cause and the remedy.

mod authorization;
mod bearer;
mod challenge;
mod finding;
mod issuer;
mod reach;
mod registration;
mod resource;
mod rpc;
mod target;
mod usage;
mod walk;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Tone, visible};
use finding::{Finding, Verdict};
use target::Target;

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// An MCP endpoint: from its name in DNS to one harmless tool call.
    Mcp(McpOptions),
}

#[derive(Args)]
pub(crate) struct McpOptions {
    /// The URL that is pasted into the client, such as https://mcp.example.com/mcp.
    url: String,

    /// File with the bearer token: the API key of the agent's Secret, or an access token. Without one the walk ends where
    /// a person would sign in.
    #[arg(long, value_name = "FILE", env = "MSG2AGENT_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// PEM certificates of a private authority, such as ca.crt of the agent's Secret.
    #[arg(long, value_name = "FILE", env = "MSG2AGENT_CA_FILE")]
    ca_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    url: String,
    works: bool,
    steps: Vec<Finding>,
}

pub(crate) async fn run(options: Options, output: &Output) -> Result<ExitCode, Failure> {
    let What::Mcp(options) = options.what;
    let target = Target::read(&options.url, options.token_file.as_deref(), options.ca_file.as_deref())?;
    let steps = walk::walk(&target, |finding| show(finding, output)).await;
    let works = !steps.iter().any(Finding::is_fault);
    let report = Report { url: options.url, works, steps };
    output.result(&report, summary(&report, output));
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line as soon as the step is done; programs get the report at the end.
fn show(finding: &Finding, output: &Output) {
    if output.is_json() {
        return;
    }
    let (mark, tone, text) = match &finding.verdict {
        Verdict::Passed { saw } => ("ok", Tone::Good, saw.clone()),
        Verdict::Skipped { why } => ("--", Tone::Quiet, why.clone()),
        Verdict::Failed(fault) => ("FAILED", Tone::Bad, fault.cause.clone()),
    };
    output.line(&format!(
        "{} {:<14} {}",
        output.paint(tone, format!("{mark:<6}")),
        finding.step,
        visible(&text)
    ));
}

fn summary(report: &Report, output: &Output) -> String {
    let faults = report.steps.iter().filter_map(|finding| match &finding.verdict {
        Verdict::Failed(fault) => Some(fault),
        _ => None,
    });
    let told: Vec<_> = faults
        .map(|fault| {
            let side = output.paint(Tone::Strong, fault.side);
            format!("stopped at: {side}\n  because: {}\n  try: {}", visible(&fault.cause), fault.remedy)
        })
        .collect();
    if told.is_empty() { "every step works".into() } else { told.join("\n") }
}
