//! Requests on their way to the relay: kept in order until answered, written again on the next connection.
//!
//! Every request of the protocol may be repeated (a send carries its id), so that a lost answer is found by asking again. The
//! memory behind it is bounded where requests are made (`call.rs`): there callers wait for room.

use std::collections::{BTreeMap, BTreeSet};

/// The number of a request, and of its JSON-RPC id; rising, never used again.
pub(crate) type Ticket = u64;

/// The first ticket; the numbers below are those of the handshake.
const FIRST_TICKET: Ticket = 16;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// JSON.
    pub(crate) params: String,
    /// The W3C trace context it belongs to.
    pub(crate) traceparent: Option<String>,
}

/// Requests with whoever waits for their answers (`W`).
pub(crate) struct Outbox<W> {
    next: Ticket,
    waiting: BTreeMap<Ticket, (Call, W)>,
    unwritten: BTreeSet<Ticket>,
}

impl<W> Outbox<W> {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_TICKET, waiting: BTreeMap::new(), unwritten: BTreeSet::new() }
    }

    pub(crate) fn push(&mut self, call: Call, waiter: W) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.waiting.insert(ticket, (call, waiter));
        self.unwritten.insert(ticket);
        ticket
    }

    /// A new connection: everything unanswered is written again, oldest first.
    pub(crate) fn reconnected(&mut self) {
        self.unwritten = self.waiting.keys().copied().collect();
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// The next request to write. Those whose waiter has left are dropped instead.
    pub(crate) fn write_next(&mut self, left: impl Fn(&W) -> bool) -> Option<(Ticket, &Call)> {
        let ticket = loop {
            let ticket = self.unwritten.pop_first()?;
            match self.waiting.get(&ticket) {
                Some((_, waiter)) if !left(waiter) => break ticket,
                _ => drop(self.waiting.remove(&ticket)),
            }
        };
        self.waiting.get(&ticket).map(|(call, _)| (ticket, call))
    }

    /// Forgets requests nobody waits for, so that they do not hold their room.
    pub(crate) fn sweep(&mut self, left: impl Fn(&W) -> bool) {
        self.waiting.retain(|_, (_, waiter)| !left(waiter));
        self.unwritten.retain(|ticket| self.waiting.contains_key(ticket));
    }

    /// The waiter of an answered request; `None` for an answer to nothing we asked, or asked and gave up.
    pub(crate) fn answered(&mut self, ticket: Ticket) -> Option<W> {
        self.unwritten.remove(&ticket);
        self.waiting.remove(&ticket).map(|(_, waiter)| waiter)
    }

    /// Takes every waiter, to tell them that no answer will come.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = W> + use<W> {
        self.unwritten.clear();
        std::mem::take(&mut self.waiting).into_values().map(|(_, waiter)| waiter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn call(n: u64) -> Call {
        Call { method: "message.send", params: n.to_string(), traceparent: None }
    }

    fn write_all(outbox: &mut Outbox<u64>) -> Vec<Ticket> {
        std::iter::from_fn(|| outbox.write_next(|_| false).map(|(ticket, _)| ticket)).collect()
    }

    #[test]
    fn unanswered_requests_are_written_again_in_order_on_the_next_connection() {
        let mut outbox = Outbox::new();
        let tickets: Vec<_> = (0..4).map(|n| outbox.push(call(n), n)).collect();
        assert_eq!(write_all(&mut outbox), tickets);
        assert_eq!(outbox.answered(tickets[1]), Some(1));
        outbox.reconnected();
        assert_eq!(write_all(&mut outbox), [tickets[0], tickets[2], tickets[3]]);
    }

    #[test]
    fn a_request_whose_waiter_left_is_not_written() {
        let mut outbox = Outbox::new();
        outbox.push(call(0), 0);
        let kept = outbox.push(call(1), 1);
        assert_eq!(outbox.write_next(|waiter| *waiter == 0).map(|(ticket, _)| ticket), Some(kept));
        outbox.reconnected();
        assert_eq!(write_all(&mut outbox), [kept]);
    }

    #[test]
    fn an_answer_to_nothing_is_nobodys() {
        let mut outbox: Outbox<u64> = Outbox::new();
        assert_eq!(outbox.answered(99), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push,
        WriteOne,
        AnswerOldestWritten,
        Reconnect,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Push),
            Just(Step::WriteOne),
            Just(Step::AnswerOldestWritten),
            Just(Step::Reconnect)
        ]
    }

    proptest! {
        /// Whatever is pushed is either answered once or still waiting, and one connection writes rising tickets only.
        #[test]
        fn nothing_is_lost_and_nothing_is_answered_twice(steps in proptest::collection::vec(step(), 1..200)) {
            let mut outbox = Outbox::new();
            let (mut pushed, mut answered) = (0, BTreeSet::new());
            let (mut written, mut last) = (BTreeSet::new(), 0);
            for step in steps {
                match step {
                    Step::Push => { outbox.push(call(pushed), pushed); pushed += 1; }
                    Step::WriteOne => if let Some((ticket, _)) = outbox.write_next(|_| false) {
                        prop_assert!(ticket > last, "order on one connection");
                        last = ticket;
                        written.insert(ticket);
                    },
                    Step::AnswerOldestWritten => {
                        let waiter = written.pop_first().and_then(|ticket| outbox.answered(ticket));
                        prop_assert!(waiter.is_none_or(|waiter| answered.insert(waiter)), "answered twice");
                    }
                    Step::Reconnect => { outbox.reconnected(); written.clear(); last = 0; }
                }
            }
            let rest: BTreeSet<_> = outbox.drain().collect();
            prop_assert!(answered.is_disjoint(&rest));
            prop_assert_eq!(u64::try_from(answered.len() + rest.len()).unwrap(), pushed);
        }
    }
}
