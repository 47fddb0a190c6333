//! `m2a dev`: runs a relay and two agents on this machine.
//!
//! It starts the relay program, creates the agents, has them exchange a request and an answer,
//! prints the proof and further commands, and runs until it is stopped.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use msg2agent::{Agent, Config, Content, Did, MessageType, SendOptions};
use protocol::multikey;
use tokio::task::JoinHandle;

use crate::failure::{ExitKind, Failure};
use crate::message_view::format_content;
use crate::output::Output;
use crate::relay::admin_client::{AdminClient, AdminConnection};
use crate::shutdown_signal::{self, ShutdownSignal};

mod agents;
mod data_dir;
mod relay_process;
mod report;

use agents::DevAgent;
use data_dir::DataDir;
use relay_process::RelayProcess;
use report::{DevReport, text};

/// How long an agent may take to connect. The relay is ready by then, so that a failure is
/// permanent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long Bob may take to answer. He runs in this process.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const QUESTION: &str = "What is 2+2?";
const ANSWER: &str = "4";

#[derive(Args)]
pub(crate) struct DevArgs {
    /// Keep all data in this folder and reuse it the next time. By default, all data is in a
    /// temporary folder, which is removed at the end.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The relay's port on the loopback address [default: a free port].
    #[arg(long)]
    port: Option<u16>,
    /// Exit after the first exchange.
    #[arg(long)]
    once: bool,
}

/// The running relay and agents.
struct Running {
    relay: RelayProcess,
    bob: Agent,
    answering: JoinHandle<()>,
}

pub(crate) async fn run(args: DevArgs, output: &Output) -> Result<ExitCode, Failure> {
    // Waits from the beginning, so that a signal during the start ends what is already running.
    let mut shutdown = pin!(shutdown_signal::received());
    let folder = DataDir::open(args.data_dir.as_deref())?;
    let mut running = tokio::select! {
        _ = &mut shutdown => return Ok(ExitCode::SUCCESS),
        started = start(&folder, args.port, output) => started?,
    };
    let signal = if args.once { ShutdownSignal::Terminate } else { running.wait(shutdown).await? };
    running.stop(signal).await;
    Ok(ExitCode::SUCCESS)
}

/// Starts the relay and both agents, has them exchange a message, and prints the report.
async fn start(folder: &DataDir, port: Option<u16>, output: &Output) -> Result<Running, Failure> {
    let started = Instant::now();
    let relay = RelayProcess::start(folder.path(), port).await?;
    let connection = AdminConnection {
        url: relay.admin_url.clone(),
        token_file: relay.admin_token_file.clone(),
        ca_file: None,
        connect: None,
    };
    let admin = AdminClient::new(&connection, false)?;
    let home = folder.path().join("profiles");
    let [alice, bob] = agents::create(&admin, &home, &relay.url).await?;
    let bob_agent = connect(&bob).await?;
    let answering = tokio::spawn(answer_requests(bob_agent.clone()));
    let running = Running { relay, bob: bob_agent, answering };
    let (proof, answer) = ask(&alice, &bob, folder.path()).await?;
    let report = DevReport {
        relay_url: running.relay.url.clone(),
        admin_url: running.relay.admin_url.clone(),
        admin_token_file: running.relay.admin_token_file.clone(),
        profiles: home,
        alice: alice.did.to_string(),
        bob: bob.did.to_string(),
        question: QUESTION,
        answer,
        proof,
        ready_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    output.result(&report, text(&report, output));
    Ok(running)
}

impl Running {
    /// Waits for a shutdown signal, or for the end of the relay or of Bob.
    async fn wait(
        &mut self,
        shutdown: impl Future<Output = ShutdownSignal>,
    ) -> Result<ShutdownSignal, Failure> {
        tokio::select! {
            signal = shutdown => Ok(signal),
            failure = self.relay.ended() => Err(failure),
            error = self.bob.ended() => Err(error.into()),
        }
    }

    async fn stop(self, signal: ShutdownSignal) {
        self.answering.abort();
        self.bob.close().await;
        self.relay.stop(signal).await;
    }
}

async fn connect(agent: &DevAgent) -> Result<Agent, Failure> {
    let config = Config::from_dir(&agent.profile)?.with_state_dir(agent.profile.join("state"));
    Ok(Agent::connect(config.with_connect_timeout(CONNECT_TIMEOUT)).await?)
}

/// Answers requests as Bob, until his agent ends.
async fn answer_requests(bob: Agent) {
    let mut inbox = bob.inbox();
    while let Some(message) = inbox.next().await {
        if message.message_type() == MessageType::Request {
            let question = message.text().unwrap_or_default();
            let answer =
                if question == QUESTION { ANSWER.to_owned() } else { format!("You said: {question}") };
            if let Err(error) = message.reply(Content::text(answer)).await {
                tracing::warn!(error = error.chain(), "cannot answer as bob");
            }
        }
        if let Err(error) = message.ack().await {
            tracing::warn!(error = error.chain(), "cannot acknowledge as bob");
        }
    }
}

async fn ask(alice: &DevAgent, bob: &DevAgent, folder: &Path) -> Result<(PathBuf, String), Failure> {
    let agent = connect(alice).await?;
    let exchange =
        agent.request_with(&bob.did, Content::text(QUESTION), ANSWER_TIMEOUT, SendOptions::default()).await?;
    let path = folder.join("proof.json");
    crate::proof_file::write(&agent, [exchange.sent.evidence(), exchange.answer.evidence()], &path)?;
    let proof = std::fs::read(&path).map_err(|e| Failure::io("cannot read the proof back", e))?;
    let known = |did: &Did| {
        let agent = [alice, bob].into_iter().find(|agent| agent.did == *did)?;
        multikey::decode_ed25519(&agent.root_key).ok()
    };
    protocol::proof::verify(&proof, &known)
        .map_err(|e| Failure::new(ExitKind::NotVerified, "the new proof does not verify").caused_by(&e))?;
    let answer = format_content(&exchange.answer.content().content);
    exchange.answer.ack().await?;
    // Disconnects alice, so that the user can act as alice.
    agent.close().await;
    Ok((path, answer))
}
