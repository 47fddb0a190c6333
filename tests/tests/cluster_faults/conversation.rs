//! Connects two agents of a test's relay and sends numbered messages between them. They are
//! expected once and in order.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use msg2agent::{Agent, Content, Inbox, Message, SendStatus};
use msg2agent_tests::custom_resources::{RELAY, ready_agent};
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::relay_port_forward::RelayPortForward;
use protocol::Did;
use serde_json::json;

const LAST: &str = "last";

/// Longest wait for one message: a relay's restart fits in.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Applies alice and bob, waits until they are Ready, and opens a way to their relay.
pub(crate) async fn alice_and_bob(namespace: &TestNamespace) -> anyhow::Result<RelayPortForward> {
    for name in ["alice", "bob"] {
        ready_agent(namespace, name, json!({})).await?;
    }
    RelayPortForward::open(namespace, RELAY).await
}

/// Sends `numbers`, each after the answer to the one before: only then does the sender have an
/// order to keep.
pub(crate) async fn send(from: &Agent, to: &Did, numbers: Range<usize>) -> anyhow::Result<()> {
    for number in numbers {
        let status = from.send(to, Content::text(number.to_string())).await?.status;
        ensure!(matches!(status, SendStatus::Stored | SendStatus::Delivered), "{number} was {status:?}");
    }
    Ok(())
}

/// The word after which [`expect`] ends.
pub(crate) async fn send_last(from: &Agent, to: &Did) -> anyhow::Result<()> {
    Ok(from.send(to, Content::text(LAST)).await.map(drop)?)
}

/// As [`send`], to an agent that is away.
pub(crate) async fn store(from: &Agent, to: &Did, numbers: Range<usize>) -> anyhow::Result<()> {
    for number in numbers {
        let status = from.send(to, Content::text(number.to_string())).await?.status;
        ensure!(status == SendStatus::Stored, "{number} was {status:?}");
    }
    Ok(())
}

/// Takes and acknowledges exactly `numbers` and then the last word, which shows that none came
/// twice.
pub(crate) async fn expect(inbox: &mut Inbox, numbers: Range<usize>) -> anyhow::Result<()> {
    for wanted in numbers.map(|number| number.to_string()).chain([LAST.to_owned()]) {
        let message = next(inbox).await.with_context(|| format!("wait for {wanted}"))?;
        ensure!(message.text() == Some(&wanted), "{:?} came in place of {wanted}", message.text());
        message.ack().await?;
    }
    Ok(())
}

pub(crate) async fn next(inbox: &mut Inbox) -> anyhow::Result<Message> {
    tokio::time::timeout(MESSAGE_TIMEOUT, inbox.next()).await?.context("the agent has ended")
}
