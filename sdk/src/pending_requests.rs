//! Matches responses of other agents with the requests that wait for them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Did;
use protocol::envelope::{Header, MessageId, MessageType};
use protocol::frame::{NoticeParams, Outcome};
use protocol::refusal::RefusalReason;
use tokio::sync::oneshot;

use crate::delivery::received::Received;

/// Requests without an answer, by message id. Bounded by the callers: an entry lives as long as
/// the caller's future.
#[derive(Default)]
pub(crate) struct PendingRequests(Mutex<HashMap<MessageId, PendingRequest>>);

struct PendingRequest {
    /// Only this agent may answer.
    recipient: Did,
    end: oneshot::Sender<RequestEnd>,
}

/// How the wait for an answer ends, unless its caller gives up.
pub(crate) enum RequestEnd {
    Answered(Arc<Received>),
    /// The relay says that the recipient will never process the request.
    Undelivered {
        outcome: Outcome,
        reason: Option<RefusalReason>,
    },
}

/// Where a received message goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The caller whose request it answers.
    Requester,
    Inbox,
    /// It answers a request that was sent to another agent, and is refused.
    WrongResponder,
}

impl PendingRequests {
    /// Registers a request. Call it before sending, so that even the fastest answer finds its
    /// caller. `None` if a request with this id waits already.
    pub(crate) fn register(&self, id: MessageId, recipient: Did) -> Option<PendingAnswer<'_>> {
        let mut requests = self.lock();
        let Entry::Vacant(entry) = requests.entry(id) else { return None };
        let (end, receiver) = oneshot::channel();
        entry.insert(PendingRequest { recipient, end });
        Some(PendingAnswer { requests: self, id, receiver })
    }

    pub(crate) fn destination(&self, header: &Header) -> Destination {
        let is_answer = matches!(header.r#type, MessageType::Response | MessageType::Error);
        let Some(re) = header.re.filter(|_| is_answer) else {
            return Destination::Inbox;
        };
        match self.lock().get(&re) {
            Some(request) if request.recipient != header.from => Destination::WrongResponder,
            Some(_) => Destination::Requester,
            None => Destination::Inbox,
        }
    }

    /// Completes the request that this message answers. Returns the message if its caller gave up.
    pub(crate) fn complete(&self, received: Arc<Received>) -> Result<(), Arc<Received>> {
        let request = received.header.re.and_then(|re| self.lock().remove(&re));
        match request {
            Some(request) => match request.end.send(RequestEnd::Answered(received)) {
                Err(RequestEnd::Answered(received)) => Err(received),
                Ok(()) | Err(RequestEnd::Undelivered { .. }) => Ok(()),
            },
            None => Err(received),
        }
    }

    /// Ends the wait of a request that will not be answered, because it was not delivered.
    pub(crate) fn on_notice(&self, notice: &NoticeParams) {
        let NoticeParams { id, outcome, reason, .. } = *notice;
        if outcome == Outcome::Delivered {
            return;
        }
        if let Some(request) = self.lock().remove(&id) {
            // The caller may have given up in the meantime.
            let _ = request.end.send(RequestEnd::Undelivered { outcome, reason });
        }
    }

    /// Ends the wait of every caller without an answer.
    pub(crate) fn end(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, PendingRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered request; dropping it removes the registration.
pub(crate) struct PendingAnswer<'a> {
    requests: &'a PendingRequests,
    id: MessageId,
    receiver: oneshot::Receiver<RequestEnd>,
}

impl PendingAnswer<'_> {
    /// `None` when the agent ended first.
    pub(crate) async fn receive(&mut self) -> Option<RequestEnd> {
        (&mut self.receiver).await.ok()
    }

    /// Takes the answer that came and that nobody has received. No further one can come.
    pub(crate) fn take_unclaimed(&mut self) -> Option<Arc<Received>> {
        self.receiver.close();
        match self.receiver.try_recv() {
            Ok(RequestEnd::Answered(received)) => Some(received),
            Ok(RequestEnd::Undelivered { .. }) | Err(_) => None,
        }
    }
}

impl Drop for PendingAnswer<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut requests = self.requests.lock();
        // After an answer, another request may have been registered with the same id.
        if requests.get(&self.id).is_some_and(|request| request.end.is_closed()) {
            requests.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Did {
        "did:wba:localhost:agent:bob".parse().unwrap()
    }

    #[test]
    fn an_id_waits_once_and_is_free_again_when_its_caller_gives_up() {
        let (requests, id) = (PendingRequests::default(), MessageId::new(1, [0; 10]));
        let first = requests.register(id, bob()).unwrap();
        assert!(requests.register(id, bob()).is_none());
        assert_eq!(requests.lock().len(), 1, "the first one still waits");
        drop(first);
        assert!(requests.register(id, bob()).is_some());
        assert!(requests.lock().is_empty());
    }
}
