//! Moves messages from the SDK's inbox into the message store.

use std::collections::VecDeque;

use msg2agent::{Agent, Message};
use protocol::envelope::MessageType;
use protocol::task::TaskMessage;

use crate::inbox::{MessageHeader, ReceivedMessage};
use crate::message_store::MessageStore;
use crate::metrics::EndpointMetrics;
use crate::network::Acknowledge;

/// Mail that waits for capacity in the inbox: half of the relay's window. The other half is for
/// tasks and answers, which a full inbox does not hold up.
const WAITING_MAIL_MAX: usize = 128;

/// Stores messages while the inbox has capacity; returns when the agent has ended.
pub(super) async fn store_messages(agent: &Agent, store: &MessageStore, metrics: &EndpointMetrics) {
    let mut inbox = agent.inbox();
    let mut mail = VecDeque::new();
    loop {
        let (received, acknowledgement) = tokio::select! {
            message = inbox.next(), if mail.len() < WAITING_MAIL_MAX => {
                let Some(message) = message else { return };
                // A typing indicator has no content to store.
                if message.message_type() == MessageType::Typing {
                    acknowledge_typing(message).await;
                    continue;
                }
                let (received, acknowledgement) = into_received(message);
                if needs_capacity(&received) {
                    mail.push_back((received, acknowledgement));
                    continue;
                }
                (received, acknowledgement)
            }
            () = store.wait_for_capacity(), if !mail.is_empty() => {
                let Some(oldest) = mail.pop_front() else { continue };
                oldest
            }
        };
        store.receive(received, acknowledgement).await;
        metrics.set_inbox(store.totals().await);
    }
}

/// Whether a message goes to the inbox. What may belong to a task does not wait for capacity there.
fn needs_capacity(received: &ReceivedMessage) -> bool {
    let head = &received.head;
    let is_answer = matches!(head.kind, MessageType::Response | MessageType::Error) && head.re.is_some();
    !is_answer && TaskMessage::from_content(&received.content).is_none()
}

async fn acknowledge_typing(message: Message) {
    if let Err(error) = message.ack().await {
        tracing::info!(error = error.chain(), "failed to acknowledge a typing indicator");
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

#[cfg(test)]
mod tests {
    use protocol::task::Submit;
    use serde_json::json;

    use super::*;
    use crate::fixtures::{message, message_id};

    #[test]
    fn a_full_inbox_holds_up_mail_only() {
        let mail = message(1, "bob", "hi");
        assert!(needs_capacity(&mail));
        let mut answer = message(2, "bob", "4");
        (answer.head.kind, answer.head.re) = (MessageType::Response, Some(message_id(9)));
        assert!(!needs_capacity(&answer));
        let mut submit = message(3, "bob", "");
        submit.content = TaskMessage::Submit(Submit { title: None, input: json!("sum") }).to_content();
        assert!(!needs_capacity(&submit));
    }
}
