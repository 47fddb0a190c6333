//! Collects the agents that wait to be written to one relay, so that one request carries them.
//!
//! A write is sent at once while none is in progress. What comes meanwhile is sent together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use daemon::error_chain;
use protocol::admin::{AgentBatch, AgentWrite, Applied, BATCH_BYTES_MAX, BATCH_MAX, BatchResult, Term};
use tokio::sync::oneshot;

use super::attempt::Attempt;
use crate::relay_api::{RelayApi, RelayError, Target, Writer};

/// Bytes of the bodies in one batch. The rest of the limit is for the members around them.
const BODIES_BYTES_MAX: usize = BATCH_BYTES_MAX / 2;

/// The write of one agent that waits to be sent.
pub(super) struct WaitingWrite {
    pub target: Target,
    pub path: String,
    pub term: Option<Term>,
    pub write: AgentWrite,
    pub body: serde_json::Value,
    /// Notes the outcome, also when nobody waits for it any more.
    pub attempt: Attempt,
    pub answer: oneshot::Sender<Result<Applied, RelayError>>,
}

impl WaitingWrite {
    fn finish(self, result: Result<Applied, RelayError>) {
        self.attempt.settle(&result);
        // Nobody waits when the worker was dropped.
        let _ = self.answer.send(result);
    }

    fn writer(&self) -> Writer {
        Writer {
            owner: self.write.owner.clone(),
            former_owner: self.write.former_owner.clone(),
            if_owned: self.write.if_owned,
            term: self.term,
        }
    }

    /// Whether both may be in one request.
    fn fits_with(&self, other: &Self) -> bool {
        self.target.address == other.target.address
            && Arc::ptr_eq(&self.target.access, &other.target.access)
            && self.term == other.term
    }
}

#[derive(Default)]
struct Waiting {
    writes: VecDeque<WaitingWrite>,
    is_sending: bool,
}

/// The waiting writes of one relay.
#[derive(Default)]
pub(super) struct Batcher(Mutex<Waiting>);

impl Batcher {
    /// Adds a write, and starts to send unless that is in progress.
    pub(super) fn add(self: &Arc<Self>, api: &Arc<dyn RelayApi>, write: WaitingWrite) {
        let is_first = self.with(|waiting| {
            waiting.writes.push_back(write);
            !std::mem::replace(&mut waiting.is_sending, true)
        });
        if is_first {
            let (batcher, api) = (Arc::clone(self), Arc::clone(api));
            // Not bound to a worker: an answer is noted although the worker was dropped.
            tokio::spawn(async move {
                while let Some(batch) = batcher.with(Waiting::take) {
                    send(&*api, current(batch)).await;
                }
            });
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Waiting {
    /// The next batch, or `None` when nothing waits. The next write then starts to send again.
    fn take(&mut self) -> Option<Vec<WaitingWrite>> {
        let Some(first) = self.writes.pop_front() else {
            self.is_sending = false;
            return None;
        };
        let mut bytes = first.body.to_string().len();
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let (Some(next), Some(first)) = (self.writes.front(), batch.first())
        {
            bytes += next.body.to_string().len();
            if bytes > BODIES_BYTES_MAX || !next.fits_with(first) {
                break;
            }
            batch.extend(self.writes.pop_front());
        }
        Some(batch)
    }
}

/// Gives up the writes whose relay was lost, replaced or forgotten while they waited.
fn current(batch: Vec<WaitingWrite>) -> Vec<WaitingWrite> {
    let (current, outdated): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|waiting| waiting.attempt.is_current());
    for waiting in outdated {
        let source = "the relay was replaced before the request was sent".into();
        let error = RelayError::Reach { address: waiting.target.address, source };
        // The attempt is dropped and not settled, because the relay did not fail.
        let _ = waiting.answer.send(Err(error));
    }
    current
}

/// Sends a batch and notes each result. A batch that the relay refuses as a whole is sent one by
/// one, so that one bad item harms no other.
async fn send(api: &dyn RelayApi, batch: Vec<WaitingWrite>) {
    if batch.len() == 1 {
        return send_one_by_one(api, batch).await;
    }
    let Some(first) = batch.first() else { return };
    let (target, term) = (first.target.clone(), first.term);
    let body = AgentBatch { items: batch.iter().map(|waiting| waiting.write.clone()).collect() };
    match api.put_agents(&target, term, &body).await {
        Ok(applied) if applied.results.len() == batch.len() => {
            for (waiting, result) in batch.into_iter().zip(applied.results) {
                waiting.finish(result_of(&target, result));
            }
        }
        Ok(applied) => {
            let source =
                format!("the answer has {} results for {} agents", applied.results.len(), batch.len());
            fail(&target, batch, &source);
        }
        Err(error) if error.is_refusal() => send_one_by_one(api, batch).await,
        Err(error) => fail(&target, batch, &error_chain(&error)),
    }
}

async fn send_one_by_one(api: &dyn RelayApi, batch: Vec<WaitingWrite>) {
    for waiting in batch {
        let writer = waiting.writer();
        let result = api.put(&waiting.target, &waiting.path, &writer, waiting.body.clone()).await;
        waiting.finish(result);
    }
}

fn fail(target: &Target, batch: Vec<WaitingWrite>, cause: &str) {
    for waiting in batch {
        waiting.finish(Err(RelayError::Reach { address: target.address, source: cause.into() }));
    }
}

fn result_of(target: &Target, result: BatchResult) -> Result<Applied, RelayError> {
    match result {
        BatchResult::Applied(applied) => Ok(applied),
        BatchResult::Problem(problem) => Err(RelayError::Refused {
            address: target.address,
            status: problem.status,
            reason: Some(problem.reason),
            detail: problem.detail.unwrap_or(problem.title),
        }),
    }
}
