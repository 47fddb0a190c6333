//! The values that the two sides of the core hand to each other. Neither calls the other: the
//! recipient's side says what became of messages, and the sender's side hands over what is to be
//! delivered.

use std::sync::Arc;

use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};
use protocol::refusal::RefusalReason;

use super::agent_mailbox::UndeliveredMessage;
use super::agent_session::MemoryOnly;
use super::dedup::MessageKey;
use super::{AgentSlot, SendRule};

/// What the recipient's side says of a message, for its sender.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It counts from now on.
    Accepted { key: MessageKey, status: SendStatus, size: usize },
    /// Nobody waits for it any longer. Its outcome is still open.
    Released { key: MessageKey, rule: SendRule },
    /// It is not in the mailbox, and its id is as good as new.
    Refused { key: MessageKey, rule: SendRule },
    /// The recipient will never process it, and it was not promised.
    RefusedByRecipient { key: MessageKey, reason: RefusalReason },
    /// Its row failed and may be on disk all the same.
    Uncertain(MessageKey),
    /// The store refused it while it is in flight in this mailbox.
    Unstored { key: MessageKey, mailbox: AgentSlot, seq: u64, size: usize },
    /// The recipient settled it after the store had refused it.
    UnstoredSettled { key: MessageKey, outcome: Outcome },
    /// It is no longer in flight after the store had refused it.
    UnstoredGone(MessageKey),
    /// It was delivered after its sender had the answer `stored`.
    DeliveredLate { key: MessageKey, recipient: Arc<str> },
    /// It was stored and will not be delivered.
    Undelivered(UndeliveredMessage),
    /// How it ended is on disk.
    Ended { key: MessageKey, outcome: Outcome },
    /// The last row of a removed tenant is gone.
    TenantGone(TenantId),
}

/// What the sender's side hands over to the recipient's.
#[derive(Debug)]
pub(super) enum Handoff {
    /// A new message.
    New { recipient: AgentSlot, message: MemoryOnly },
    /// A message that is in flight already, and that the store had refused.
    Resent { mailbox: AgentSlot, seq: u64, message: MemoryOnly },
    /// A notice for the mailbox of the sender.
    Notice { to: AgentSlot, undelivered: UndeliveredMessage },
    /// The late delivery of a message, to be told if its sender is connected.
    Delivered { to: AgentSlot, recipient: Arc<str>, id: MessageId },
}
