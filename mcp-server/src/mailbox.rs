//! The inbox as the tools share it. Rule: a message is acknowledged to the relay when it has been read to its end, so a
//! restart loses nothing unread; the price is at most one window of unread messages, the rest waits at the relay.

use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::Did;
use protocol::envelope::MessageId;
use tokio::sync::Notify;

use crate::inbox::{FindError, Inbox, Put, Received, Totals};
use crate::network::Acknowledge;
use crate::view::Reading;

type Token = Box<dyn Acknowledge>;

#[derive(Default)]
pub struct Mailbox {
    inbox: Mutex<Inbox<Token>>,
    read: Notify,
}

impl Mailbox {
    /// Returns when one more unread message may be put in.
    pub async fn has_room(&self) {
        loop {
            let read = self.read.notified();
            if self.lock().has_room() {
                return;
            }
            read.await;
        }
    }

    pub async fn put(&self, message: Received, token: Token) {
        let put = self.lock().put(message, token);
        if let Put::ReadBefore(token) = put {
            acknowledge(token).await;
        }
    }

    /// One part of a message; the part that reaches the end marks it as read and acknowledges it.
    ///
    /// # Errors
    /// No message has the id, or messages of several senders have it.
    pub async fn read(&self, id: MessageId, from: Option<&Did>, offset: usize) -> Result<Reading, FindError> {
        let (reading, token) = self.take(id, from, offset)?;
        if let Some(token) = token {
            self.read.notify_one();
            acknowledge(token).await;
        }
        Ok(reading)
    }

    fn take(
        &self,
        id: MessageId,
        from: Option<&Did>,
        offset: usize,
    ) -> Result<(Reading, Option<Token>), FindError> {
        let mut inbox = self.lock();
        let reading = Reading::of(inbox.find(id, from)?.message, offset);
        let token = if reading.truncated { None } else { inbox.mark_read(id, from)? };
        Ok((reading, token))
    }

    /// Looks at the inbox under its lock; `look` must be quick.
    pub fn view<T>(&self, look: impl FnOnce(&Inbox<Token>) -> T) -> T {
        look(&self.lock())
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        self.view(Inbox::totals)
    }

    // A panic under the lock leaves a consistent map behind: every change is one insert or remove.
    fn lock(&self) -> MutexGuard<'_, Inbox<Token>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An acknowledgement that fails is made good by the next delivery of the same message.
async fn acknowledge(token: Token) {
    if let Err(refusal) = token.acknowledge().await {
        tracing::info!(reason = refusal.reason(), "failed to acknowledge a message that was read");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::inbox::UNREAD_MAX;
    use crate::sample::{Acks, message, message_id};
    use crate::view::PART_BYTES_MAX;

    #[tokio::test]
    async fn a_message_is_acknowledged_when_read_to_its_end() {
        let (mailbox, acks) = (Mailbox::default(), Acks::default());
        let text = "x".repeat(PART_BYTES_MAX + 1);
        mailbox.put(message(1, "bob", &text), acks.token(1)).await;
        let first = mailbox.read(message_id(1), None, 0).await.unwrap();
        assert!(first.truncated);
        assert!(acks.made().is_empty());
        mailbox.read(message_id(1), None, first.next_offset.unwrap()).await.unwrap();
        assert_eq!(acks.made(), [1]);
        mailbox.read(message_id(1), None, 0).await.unwrap();
        assert_eq!(acks.made(), [1]);
    }

    #[tokio::test]
    async fn a_message_delivered_again_after_it_was_read_is_acknowledged_again() {
        let (mailbox, acks) = (Mailbox::default(), Acks::default());
        mailbox.put(message(1, "bob", "hi"), acks.token(1)).await;
        mailbox.read(message_id(1), None, 0).await.unwrap();
        mailbox.put(message(1, "bob", "hi"), acks.token(2)).await;
        assert_eq!(acks.made(), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_inbox_waits_until_one_message_is_read() {
        let (mailbox, acks) = (Arc::new(Mailbox::default()), Acks::default());
        for id in 1..=UNREAD_MAX {
            mailbox.has_room().await;
            mailbox.put(message(id, "bob", "hi"), acks.token(id)).await;
        }
        let waiting = tokio::spawn({
            let mailbox = Arc::clone(&mailbox);
            async move { mailbox.has_room().await }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!waiting.is_finished());
        mailbox.read(message_id(9), None, 0).await.unwrap();
        tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    }
}
