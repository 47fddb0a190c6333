//! A stream of numbered messages: sent in order, many at once, and checked at the recipient.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use msg2agent::{Agent, Content, Did, Error, Path, SendOptions};

/// Messages without an answer. Less than a window, so that the relay can take all of them.
const UNANSWERED_MAX: usize = 64;
/// Longest wait for one message. Only a lost one takes it.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends the numbers below `count`, each begun after the one before, and tells `progress` how many
/// were begun. Returns how many went which way. A message without an answer is sent again under its
/// id, before any later one is begun.
pub(crate) async fn send(
    agent: &Agent,
    to: &Did,
    count: usize,
    progress: impl AsyncFn(usize),
) -> BTreeMap<&'static str, usize> {
    let mut paths = BTreeMap::new();
    let mut begun = VecDeque::new();
    for number in 0..count {
        progress(number).await;
        let mut sending = Box::pin(send_one(agent, to, number));
        // It is begun now; a send that waits for nothing but its answer keeps its place.
        let polled = tokio::task::unconstrained(async { futures::poll!(&mut sending) }).await;
        match polled {
            std::task::Poll::Ready(path) => count_path(&mut paths, path),
            std::task::Poll::Pending => begun.push_back(sending),
        }
        while begun.len() >= UNANSWERED_MAX
            && let Some(oldest) = begun.pop_front()
        {
            count_path(&mut paths, oldest.await);
        }
    }
    while let Some(oldest) = begun.pop_front() {
        count_path(&mut paths, oldest.await);
    }
    paths
}

/// Sends one message, so that the sender knows the recipient: sends that wait for the same lookup
/// have no order.
pub(crate) async fn send_first(from: &Agent, to: &Agent) {
    let (path, ()) = tokio::join!(send_one(from, to.did(), 0), receive(to, 1));
    path.unwrap();
}

fn count_path(paths: &mut BTreeMap<&'static str, usize>, sent: Result<Path, Error>) {
    *paths.entry(sent.unwrap().as_str()).or_default() += 1;
}

async fn send_one(agent: &Agent, to: &Did, number: usize) -> Result<Path, Error> {
    let content = Content::text(number.to_string());
    agent.send_with(to, content, SendOptions::default()).await.map(|sent| sent.path)
}

/// Takes `count` messages, which must be the numbers from 0, each once.
pub(crate) async fn receive(agent: &Agent, count: usize) {
    let mut inbox = agent.inbox();
    for number in 0..count {
        let message = tokio::time::timeout(MESSAGE_TIMEOUT, inbox.next()).await;
        let message = message.unwrap_or_else(|_| panic!("{number} did not come")).unwrap();
        assert_eq!(message.text(), Some(number.to_string().as_str()));
        message.ack().await.unwrap();
    }
}
