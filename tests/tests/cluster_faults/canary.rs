//! Shows that the text of a message is nowhere in a relay's pod: not in its memory, its volume, its
//! log or its metrics.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use msg2agent::Content;
use msg2agent_tests::custom_resources::connect;
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::process_memory;
use protocol::base64url;

use msg2agent_tests::operator_replicas as operators;

use crate::{conversation, relay_pod};

/// Occurs once in this program's source, never in the relay's.
const CANARY: &str = "canary-41c9-no-relay-pod-may-know-this-text";
const DATA: &str = "/var/lib/msg2agent";

#[tokio::test]
async fn a_body_is_nowhere_in_the_relays_pod() {
    let _undisturbed = operators::undisturbed().await;
    in_installed("canary", async |namespace| {
        let relay = conversation::alice_and_bob(&namespace).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        bob.close().await;
        let alice = connect(&namespace, &relay, "alice").await?;
        let sent = alice.send(bob.did(), Content::text(CANARY)).await?;
        // The search finds what the relay does know: the message's id, in memory and in its files.
        let known = Traces::of(&namespace, &sent.id.to_string()).await?;
        ensure!(known.memory > 0 && !known.files.is_empty(), "the search is blind: {known:?}");
        for needle in [CANARY.to_owned(), base64url::encode(CANARY.as_bytes())] {
            let found = Traces::of(&namespace, &needle).await?;
            ensure!(found == Traces::default(), "the relay knows {needle}: {found:?}");
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// Where a text was found.
#[derive(Debug, Default, PartialEq)]
struct Traces {
    memory: usize,
    files: Vec<PathBuf>,
    log: bool,
    metrics: bool,
}

impl Traces {
    async fn of(namespace: &TestNamespace, needle: &str) -> anyhow::Result<Self> {
        let process = relay_pod::process(namespace).await?;
        let log = namespace.api::<Pod>().logs(relay_pod::NAME, &kube::api::LogParams::default()).await?;
        let metrics = relay_pod::metrics(namespace).await?;
        ensure!(log.contains("\"message\"") && metrics.contains("msg2agent_relay"), "{log}\n{metrics}");
        Ok(Self {
            memory: process_memory::count(process.pid(), needle.as_bytes())?,
            files: files_with(&process.folder(DATA), needle.as_bytes())?,
            log: log.contains(needle),
            metrics: metrics.contains(needle),
        })
    }
}

fn files_with(folder: &Path, needle: &[u8]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_with(&path, needle)?);
        } else if std::fs::read(&path)?.windows(needle.len()).any(|bytes| bytes == needle) {
            found.push(path);
        }
    }
    Ok(found)
}
