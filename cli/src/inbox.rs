//! `m2a inbox`: shows the messages in the mailbox. They stay there unless `--ack` is given.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Agent, Message};
use tokio::time::{Instant, timeout_at};

use crate::connect;
use crate::failure::Failure;
use crate::message_view::MessageView;
use crate::output::Output;

/// How long pending messages may take to arrive after connecting.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct InboxArgs {
    /// Acknowledge the messages that are shown, so that they are not delivered again.
    #[arg(long)]
    ack: bool,
    /// Show at most this many. The relay delivers at most 256 unacknowledged messages.
    #[arg(long, value_name = "MESSAGES", default_value_t = 50)]
    max: u64,
}

pub(crate) async fn run(
    profile: Option<&str>,
    args: InboxArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    let pending = pending(&agent);
    let messages = receive(&agent, pending.min(args.max)).await;
    for message in &messages {
        let view = MessageView::new(message);
        if let Err(error) = output.hand_over(&view, view.text(output)) {
            agent.close().await;
            return Failure::not_printed(error).map(|()| ExitCode::SUCCESS);
        }
        if args.ack {
            message.ack().await?;
        }
    }
    let shown = u64::try_from(messages.len()).unwrap_or(u64::MAX);
    match (pending.saturating_sub(shown), args.ack) {
        (0, _) if shown == 0 => output.remark("the mailbox is empty"),
        (0, true) => output.remark("all messages are acknowledged"),
        (0, false) => output.remark("the messages stay in the mailbox; m2a inbox --ack acknowledges them"),
        (more, _) => output.remark(format_args!("{more} more in the mailbox")),
    }
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

fn pending(agent: &Agent) -> u64 {
    agent.connection_state().session().map_or(0, |session| session.pending.min(session.window))
}

async fn receive(agent: &Agent, count: u64) -> Vec<Message> {
    let mut inbox = agent.inbox();
    let deadline = Instant::now() + ARRIVAL_TIMEOUT;
    let mut messages = Vec::new();
    for _ in 0..count {
        let Ok(Some(message)) = timeout_at(deadline, inbox.next()).await else { break };
        messages.push(message);
    }
    messages
}
