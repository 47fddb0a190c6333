//! Moves messages from the SDK's inbox into the message store.

use msg2agent::{Agent, Message};
use protocol::envelope::MessageType;

use crate::inbox::{MessageHeader, ReceivedMessage};
use crate::message_store::MessageStore;
use crate::metrics::EndpointMetrics;
use crate::network::Acknowledge;

/// Stores messages while the inbox has capacity; returns when the agent has ended.
pub(super) async fn store_messages(agent: &Agent, store: &MessageStore, metrics: &EndpointMetrics) {
    let mut inbox = agent.inbox();
    loop {
        store.wait_for_capacity().await;
        let Some(message) = inbox.next().await else { return };
        // A typing indicator has no content to store.
        if message.message_type() == MessageType::Typing {
            continue;
        }
        let (received, acknowledgement) = into_received(message);
        store.receive(received, acknowledgement).await;
        metrics.set_inbox(store.totals().await);
    }
}

/// Separates the parts of a message that are stored from its acknowledgement.
pub(super) fn into_received(message: Message) -> (ReceivedMessage, Box<dyn Acknowledge>) {
    let head = MessageHeader {
        id: message.id(),
        from: message.from().clone(),
        key_id: message.key_id().clone(),
        kind: message.message_type(),
        thread: message.thread().map(str::to_owned),
        re: message.re(),
        time: message.time(),
    };
    (ReceivedMessage { head, content: message.content().clone() }, Box::new(message))
}
