//! Sends a request from one agent and answers it with another.
//!
//! The arguments are the two agents' folders of settings; see `Config::from_dir`.
//!
//! ```sh
//! cargo run -p msg2agent --example request_and_answer $MSG2AGENT_HOME/alice $MSG2AGENT_HOME/carol
//! ```

use std::error::Error;
use std::time::Duration;

use msg2agent::{Agent, Config, Content, MessageType};

/// How long alice waits for the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = std::env::args().skip(1);
    let (Some(alice), Some(carol)) = (folders.next(), folders.next()) else {
        return Err("usage: request_and_answer ALICE_FOLDER CAROL_FOLDER".into());
    };
    let alice = Agent::connect(Config::from_dir(alice)?).await?;
    let carol = Agent::connect(Config::from_dir(carol)?).await?;
    let answering = tokio::spawn(answer_requests(carol.clone()));

    // Only an answer from carol counts. It is acknowledged already.
    let answer = alice.request(carol.did(), Content::text("What is 2+2?"), ANSWER_TIMEOUT).await?;
    if answer.is_error() {
        return Err(format!("carol failed: {}", answer.text().unwrap_or_default()).into());
    }
    println!("{} answered: {}", answer.from(), answer.text().unwrap_or_default());

    alice.close().await;
    carol.close().await;
    answering.await??;
    Ok(())
}

/// Answers every request until the agent is closed.
async fn answer_requests(agent: Agent) -> Result<(), msg2agent::Error> {
    let mut inbox = agent.inbox();
    while let Some(message) = inbox.next().await {
        if message.message_type() == MessageType::Request {
            match message.text() {
                Some("What is 2+2?") => message.reply(Content::text("4")).await?,
                _ => message.reply_error(Content::text("I do not understand")).await?,
            };
        }
        match message.ack().await {
            // The agent was closed right after its answer. The request would come again.
            Err(error) if error.is_closed() => break,
            other => other?,
        }
    }
    Ok(())
}
