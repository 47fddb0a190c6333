//! `m2a inbox`: what waits in the mailbox. Looking does not take: messages stay until `--ack`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Agent, Link, Message};
use tokio::time::{Instant, timeout_at};

use crate::connect;
use crate::failure::Failure;
use crate::output::Output;
use crate::printed::PrintedMessage;

/// Time for waiting messages to arrive after the connection is made.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Options {
    /// Take the messages that are shown: they do not come again.
    #[arg(long)]
    ack: bool,
    /// Show at most this many (the relay shows at most 256 before they are taken).
    #[arg(long, value_name = "MESSAGES", default_value_t = 50)]
    max: u64,
}

pub(crate) async fn run(
    profile: Option<&str>,
    options: Options,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    let pending = pending(&agent);
    let messages = arrived(&agent, pending.min(options.max)).await;
    for message in &messages {
        let printed = PrintedMessage::new(message);
        output.result(&printed, printed.text(output));
        if options.ack {
            message.ack().await?;
        }
    }
    let shown = u64::try_from(messages.len()).unwrap_or(u64::MAX);
    match (pending.saturating_sub(shown), options.ack) {
        (0, _) if shown == 0 => output.remark("no messages wait"),
        (0, true) => output.remark("all taken"),
        (0, false) => output.remark("nothing was taken; m2a inbox --ack takes what it shows"),
        (more, _) => output.remark(format_args!("{more} more wait")),
    }
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn pending(agent: &Agent) -> u64 {
    match agent.link() {
        Link::Online(session) => session.pending.min(session.window),
        _ => 0,
    }
}

async fn arrived(agent: &Agent, wanted: u64) -> Vec<Message> {
    let mut inbox = agent.inbox();
    let until = Instant::now() + ARRIVAL_DEADLINE;
    let mut messages = Vec::new();
    for _ in 0..wanted {
        let Ok(Some(message)) = timeout_at(until, inbox.next()).await else { break };
        messages.push(message);
    }
    messages
}
