//! `m2a doctor`: walks what a client walks, a line for each step, and names the side that stopped, the cause and the remedy.

mod agent;
mod authorization;
mod bearer;
mod challenge;
mod finding;
mod forward;
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

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Tone, visible};
use finding::{Finding, Verdict};
use target::Target;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// `mcp`, with the URL of an endpoint; or `agent/NAME`, an Agent of the cluster that kubectl uses.
    #[arg(value_name = "mcp|agent/NAME", value_parser = subject)]
    what: What,

    /// The URL that is pasted into the client, such as https://mcp.example.com/mcp.
    url: Option<String>,

    /// File with the bearer token: the API key of the agent's Secret, or an access token. Without one the walk ends where
    /// a person would sign in.
    #[arg(long, value_name = "FILE", env = "MSG2AGENT_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// PEM certificates of a private authority, such as ca.crt of the agent's Secret.
    #[arg(long, value_name = "FILE", env = "MSG2AGENT_CA_FILE")]
    ca_file: Option<PathBuf>,

    #[command(flatten)]
    cluster: agent::Cluster,
}

#[derive(Clone)]
enum What {
    Mcp,
    Agent(String),
}

fn subject(text: &str) -> Result<What, String> {
    match text.split_once('/') {
        None if text == "mcp" => Ok(What::Mcp),
        Some(("agent" | "agents" | "m2ag", name)) if !name.is_empty() => Ok(What::Agent(name.to_owned())),
        _ => Err("give mcp and a URL, or agent/NAME".into()),
    }
}

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    works: bool,
    steps: Vec<Finding>,
}

pub(crate) async fn run(args: DoctorArgs, output: &Output) -> Result<ExitCode, Failure> {
    let report = match (&args.what, &args.url) {
        (What::Mcp, Some(url)) => endpoint(url, &args, output).await?,
        (What::Agent(name), None) => of_agent(name, &args.cluster, output).await?,
        (What::Mcp, None) => return Err(Failure::usage("the URL is missing", "m2a doctor mcp URL")),
        (What::Agent(_), Some(_)) => {
            return Err(Failure::usage("an Agent has its own URL", "m2a doctor agent/NAME"));
        }
    };
    output.result(&report, summary(&report, output));
    Ok(if report.works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn endpoint(url: &str, args: &DoctorArgs, output: &Output) -> Result<Report, Failure> {
    let target = Target::read(url, args.token_file.as_deref(), args.ca_file.as_deref())?;
    let steps = walk::walk(&target, |finding| show(finding, output)).await;
    Ok(Report::new(Some(url.to_owned()), steps))
}

/// What Kubernetes says first; then what a client sees, also when something is amiss, because that may be the better cause.
async fn of_agent(name: &str, cluster: &agent::Cluster, output: &Output) -> Result<Report, Failure> {
    let (finding, reached) = agent::look(name, cluster).await?;
    show(&finding, output);
    let mut steps = vec![finding];
    let Some(reached) = reached else { return Ok(Report::new(None, steps)) };
    steps.extend(walk::walk(&reached.target, |finding| show(finding, output)).await);
    Ok(Report::new(Some(reached.target.text.clone()), steps))
}

impl Report {
    fn new(url: Option<String>, steps: Vec<Finding>) -> Self {
        Self { url, works: !steps.iter().any(Finding::is_fault), steps }
    }
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
