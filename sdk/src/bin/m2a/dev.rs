//! `m2a dev`: everything on this machine. Starts the relay program, makes two agents, lets them exchange a message, prints the
//! proof and how to go on, and runs until it is told to stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use msg2agent::{Agent, Config, Content, MessageType, SendOptions};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output::{Output, Tone};
use crate::printed::body;
use crate::relay::client::AdminClient;
use crate::stop::{self, Stop};

mod agents;
mod process;

use agents::DevAgent;
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    relay_url: String,
    admin_url: String,
    admin_token_file: PathBuf,
    /// For `MSG2AGENT_HOME`.
    profiles: PathBuf,
    alice: String,
    bob: String,
    question: &'static str,
    answer: String,
    proof: PathBuf,
    ready_ms: u64,
}

pub(crate) async fn run(options: Options, output: &Output) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let folder = Folder::open(options.data_dir.as_deref())?;
    let mut relay = RelayProcess::start(folder.path(), options.port).await?;
    let admin = AdminClient::new(&relay.admin_url, &relay.admin_token_file)?;
    let home = folder.path().join("profiles");
    let [alice, bob] = agents::make(&admin, &home, &relay.url).await?;
    let bob_agent = connect(&bob).await?;
    let answering = tokio::spawn(answer(bob_agent.clone()));
    let (proof, answer) = ask(&alice, &bob, folder.path()).await?;
    let printed = Printed {
        relay_url: relay.url.clone(),
        admin_url: relay.admin_url.clone(),
        admin_token_file: relay.admin_token_file.clone(),
        profiles: home,
        alice: alice.did.to_string(),
        bob: bob.did.to_string(),
        question: QUESTION,
        answer,
        proof,
        ready_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    output.result(&printed, text(&printed, output));
    let stop = if options.once { Stop::Terminate } else { run_on(&mut relay, &bob_agent).await? };
    answering.abort();
    bob_agent.close().await;
    relay.stop(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Until somebody stops it, or one of its parts ends.
async fn run_on(relay: &mut RelayProcess, bob: &Agent) -> Result<Stop, Failure> {
    tokio::select! {
        stop = stop::requested() => Ok(stop),
        failure = relay.ended() => Err(failure),
        error = bob.ended() => Err(error.into()),
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

fn text(printed: &Printed, output: &Output) -> String {
    let Printed {
        relay_url,
        admin_url,
        admin_token_file,
        profiles,
        alice,
        bob,
        question,
        answer,
        proof,
        ready_ms,
    } = printed;
    let (home, token) = (profiles.display(), admin_token_file.display());
    let done = output.paint(Tone::Good, format_args!("ready in {ready_ms} ms"));
    let strong = |text: &str| output.paint(Tone::Strong, text);
    format!(
        "{done}: a relay, two agents, one end-to-end encrypted message, its proof

  relay  {relay_url}
  alice  {alice}
  bob    {bob}   (answers requests as long as this runs)

  alice asked  {question}
  bob answered {answer}
  proof        {proof}

Go on in another terminal:
  export MSG2AGENT_HOME={home}
  {verify}
  {ask}
  {listen}
  m2a relay --admin-url {admin_url} --admin-token-file {token} agents list demo

Ctrl-C ends it.",
        proof = proof.display(),
        verify = strong(&format!("m2a verify {}", proof.display())),
        ask = strong("m2a ask --profile alice --to bob --text 'How are you?'"),
        listen = strong("m2a listen --profile alice"),
    )
}

/// The data folder; a temporary one is removed in the end.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = wanted else {
            let made = tempfile::Builder::new().prefix("m2a-dev-").tempdir();
            return made.map(Self::Temporary).map_err(|e| Failure::io("cannot make a temporary folder", e));
        };
        let failed = |e| Failure::io(format!("cannot use {}", path.display()), e);
        std::fs::create_dir_all(path).map_err(failed)?;
        std::path::absolute(path).map(Self::Kept).map_err(failed)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
