//! Shows that the text of a message is nowhere at the relay: not in its memory, its files, its log
//! or its metrics.

use std::path::Path;

use devtools::relay_process::RelayProcess;
use msg2agent::{Content, SendStatus};
use msg2agent_tests::process_memory;
use protocol::admin::TenantSpec;
use protocol::base64url;

use crate::agents::{TENANT, declare, relay};
use crate::m2a::m2a;

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
    assert_eq!(sent.status, SendStatus::Stored);

    let pid = relay.pid().unwrap();
    let id = sent.id.to_string();
    assert!(
        process_memory::count(pid, id.as_bytes()).unwrap() > 0,
        "the search finds what is there: the message's id"
    );
    for needle in [CANARY.to_owned(), base64url::encode(CANARY.as_bytes())] {
        assert_eq!(process_memory::count(pid, needle.as_bytes()).unwrap(), 0, "in memory");
        assert_eq!(files_with(&relay.data_folder(), needle.as_bytes()), Vec::<String>::new());
        assert!(!relay.log().contains(&needle));
        assert!(!relay.metrics().await.unwrap().contains(&needle));
    }
    let secret = alice.key.reveal();
    assert!(!relay.log().contains(secret), "the API key is not logged");
    assert_eq!(files_with(&relay.data_folder(), secret.as_bytes()), Vec::<String>::new());
}

/// At TRACE the WebSocket library writes the whole upgrade request; nobody who turns the log up
/// gets to see it.
#[tokio::test]
async fn the_loudest_log_of_relay_and_agent_holds_no_credentials() {
    let filter = "trace,tungstenite=trace,tungstenite::handshake::client=trace,hyper=trace,reqwest=trace";
    devtools::install_tls_provider();
    let relay = RelayProcess::start_with(&[("MSG2AGENT_RELAY_LOG_FILTER", filter)]).await.unwrap();
    relay.admin().unwrap().put_tenant(TENANT, &TenantSpec::default()).await.unwrap();
    let alice = declare(&relay, TENANT, "alice").await;
    let home = tempfile::tempdir().unwrap();
    alice.write_profile(&relay, &home.path().join("alice"));

    let mut whoami = m2a(home.path());
    whoami.env("MSG2AGENT_LOG", filter).args(["whoami", "--profile", "alice", "--output", "json"]);
    let said = whoami.output().await.unwrap();
    assert!(said.status.success(), "{said:?}");
    let token = std::fs::read_to_string(relay.admin_token_file()).unwrap();
    let own_log = String::from_utf8(said.stderr).unwrap();
    assert!(own_log.contains("registered") && relay.log().contains(" DEBUG "), "both logs are turned up");
    for secret in [alice.key.reveal(), token.trim()] {
        assert!(!own_log.contains(secret), "m2a writes a credential");
        assert!(!relay.log().contains(secret), "the relay writes a credential");
    }
}

fn files_with(folder: &Path, needle: &[u8]) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_file());
    let holds = |path: &Path| std::fs::read(path).unwrap().windows(needle.len()).any(|w| w == needle);
    files.filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}
