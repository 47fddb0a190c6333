//! `m2a listen`: prints and acknowledges messages continuously, and optionally answers requests.
//! What could not be printed is not acknowledged.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use msg2agent::{Agent, Content, Error, Message, MessageType, Reason, SendOptions};
use tokio::time::sleep;

use crate::failure::Failure;
use crate::message_view::MessageView;
use crate::output::Output;
use crate::{connect, shutdown_signal};

/// Attempts to send one answer. Each waits for the relay's answer, so that they outlast a long
/// restart.
const ATTEMPTS_MAX: u32 = 20;
/// The delay between two attempts, unless the relay names one.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Where `--direct` without an address listens.
const DEFAULT_LISTEN: &str = "[::]:7443";

#[derive(Args)]
pub(crate) struct ListenArgs {
    /// Answer every request with this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "echo")]
    answer: Option<String>,
    /// Answer every request with its own content.
    #[arg(long)]
    echo: bool,
    /// Listen for direct connections of other agents too, at this address.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = DEFAULT_LISTEN)]
    direct: Option<SocketAddr>,
    /// Exit after this many messages.
    #[arg(long, value_name = "MESSAGES")]
    count: Option<u64>,
}

pub(crate) async fn run(
    profile: Option<&str>,
    args: ListenArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut config = connect::config(profile)?;
    if let Some(address) = args.direct {
        config = config.listening_directly(address);
    }
    let agent = Agent::connect(config).await?;
    output.remark(format_args!("listening as {}", agent.did()));
    for endpoint in agent.direct_endpoints() {
        output.remark(format_args!("directly at {endpoint}"));
    }
    tokio::select! {
        done = receive(&agent, &args, output) => done?,
        () = report_notices(&agent, output) => {}
        _ = shutdown_signal::received() => {}
    }
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error what became of messages that were stored, also of those of earlier
/// commands. Never returns while the agent runs.
async fn report_notices(agent: &Agent, output: &Output) {
    let mut notices = agent.notices();
    while let Some(notice) = notices.next().await {
        let why = notice.reason.map(|reason| format!(": {}", reason.as_str())).unwrap_or_default();
        output.remark(format_args!("{} to {} was {}{why}", notice.id, notice.to, notice.outcome.as_str()));
        if let Err(error) = notice.ack().await {
            output.remark(format_args!("cannot remember that it was said: {}", error.chain()));
        }
    }
    std::future::pending().await
}

async fn receive(agent: &Agent, args: &ListenArgs, output: &Output) -> Result<(), Failure> {
    let mut inbox = agent.inbox();
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(message) = inbox.next().await else {
            return Err(agent.ended().await.into());
        };
        let view = MessageView::new(&message);
        if let Err(error) = output.hand_over(&view, view.text(output)) {
            return Failure::not_printed(error);
        }
        answer(agent, &message, args, output).await?;
        message.ack().await?;
        left -= 1;
    }
    Ok(())
}

/// Answers a request. If the answer is refused for good, prints a remark and continues.
async fn answer(agent: &Agent, message: &Message, args: &ListenArgs, output: &Output) -> Result<(), Failure> {
    if message.message_type() != MessageType::Request {
        return Ok(());
    }
    let content = match (&args.answer, args.echo) {
        (Some(text), _) => Content::text(text),
        (None, true) => message.content().clone(),
        (None, false) => return Ok(()),
    };
    match send_answer(agent, message, content).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_closed() || error.is_temporary() => Err(error.into()),
        Err(error) => {
            output.remark(format_args!("cannot answer {}: {}", message.from(), error.chain()));
            Ok(())
        }
    }
}

/// Retries while the relay is unreachable or busy, with the same id, so that one answer arrives.
async fn send_answer(agent: &Agent, message: &Message, content: Content) -> Result<(), Error> {
    let mut send_options = SendOptions {
        r#type: MessageType::Response,
        thread: message.thread().map(str::to_owned),
        re: Some(message.id()),
        ..SendOptions::default()
    };
    let mut attempt = 1;
    loop {
        let error = match agent.send_with(message.from(), content.clone(), send_options.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if attempt > 1 && error.reason() == Some(Reason::DuplicateId) {
            // An earlier attempt had arrived.
            return Ok(());
        }
        if !error.is_temporary() || attempt == ATTEMPTS_MAX {
            return Err(error);
        }
        attempt += 1;
        send_options.id = error.message_id();
        sleep(error.retry_after().unwrap_or(RETRY_INTERVAL)).await;
    }
}
