//! `m2a send`: sends one message.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use msg2agent::{Agent, PathChoice, SendOptions};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::message_content::MessageContent;
use crate::message_view::SentView;
use crate::output::Output;
use crate::{connect, proof_file};

#[derive(Args)]
pub(crate) struct SendArgs {
    /// The recipient: a DID, or the name of an agent of your tenant.
    #[arg(long, value_name = "AGENT")]
    to: String,
    #[command(flatten)]
    content: MessageContent,
    /// A label that groups the messages of a conversation.
    #[arg(long)]
    thread: Option<String>,
    /// How long the relay stores the message for a recipient that is offline.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// How long to wait for the first connection of a recipient that has never connected.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Which way the message may take: directly between the agents, through the relay, or directly
    /// if they can reach each other.
    #[arg(long, value_enum, default_value_t = PathArgument::Any)]
    path: PathArgument,
    /// Write a proof of the message to this file, for `m2a verify`; - prints it.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// The ways of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PathArgument {
    Direct,
    Relay,
    Any,
}

impl PathArgument {
    const fn choice(self) -> PathChoice {
        match self {
            Self::Direct => PathChoice::DirectOnly,
            Self::Relay => PathChoice::RelayOnly,
            Self::Any => PathChoice::Any,
        }
    }
}

pub(crate) async fn run(profile: Option<&str>, args: SendArgs, output: &Output) -> Result<ExitCode, Failure> {
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let content = args.content.read()?;
    let output = if args.proof.as_deref().is_some_and(|p| p.as_os_str() == "-") {
        &output.to_stderr()
    } else {
        output
    };
    let mut config = connect::config(profile)?;
    if args.path == PathArgument::Direct {
        config = config.dialling_directly();
    }
    let to = connect::resolve_address(&args.to, config.did())?;
    let needs_relay = !config.is_direct_peer(&to);
    let agent = Agent::connect(config).await?;
    if needs_relay {
        connect::wait_until_registered(&agent, &to, deadline, output).await?;
    }
    let path = args.path.choice();
    let options = SendOptions { thread: args.thread, ttl: args.ttl, path, ..SendOptions::default() };
    let sent = agent.send_with(&to, content, options).await?;
    if let Some(path) = &args.proof {
        proof_file::write(&agent, [sent.evidence()], path)?;
    }
    let view = SentView::new(&sent);
    output.result(&view, view.text(output));
    agent.close().await;
    Ok(ExitCode::SUCCESS)
}
