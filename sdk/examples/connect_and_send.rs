//! Connects an agent and sends one message.
//!
//! The settings come from the environment or from a profile; see `Config::find`.
//!
//! ```sh
//! cargo run -p msg2agent --example connect_and_send did:wba:localhost:agent:demo:bob "hi"
//! ```

use std::error::Error;

use msg2agent::{Agent, Config, Content, Did, SendStatus};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(recipient), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: connect_and_send DID TEXT".into());
    };
    let recipient: Did = recipient.parse()?;

    // From here on the agent reconnects by itself, until it is closed or dropped.
    let agent = Agent::connect(Config::find()?).await?;

    // Resolves once the relay has stored the message, or the recipient has acknowledged it.
    let sent = agent.send(&recipient, Content::text(text)).await?;
    match sent.status {
        SendStatus::Stored => println!("{} is stored until {recipient} is online", sent.id),
        SendStatus::Delivered => println!("{} is delivered to {recipient}", sent.id),
        SendStatus::Forwarded => println!("{} was ephemeral", sent.id),
    }
    agent.close().await;
    Ok(())
}
