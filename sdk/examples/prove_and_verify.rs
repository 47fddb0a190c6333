//! Sends a message, proves it, and verifies the proof offline.
//!
//! The settings come from the environment or from a profile; see `Config::find`.
//!
//! ```sh
//! cargo run -p msg2agent --example prove_and_verify did:wba:localhost:agent:demo:bob "I owe you 5 euros"
//! ```

use std::error::Error;

use msg2agent::multikey::decode_ed25519;
use msg2agent::{Agent, Config, Content, Did, proof};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(recipient), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: prove_and_verify DID TEXT".into());
    };
    let recipient: Did = recipient.parse()?;

    let agent = Agent::connect(Config::find()?).await?;
    let sent = agent.send(&recipient, Content::text(text)).await?;

    // The proof discloses this message and no other. Received messages have evidence, too.
    let file = agent.prove([sent.evidence()])?;
    let (own, root) = (agent.did().clone(), agent.whoami().root_key);
    agent.close().await;

    // Whoever knows the root key can verify the file, without network and without trust in its
    // sender.
    let root_key_of = |did: &Did| (*did == own).then(|| decode_ed25519(&root).ok()).flatten();
    for statement in proof::verify(&file, &root_key_of)? {
        let header = &statement.header;
        println!(
            "{} wrote to {}: {}",
            header.from,
            header.to,
            statement.content.as_text().unwrap_or("(no text)")
        );
    }

    // A file with a changed byte does not verify.
    let changed = String::from_utf8(file)?.replacen("agent", "Agent", 1);
    if proof::verify(changed.as_bytes(), &root_key_of).is_ok() {
        return Err("a changed proof verified".into());
    }
    println!("a changed proof does not verify");
    Ok(())
}
