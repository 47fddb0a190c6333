//! A sender and its recipient, which is away most of the time, over bare connections.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use devtools::eventually::eventually;
use devtools::relay_process::RelayProcess;
use protocol::envelope::{Class, MessageId};
use protocol::frame::{SendStatus, method};
use protocol::record::{Card, build};
use protocol::{Did, Envelope, Reason};

use crate::agents::{Declared, declare};
use crate::raw_connection::{Answer, RawConnection, now};

/// Longest time in which the relay may refuse one message after the other.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(60);
/// Deliveries between two acknowledgements: less than half of a window.
const ACKNOWLEDGED: usize = 64;
/// Messages that are sent before their answers are awaited. A hundred senders stay far below what
/// may wait for the relay's disk.
const SENT_TOGETHER: usize = 64;
/// Characters of the header and the signature of a usual message.
const PROTECTED_CHARACTERS: usize = 480;
const SIGNATURE_CHARACTERS: usize = 86;
/// Mailbox lifetime of a message, seconds: longer than any run.
const TTL_SECONDS: u64 = 86_400;

pub(crate) struct MailPair {
    pub(crate) sender: Declared,
    recipient: Declared,
    stored: HashSet<MessageId>,
    received: HashSet<MessageId>,
    /// Messages that came a second time, because the relay ended before an acknowledgement.
    pub(crate) repeated: usize,
    pub(crate) refused: usize,
}

impl MailPair {
    /// Both are known to the relay, and away.
    pub(crate) async fn declare(relay: &RelayProcess, tenant: &str, number: usize) -> Self {
        let sender = declare(relay, tenant, &format!("sender-{number}")).await;
        let recipient = declare(relay, tenant, &format!("recipient-{number}")).await;
        register(relay, &recipient).await.leave().await;
        let (stored, received) = (HashSet::new(), HashSet::new());
        Self { sender, recipient, stored, received, repeated: 0, refused: 0 }
    }

    pub(crate) async fn connect_sender(&self, relay: &RelayProcess) -> RawConnection {
        register(relay, &self.sender).await
    }

    pub(crate) fn envelope(&self, body_characters: usize) -> Envelope {
        let did = |of: &Declared| -> Did { of.identity().did().clone() };
        envelope(did(&self.sender), did(&self.recipient), body_characters)
    }

    /// Sends one message, again and again while the relay refuses it, and keeps its id if the relay
    /// has promised to deliver it.
    pub(crate) async fn send(&mut self, sender: &mut RawConnection, template: &Envelope) -> SendStatus {
        let message = Envelope { id: new_id(), ..template.clone() };
        let status = match sender.send(&message).await {
            Ok(status) => status,
            Err(reason) => self.send_again(sender, &message, reason).await,
        };
        self.stored.insert(message.id);
        status
    }

    async fn send_again(
        &mut self,
        sender: &mut RawConnection,
        message: &Envelope,
        reason: Reason,
    ) -> SendStatus {
        self.refused += 1;
        let again = async || sender.send(message).await.ok().context("it is refused");
        eventually(&format!("what was refused ({reason:?}) is taken"), REFUSED_TIMEOUT, again).await.unwrap()
    }

    /// Sends this many messages, and those again that are refused.
    pub(crate) async fn send_many(&mut self, relay: &RelayProcess, template: &Envelope, count: usize) {
        let mut sender = self.connect_sender(relay).await;
        let messages = (0..count).map(|_| Envelope { id: new_id(), ..template.clone() });
        let messages: Vec<Envelope> = messages.collect();
        for messages in messages.chunks(SENT_TOGETHER) {
            let answers = sender.send_together(messages).await;
            for (message, answer) in messages.iter().zip(answers) {
                if let Some(reason) = answer.refusal() {
                    self.send_again(&mut sender, message, reason).await;
                }
                self.stored.insert(message.id);
            }
        }
        sender.leave().await;
    }

    /// One message to the recipient and the answer as it is.
    pub(crate) async fn try_send(&mut self, sender: &mut RawConnection, template: &Envelope) -> Answer {
        let message = Envelope { id: new_id(), ..template.clone() };
        let answer = sender.ask(method::SEND, &message).await;
        if answer.refusal().is_none() {
            self.stored.insert(message.id);
        }
        answer
    }

    /// The recipient comes, takes and acknowledges all that waits, and leaves.
    pub(crate) async fn take_all(&mut self, relay: &RelayProcess) {
        let recipient = self.present_recipient(relay).await;
        self.leave(recipient).await;
    }

    /// The recipient, once it has acknowledged all that waited.
    async fn present_recipient(&self, relay: &RelayProcess) -> RawConnection {
        let mut recipient = register(relay, &self.recipient).await;
        let pending = usize::try_from(recipient.pending).unwrap();
        while recipient.deliveries.len() < pending {
            recipient.more().await;
            if recipient.deliveries.len().is_multiple_of(ACKNOWLEDGED) {
                recipient.acknowledge().await;
            }
        }
        recipient.acknowledge().await;
        recipient
    }

    async fn leave(&mut self, recipient: RawConnection) {
        for delivery in recipient.leave().await.0 {
            self.repeated += usize::from(!self.received.insert(delivery.envelope.id));
        }
    }

    /// Sends one message while the recipient is there and acknowledges at once.
    pub(crate) async fn send_to_present_recipient(
        &mut self,
        relay: &RelayProcess,
        sender: &mut RawConnection,
        template: &Envelope,
    ) -> SendStatus {
        let mut recipient = self.present_recipient(relay).await;
        let acknowledge = async {
            loop {
                recipient.more().await;
                recipient.acknowledge().await;
            }
        };
        let status = tokio::select! {
            status = self.send(sender, template) => status,
            () = acknowledge => unreachable!("it acknowledges until the message is answered"),
        };
        self.leave(recipient).await;
        status
    }

    /// Messages that the relay has promised to deliver, and has not delivered.
    pub(crate) fn missing(&self) -> usize {
        self.stored.difference(&self.received).count()
    }

    pub(crate) fn stored(&self) -> usize {
        self.stored.len()
    }
}

/// Connects with a record that is signed now, as a program does that has just started.
async fn register(relay: &RelayProcess, agent: &Declared) -> RawConnection {
    let mut connection = RawConnection::open(relay, &agent.key).await;
    let identity = agent.identity();
    let record = build(&identity, Card::default(), None, now()).unwrap();
    connection.register(&identity, &record).await.unwrap();
    connection
}

fn new_id() -> MessageId {
    MessageId::new(now(), rand::random())
}

/// An envelope as the relay sees it. Nobody decrypts it.
fn envelope(from: Did, to: Did, body_characters: usize) -> Envelope {
    Envelope {
        to,
        from,
        id: new_id(),
        class: Class::Reliable,
        ttl: Some(TTL_SECONDS),
        protected: "p".repeat(PROTECTED_CHARACTERS),
        body: "b".repeat(body_characters),
        signature: "s".repeat(SIGNATURE_CHARACTERS),
    }
}
