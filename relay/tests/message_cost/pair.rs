//! A sender and its recipient, which exchange messages in batches.

use protocol::envelope::Class;

use crate::agent::Agent;
use crate::harness::TestRelay;
use crate::message_frame::MessageFrame;
use crate::raw_agent::RawAgent;

/// Messages that a sender sends before it waits for their answers.
pub(crate) const IN_FLIGHT: usize = 16;

pub(crate) struct Pair {
    sender: RawAgent,
    recipient: RawAgent,
    frame: MessageFrame,
    sent: u64,
    /// The frames of a batch.
    batch: Vec<u8>,
}

impl Pair {
    pub(crate) async fn join(relay: &TestRelay, number: usize, class: Class, envelope_bytes: usize) -> Self {
        let sender = RawAgent::new(Agent::join(relay, &format!("sender-{number}")).await.0);
        let recipient = RawAgent::new(Agent::join(relay, &format!("recipient-{number}")).await.0);
        let frame = MessageFrame::new(&sender.did, &recipient.did, class, envelope_bytes);
        let batch = Vec::with_capacity(IN_FLIGHT * frame.bytes().len());
        Self { sender, recipient, frame, sent: 0, batch }
    }

    pub(crate) async fn send(&mut self) {
        self.batch.clear();
        for _ in 0..IN_FLIGHT {
            self.sent += 1;
            self.frame.set_counter(self.sent);
            self.batch.extend_from_slice(self.frame.bytes());
        }
        self.sender.write(&self.batch).await;
    }

    pub(crate) async fn receive(&mut self) {
        self.recipient.read_texts(IN_FLIGHT).await;
        self.recipient.acknowledge(IN_FLIGHT as u64).await;
    }

    pub(crate) async fn take_answers(&mut self) {
        self.sender.read_texts(IN_FLIGHT).await;
    }
}
