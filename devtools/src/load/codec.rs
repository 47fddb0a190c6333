//! Defines what differs between servers: the bytes of a message, and how arrivals and answers are
//! counted in the bytes that come back.

/// Message `n` of a pair is the n-th from 0; it arrives, and is answered, in that order.
pub trait Codec {
    /// Appends message `number`.
    fn message(&mut self, number: u64, out: &mut Vec<u8>);

    /// Reads what came to the recipient; `reply` is written back on its connection.
    ///
    /// # Errors
    /// Bytes that the server must not send here.
    fn at_recipient(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed>;

    /// Reads what came to the sender; `reply` is written back on its connection, before the next
    /// message.
    ///
    /// # Errors
    /// Bytes that the server must not send here, refusals among them.
    fn at_sender(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed>;
}

/// The result of reading some input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Bytes that need not be shown again.
    pub bytes: usize,
    /// Whole messages (at the recipient) or answers (at the sender) among them.
    pub count: u64,
    /// Answers among them that say `stored` instead of `delivered`: the relay wrote the message to
    /// its disk first.
    pub stored: u64,
}
