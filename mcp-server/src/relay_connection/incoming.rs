//! Messages on their way from the SDK's inbox to the store.

use msg2agent::{Agent, Message};
use protocol::envelope::MessageType;

use crate::inbox::{MessageHeader, ReceivedMessage};
use crate::message_store::MessageStore;
use crate::endpoint::metrics::Metrics;
use crate::network::Acknowledge;

/// Brings messages to the store while it has room; returns when the agent has ended.
pub(super) async fn receive(agent: &Agent, store: &MessageStore, metrics: &Metrics) {
    let mut inbox = agent.inbox();
    loop {
        store.has_room().await;
        let Some(message) = inbox.next().await else { return };
        // Somebody writes, and nothing more: there is nothing to keep.
        if message.message_type() == MessageType::Typing {
            continue;
        }
        let (received, token) = kept(message);
        store.take(received, token).await;
        metrics.inbox(store.totals().await);
    }
}

/// What the store keeps of a message, and what acknowledges it.
pub(super) fn kept(message: Message) -> (ReceivedMessage, Box<dyn Acknowledge>) {
    (received(&message), Box::new(message))
}

fn received(message: &Message) -> ReceivedMessage {
    let head = MessageHeader {
        id: message.id(),
        from: message.from().clone(),
        key_id: message.key_id().clone(),
        kind: message.message_type(),
        thread: message.thread().map(str::to_owned),
        re: message.re(),
        time: message.time(),
    };
    ReceivedMessage { head, content: message.content().clone() }
}
