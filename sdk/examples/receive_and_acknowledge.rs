//! Receives messages and acknowledges each one after it is processed.
//!
//! The settings come from the environment or from a profile; see `Config::find`.
//!
//! ```sh
//! cargo run -p msg2agent --example receive_and_acknowledge 10
//! ```

use std::error::Error;

use msg2agent::{Agent, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).ok_or("usage: receive_and_acknowledge COUNT")?.parse()?;

    let agent = Agent::connect(Config::find()?).await?;
    let mut inbox = agent.inbox();
    for _ in 0..count {
        // `None` means that the agent has ended, for example because a newer session replaced it.
        let Some(message) = inbox.next().await else { return Err(agent.ended().await.into()) };
        println!("{} wrote: {}", message.from(), message.text().unwrap_or("(no text)"));

        // Until this call the relay keeps the message, and delivers it again after a crash.
        message.ack().await?;
    }
    agent.close().await;
    Ok(())
}
