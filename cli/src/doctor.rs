//! `m2a doctor`: checks an MCP endpoint step by step, as a client does.
//!
//! It prints a line per step. For a failed step it names the component at fault, the cause and a
//! remedy.

mod agent;
mod agent_resource;
mod agent_secret;
mod authorization;
mod challenge;
mod checks;
mod client_registration;
mod connect_proxy;
mod finding;
mod http;
mod issuer_metadata;
mod kubectl;
mod mcp_checks;
mod mcp_request;
mod network;
mod port_forward;
mod resource_metadata;
mod route;
mod target;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Tone, visible};
use finding::{Finding, Verdict};
use kubectl::Kubectl;
use target::Target;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// `mcp` with the URL of an endpoint, or `agent/NAME` for an Agent in the cluster that kubectl
    /// uses.
    #[arg(value_name = "mcp|agent/NAME", value_parser = parse_subject)]
    subject: Subject,

    /// The URL as entered in the client, such as https://mcp.example.com/mcp.
    url: Option<String>,

    /// File with the bearer token: the API key in the agent's Secret, or an access token. Without
    /// it, the checks end at the sign-in.
    #[arg(long, value_name = "FILE", env = "MSG2AGENT_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// File with PEM certificates of private authorities, such as ca.crt of the agent's Secrets
    /// NAME-mcp-tls (its endpoint) and NAME-relay (its relay, where people sign in).
    #[arg(long, value_name = "FILE", env = "MSG2AGENT_CA_FILE")]
    ca_file: Option<PathBuf>,

    #[command(flatten)]
    kubectl: Kubectl,
}

#[derive(Clone)]
enum Subject {
    Mcp,
    Agent(String),
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    match text.split_once('/') {
        None if text == "mcp" => Ok(Subject::Mcp),
        Some(("agent" | "agents" | "m2ag", name)) if !name.is_empty() => Ok(Subject::Agent(name.to_owned())),
        _ => Err("use mcp with a URL, or agent/NAME".into()),
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
    let report = match (&args.subject, &args.url) {
        (Subject::Mcp, Some(url)) => check_url(url, &args, output).await?,
        (Subject::Agent(name), None) => check_agent(name, &args.kubectl, output).await?,
        (Subject::Mcp, None) => return Err(Failure::usage("the URL is missing", "use m2a doctor mcp URL")),
        (Subject::Agent(_), Some(_)) => {
            return Err(Failure::usage(
                "an Agent has its own URL",
                "use m2a doctor agent/NAME without a URL",
            ));
        }
    };
    output.result(&report, summary(&report, output));
    Ok(if report.works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_url(url: &str, args: &DoctorArgs, output: &Output) -> Result<Report, Failure> {
    let target = Target::load(url, args.token_file.as_deref(), args.ca_file.as_deref())?;
    let steps = checks::run(&target, |finding| show(finding, output)).await;
    Ok(Report::new(Some(url.to_owned()), steps))
}

/// Checks the Agent object first, and then its endpoint. A fault of the object does not end the
/// checks, because a later one may be the actual cause.
async fn check_agent(name: &str, kubectl: &Kubectl, output: &Output) -> Result<Report, Failure> {
    let (finding, endpoint) = agent::examine(name, kubectl).await?;
    show(&finding, output);
    let mut steps = vec![finding];
    let Some(endpoint) = endpoint else { return Ok(Report::new(None, steps)) };
    steps.extend(checks::run(&endpoint.target, |finding| show(finding, output)).await);
    Ok(Report::new(Some(endpoint.target.text.clone()), steps))
}

impl Report {
    fn new(url: Option<String>, steps: Vec<Finding>) -> Self {
        Self { url, works: !steps.iter().any(Finding::is_fault), steps }
    }
}

/// Prints a line as soon as a step is done. JSON output has only the report at the end.
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
    let texts: Vec<_> = faults
        .map(|fault| {
            let side = output.paint(Tone::Strong, fault.side);
            format!("failed at: {side}\n  because: {}\n  try: {}", visible(&fault.cause), fault.remedy)
        })
        .collect();
    if texts.is_empty() { "every step passed".into() } else { texts.join("\n") }
}
