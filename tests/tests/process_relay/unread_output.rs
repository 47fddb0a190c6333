//! Tests that a message which the command line could not print stays in the mailbox.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use devtools::eventually::eventually;
use devtools::relay_process::RelayProcess;
use msg2agent::{Agent, Content};
use protocol::Did;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::agents::{TENANT, declare, relay};
use crate::m2a::{m2a, printed_values};

/// A program that starts, and one that ends after its last message.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(30);

/// Alice, connected, and the folder of Bob's profile.
async fn alice_and_bob(relay: &RelayProcess, home: &Path) -> (Agent, Did) {
    let bob = declare(relay, TENANT, "bob").await;
    std::fs::create_dir(home.join("bob")).unwrap();
    bob.write_profile(relay, &home.join("bob"));
    (declare(relay, TENANT, "alice").await.connect(relay).await, bob.identity().did().clone())
}

fn listen(home: &Path, stdout: impl Into<Stdio>) -> Child {
    let mut command = m2a(home);
    command.args(["listen", "--profile", "bob", "--output", "json"]).stdout(stdout).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Sends when the recipient is known to the relay.
async fn send(alice: &Agent, bob: &Did, text: &str) {
    let sent = async || Ok(alice.send(bob, Content::text(text)).await?);
    eventually("bob has registered", PROCESS_TIMEOUT, sent).await.unwrap();
}

async fn exit_code(mut child: Child) -> Option<i32> {
    tokio::time::timeout(PROCESS_TIMEOUT, child.wait()).await.expect("it ends in time").unwrap().code()
}

async fn waiting(home: &Path) -> Vec<String> {
    let messages = printed_values(home, &["inbox", "--profile", "bob"]).await;
    messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn listening_ends_when_its_reader_has_gone_and_the_message_stays() {
    let (relay, home) = (relay().await, tempfile::tempdir().unwrap());
    let (alice, bob) = alice_and_bob(&relay, home.path()).await;
    // As in `m2a listen | head -1`.
    let mut listening = listen(home.path(), Stdio::piped());
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    send(&alice, &bob, "first").await;
    let printed = lines.next_line().await.unwrap().unwrap();
    assert!(printed.contains("first"), "{printed}");
    drop(lines);
    send(&alice, &bob, "second").await;
    assert_eq!(exit_code(listening).await, Some(0));
    assert_eq!(waiting(home.path()).await, ["second"]);
}

#[tokio::test]
async fn listening_fails_when_its_output_is_on_a_full_disk_and_the_message_stays() {
    let (relay, home) = (relay().await, tempfile::tempdir().unwrap());
    let (alice, bob) = alice_and_bob(&relay, home.path()).await;
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let listening = listen(home.path(), full);
    send(&alice, &bob, "only").await;
    assert_eq!(exit_code(listening).await, Some(1));
    assert_eq!(waiting(home.path()).await, ["only"]);
}
