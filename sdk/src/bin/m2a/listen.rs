//! `m2a listen`: messages as they come, acknowledged once printed, and optionally answered.

use std::process::ExitCode;

use clap::Args;
use msg2agent::{Agent, Content, Message, MessageType};

use crate::failure::Failure;
use crate::output::Output;
use crate::printed::PrintedMessage;
use crate::{connect, stop};

#[derive(Args)]
pub(crate) struct Options {
    /// Answer every request with this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "echo")]
    answer: Option<String>,
    /// Answer every request with its own content.
    #[arg(long)]
    echo: bool,
    /// End after this many messages.
    #[arg(long, value_name = "MESSAGES")]
    count: Option<u64>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    options: Options,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let agent = connect::agent(profile).await?;
    output.remark(format_args!("listening as {}", agent.did()));
    tokio::select! {
        done = receive(&agent, &options, output) => done?,
        _ = stop::requested() => {}
    }
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn receive(agent: &Agent, options: &Options, output: &Output) -> Result<(), Failure> {
    let mut inbox = agent.inbox();
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(message) = inbox.next().await else {
            return Err(agent.ended().await.into());
        };
        let printed = PrintedMessage::new(&message);
        output.result(&printed, printed.text(output));
        answer(&message, options, output).await?;
        message.ack().await?;
        left -= 1;
    }
    Ok(())
}

/// A request that cannot be answered now is not acknowledged when trying again may help: it comes again.
async fn answer(message: &Message, options: &Options, output: &Output) -> Result<(), Failure> {
    if message.message_type() != MessageType::Request {
        return Ok(());
    }
    let content = match (&options.answer, options.echo) {
        (Some(text), _) => Content::text(text),
        (None, true) => message.content().clone(),
        (None, false) => return Ok(()),
    };
    match message.reply(content).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_closed() || error.is_temporary() => Err(error.into()),
        Err(error) => {
            output.remark(format_args!("no answer to {}: {}", message.from(), error.chain()));
            Ok(())
        }
    }
}
