//! Messages on their way from the SDK's inbox to the mailbox.

use msg2agent::{Agent, Message};
use protocol::envelope::MessageType;

use crate::inbox::{Head, Received};
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::network::Acknowledge;

/// Brings messages to the mailbox while it has room; returns when the agent has ended.
pub(super) async fn receive(agent: &Agent, mailbox: &Mailbox, metrics: &Metrics) {
    let mut inbox = agent.inbox();
    loop {
        mailbox.has_room().await;
        let Some(message) = inbox.next().await else { return };
        // Somebody writes, and nothing more: there is nothing to keep.
        if message.message_type() == MessageType::Typing {
            continue;
        }
        let (received, token) = kept(message);
        mailbox.take(received, token).await;
        metrics.inbox(mailbox.totals().await);
    }
}

/// What the mailbox keeps of a message, and what acknowledges it.
pub(super) fn kept(message: Message) -> (Received, Box<dyn Acknowledge>) {
    (received(&message), Box::new(message))
}

fn received(message: &Message) -> Received {
    let head = Head {
        id: message.id(),
        from: message.from().clone(),
        key_id: message.key_id().clone(),
        kind: message.message_type(),
        thread: message.thread().map(str::to_owned),
        re: message.re(),
        time: message.time(),
    };
    Received { head, content: message.content().clone() }
}
