//! `m2a dev`: everything on this machine. Starts the relay program, makes two agents, lets them exchange a message, prints the
//! proof and how to go on, and runs until it is told to stop.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use msg2agent::{Agent, Config, Content, MessageType, SendOptions};
use tokio::task::JoinHandle;

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::printed::body;
use crate::relay::client::AdminClient;
use crate::stop::{self, Stop};

mod agents;
mod announcement;
mod folder;
mod process;

use agents::DevAgent;
use announcement::{Printed, text};
use folder::Folder;
use process::RelayProcess;

/// The relay is ready by then; whatever keeps an agent from connecting will stay.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const QUESTION: &str = "What is 2+2?";
const ANSWER: &str = "4";

#[derive(Args)]
pub(crate) struct Options {
    /// Keep everything in this folder, and go on with it the next time. Without it, a temporary one is used and removed.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The relay's port on the loopback address [default: a free one].
    #[arg(long)]
    port: Option<u16>,
    /// End after the first message instead of running on.
    #[arg(long)]
    once: bool,
}

/// The parts, while they run.
struct Running {
    relay: RelayProcess,
    bob: Agent,
    answering: JoinHandle<()>,
}

pub(crate) async fn run(options: Options, output: &Output) -> Result<ExitCode, Failure> {
    // Listened for from the first moment on: what was started by then ends too.
    let mut stop = pin!(stop::requested());
    let folder = Folder::open(options.data_dir.as_deref())?;
    let mut running = tokio::select! {
        _ = &mut stop => return Ok(ExitCode::SUCCESS),
        started = start(&folder, options.port, output) => started?,
    };
    let stop = if options.once { Stop::Terminate } else { running.until(stop).await? };
    running.end(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Starts everything, has one message exchanged, and says so.
async fn start(folder: &Folder, port: Option<u16>, output: &Output) -> Result<Running, Failure> {
    let started = Instant::now();
    let relay = RelayProcess::start(folder.path(), port).await?;
    let admin = AdminClient::new(&relay.admin_url, &relay.admin_token_file)?;
    let home = folder.path().join("profiles");
    let [alice, bob] = agents::make(&admin, &home, &relay.url).await?;
    let bob_agent = connect(&bob).await?;
    let answering = tokio::spawn(answer(bob_agent.clone()));
    let running = Running { relay, bob: bob_agent, answering };
    let (proof, answer) = ask(&alice, &bob, folder.path()).await?;
    let printed = Printed {
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
    output.result(&printed, text(&printed, output));
    Ok(running)
}

impl Running {
    /// Until somebody stops it, or one of its parts ends.
    async fn until(&mut self, stop: impl Future<Output = Stop>) -> Result<Stop, Failure> {
        tokio::select! {
            stop = stop => Ok(stop),
            failure = self.relay.ended() => Err(failure),
            error = self.bob.ended() => Err(error.into()),
        }
    }

    async fn end(self, stop: Stop) {
        self.answering.abort();
        self.bob.close().await;
        self.relay.stop(stop).await;
    }
}

async fn connect(agent: &DevAgent) -> Result<Agent, Failure> {
    let config = Config::from_dir(&agent.profile)?.with_state_dir(agent.profile.join("state"));
    Ok(Agent::connect(config.with_patience(CONNECT_DEADLINE)).await?)
}

/// Bob. Ends with his agent.
async fn answer(bob: Agent) {
    let mut inbox = bob.inbox();
    while let Some(message) = inbox.next().await {
        if message.message_type() == MessageType::Request {
            let said = message.text().unwrap_or_default();
            let answer = if said == QUESTION { ANSWER.to_owned() } else { format!("You said: {said}") };
            if let Err(error) = message.reply(Content::text(answer)).await {
                tracing::warn!(error = error.chain(), "bob could not answer");
            }
        }
        if let Err(error) = message.ack().await {
            tracing::warn!(error = error.chain(), "bob could not acknowledge");
        }
    }
}

async fn ask(alice: &DevAgent, bob: &DevAgent, folder: &Path) -> Result<(PathBuf, String), Failure> {
    let agent = connect(alice).await?;
    let deadline = Duration::from_secs(10);
    let exchange =
        agent.request_with(&bob.did, Content::text(QUESTION), deadline, SendOptions::default()).await?;
    let path = folder.join("proof.json");
    crate::proof_file::write(&agent, [exchange.sent.evidence(), exchange.answer.evidence()], &path)?;
    let proof = std::fs::read(&path).map_err(|e| Failure::io("cannot read the proof back", e))?;
    protocol::proof::verify(&proof)
        .map_err(|e| Failure::new(Exit::NotVerified, "the proof just written does not hold").caused_by(&e))?;
    let answer = body(&exchange.answer.content().content);
    // Alice leaves, so that the user can be alice.
    agent.close().await;
    Ok((path, answer))
}
