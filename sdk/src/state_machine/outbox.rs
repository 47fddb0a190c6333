//! Requests to the relay, in order, until they are answered. The next connection repeats them.
//!
//! Every request of the protocol is idempotent (a send carries its id), so that repeating it
//! replaces a lost answer. The RPC client bounds the memory: its callers wait for a share of it.

use std::collections::{BTreeMap, BTreeSet};

/// The JSON-RPC id of a request. It rises and is never reused.
pub type RequestId = u64;

/// The handshake uses the ids below.
const FIRST_REQUEST_ID: RequestId = 16;

/// A request without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    /// Serialized JSON.
    pub params: String,
    /// The W3C trace context that it belongs to.
    pub traceparent: Option<String>,
}

/// Unanswered requests with the callers (`C`) that wait for their answers.
#[derive(Debug)]
pub struct Outbox<C> {
    next: RequestId,
    waiting: BTreeMap<RequestId, UnansweredRequest<C>>,
    unwritten: BTreeSet<RequestId>,
}

/// A request without an answer.
#[derive(Debug)]
pub struct UnansweredRequest<C> {
    pub request: Request,
    pub caller: C,
    /// Whether it was ever given to a connection, so that the relay may have acted on it.
    pub written: bool,
}

impl<C> Default for Outbox<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Outbox<C> {
    #[must_use]
    pub fn new() -> Self {
        Self { next: FIRST_REQUEST_ID, waiting: BTreeMap::new(), unwritten: BTreeSet::new() }
    }

    pub fn push(&mut self, request: Request, caller: C) -> RequestId {
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id, UnansweredRequest { request, caller, written: false });
        self.unwritten.insert(id);
        id
    }

    /// Schedules every unanswered request for the new connection, oldest first.
    pub fn reconnected(&mut self) {
        self.unwritten = self.waiting.keys().copied().collect();
    }

    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// The next request to write, which counts as written from now on. Drops abandoned ones.
    pub fn write_next(
        &mut self,
        abandoned: impl Fn(&C) -> bool,
    ) -> Option<(RequestId, &UnansweredRequest<C>)> {
        let id = loop {
            let id = self.unwritten.pop_first()?;
            match self.waiting.get(&id) {
                Some(waiting) if !abandoned(&waiting.caller) => break id,
                _ => drop(self.waiting.remove(&id)),
            }
        };
        let request = self.waiting.get_mut(&id)?;
        request.written = true;
        Some((id, request))
    }

    /// Drops abandoned requests, which frees their share of the memory.
    pub fn sweep(&mut self, abandoned: impl Fn(&C) -> bool) {
        self.waiting.retain(|_, waiting| !abandoned(&waiting.caller));
        self.unwritten.retain(|id| self.waiting.contains_key(id));
    }

    /// Removes an answered request and returns its caller. `None` for an unknown or abandoned
    /// request.
    pub fn answered(&mut self, id: RequestId) -> Option<C> {
        self.unwritten.remove(&id);
        self.waiting.remove(&id).map(|waiting| waiting.caller)
    }

    /// Removes and returns every request, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = UnansweredRequest<C>> + use<C> {
        self.unwritten.clear();
        std::mem::take(&mut self.waiting).into_values()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn request(n: u64) -> Request {
        Request { method: "message.send", params: n.to_string(), traceparent: None }
    }

    fn write_all(outbox: &mut Outbox<u64>) -> Vec<RequestId> {
        std::iter::from_fn(|| outbox.write_next(|_| false).map(|(id, _)| id)).collect()
    }

    #[test]
    fn unanswered_requests_are_repeated_in_order_on_the_next_connection() {
        let mut outbox = Outbox::new();
        let ids: Vec<_> = (0..4).map(|n| outbox.push(request(n), n)).collect();
        assert_eq!(write_all(&mut outbox), ids);
        assert_eq!(outbox.answered(ids[1]), Some(1));
        outbox.reconnected();
        assert_eq!(write_all(&mut outbox), [ids[0], ids[2], ids[3]]);
    }

    #[test]
    fn an_abandoned_request_is_not_written() {
        let mut outbox = Outbox::new();
        outbox.push(request(0), 0);
        let kept = outbox.push(request(1), 1);
        assert_eq!(outbox.write_next(|caller| *caller == 0).map(|(id, _)| id), Some(kept));
        outbox.reconnected();
        assert_eq!(write_all(&mut outbox), [kept]);
    }

    #[test]
    fn a_request_that_was_never_given_to_a_connection_is_known_as_such() {
        let mut outbox = Outbox::new();
        for n in 0..2 {
            outbox.push(request(n), n);
        }
        outbox.write_next(|_| false);
        outbox.reconnected();
        let written: Vec<_> = outbox.drain().map(|waiting| waiting.written).collect();
        assert_eq!(written, [true, false], "the first was written before the reconnect");
    }

    #[test]
    fn an_answer_to_an_unknown_request_is_ignored() {
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
        /// Every pushed request is answered once or still waiting, and one connection writes rising
        /// ids.
        #[test]
        fn nothing_is_lost_and_nothing_is_answered_twice(steps in proptest::collection::vec(step(), 1..200)) {
            let mut outbox = Outbox::new();
            let (mut pushed, mut answered) = (0, BTreeSet::new());
            let (mut written, mut last) = (BTreeSet::new(), 0);
            for step in steps {
                match step {
                    Step::Push => { outbox.push(request(pushed), pushed); pushed += 1; }
                    Step::WriteOne => if let Some((id, _)) = outbox.write_next(|_| false) {
                        prop_assert!(id > last, "order on one connection");
                        last = id;
                        written.insert(id);
                    },
                    Step::AnswerOldestWritten => {
                        let caller = written.pop_first().and_then(|id| outbox.answered(id));
                        prop_assert!(caller.is_none_or(|caller| answered.insert(caller)), "answered twice");
                    }
                    Step::Reconnect => { outbox.reconnected(); written.clear(); last = 0; }
                }
            }
            let rest: BTreeSet<_> = outbox.drain().map(|waiting| waiting.caller).collect();
            prop_assert!(answered.is_disjoint(&rest));
            prop_assert_eq!(u64::try_from(answered.len() + rest.len()).unwrap(), pushed);
        }
    }
}
