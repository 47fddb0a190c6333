//! `m2a listen`: messages as they come, acknowledged once printed, and optionally answered.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Agent, Content, Error, Message, MessageType, Reason, SendOptions};
use tokio::time::sleep;

use crate::failure::Failure;
use crate::output::Output;
use crate::printed::PrintedMessage;
use crate::{connect, stop};

/// Attempts to send one answer; each waits for the relay's word itself, so that a long restart is survived.
const ATTEMPTS_MAX: u32 = 20;
/// Between two attempts, when the relay does not say.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

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
        answer(agent, &message, options, output).await?;
        message.ack().await?;
        left -= 1;
    }
    Ok(())
}

/// Answers a request. One that cannot be answered at all is remarked and let go.
async fn answer(agent: &Agent, message: &Message, options: &Options, output: &Output) -> Result<(), Failure> {
    if message.message_type() != MessageType::Request {
        return Ok(());
    }
    let content = match (&options.answer, options.echo) {
        (Some(text), _) => Content::text(text),
        (None, true) => message.content().clone(),
        (None, false) => return Ok(()),
    };
    match send_answer(agent, message, content).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_closed() || error.is_temporary() => Err(error.into()),
        Err(error) => {
            output.remark(format_args!("no answer to {}: {}", message.from(), error.chain()));
            Ok(())
        }
    }
}

/// Tries again while the relay is away or busy, with one id, so that one answer arrives.
async fn send_answer(agent: &Agent, message: &Message, content: Content) -> Result<(), Error> {
    let mut settings = SendOptions {
        r#type: MessageType::Response,
        thread: message.thread().map(str::to_owned),
        re: Some(message.id()),
        ..SendOptions::default()
    };
    let mut attempt = 1;
    loop {
        let error = match agent.send_with(message.from(), content.clone(), settings.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if attempt > 1 && error.reason() == Some(Reason::DuplicateId) {
            // The attempt before had arrived after all.
            return Ok(());
        }
        if !error.is_temporary() || attempt == ATTEMPTS_MAX {
            return Err(error);
        }
        attempt += 1;
        settings.id = error.message_id();
        sleep(error.retry_after().unwrap_or(RETRY_INTERVAL)).await;
    }
}
