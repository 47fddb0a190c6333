//! What an agent writes is nowhere at the relay: not in its memory, its files, its log, its metrics.

use std::path::Path;

use msg2agent::{Content, Status};
use msg2agent_tests::memory;
use protocol::base64url;

use crate::agents::{TENANT, declare, relay};

/// Occurs once in this program's source, never in the relay's.
const CANARY: &str = "canary-7f3d-the-relay-must-not-know-this-text";

#[tokio::test]
async fn a_canary_in_a_body_is_nowhere_at_the_relay() {
    let relay = relay().await;
    let bob = declare(&relay, TENANT, "bob").await;
    bob.connect(&relay).await.close().await;
    let alice = declare(&relay, TENANT, "alice").await;
    let sender = alice.connect(&relay).await;
    let sent = sender.send(bob.identity().did(), Content::text(CANARY)).await.unwrap();
    assert_eq!(sent.status, Status::Stored);

    let pid = relay.pid().unwrap();
    let id = sent.id.to_string();
    assert!(
        memory::count(pid, id.as_bytes()).unwrap() > 0,
        "the search finds what is there: the message's id"
    );
    for needle in [CANARY.to_owned(), base64url::encode(CANARY.as_bytes())] {
        assert_eq!(memory::count(pid, needle.as_bytes()).unwrap(), 0, "in memory");
        assert_eq!(files_with(&relay.data_folder(), needle.as_bytes()), Vec::<String>::new());
        assert!(!relay.log().contains(&needle));
        assert!(!relay.metrics().await.unwrap().contains(&needle));
    }
    let secret = alice.key.reveal();
    assert!(!relay.log().contains(secret), "the API key is not logged");
    assert_eq!(files_with(&relay.data_folder(), secret.as_bytes()), Vec::<String>::new());
}

fn files_with(folder: &Path, needle: &[u8]) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_file());
    let holds = |path: &Path| std::fs::read(path).unwrap().windows(needle.len()).any(|w| w == needle);
    files.filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}
