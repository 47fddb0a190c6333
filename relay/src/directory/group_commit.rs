//! Collects the requests that wait, so that one transaction commits all of them.

use tokio::sync::mpsc;

use super::request::WriteRequest;

/// Administrative operations in one transaction, unless one request has more. A transaction of this
/// many takes some 20 ms, for which the mailbox waits.
const ADMINISTRATIONS_PER_COMMIT_MAX: usize = 256;
/// Registrations in one transaction, which every agent can cause. They delay an administrative
/// operation by some milliseconds at most, and are never shut out by them.
const REGISTRATIONS_PER_COMMIT_MAX: usize = 64;

/// The requests that wait for the writer. Those of administrators come first.
#[derive(Debug)]
pub(super) struct RequestQueues {
    administrations: mpsc::Receiver<WriteRequest>,
    registrations: mpsc::Receiver<WriteRequest>,
}

impl RequestQueues {
    pub(super) const fn new(
        administrations: mpsc::Receiver<WriteRequest>,
        registrations: mpsc::Receiver<WriteRequest>,
    ) -> Self {
        Self { administrations, registrations }
    }

    /// Waits for a request and takes those that wait with it. Nothing is lost when this is
    /// cancelled. `None` once both queues are closed and empty.
    pub(super) async fn next_group(&mut self) -> Option<Vec<WriteRequest>> {
        let (administration, registration) = tokio::select! {
            biased;
            Some(first) = self.administrations.recv() => (Some(first), None),
            Some(first) = self.registrations.recv() => (None, Some(first)),
            else => return None,
        };
        let mut group = waiting(administration, &mut self.administrations, ADMINISTRATIONS_PER_COMMIT_MAX);
        group.extend(waiting(registration, &mut self.registrations, REGISTRATIONS_PER_COMMIT_MAX));
        Some(group)
    }

    /// Refuses further requests. Those that wait are still returned.
    pub(super) fn close(&mut self) {
        self.administrations.close();
        self.registrations.close();
    }
}

/// `first` and the requests behind it, until they have `operations_max` operations.
fn waiting(
    first: Option<WriteRequest>,
    queue: &mut mpsc::Receiver<WriteRequest>,
    operations_max: usize,
) -> Vec<WriteRequest> {
    let mut group = Vec::from_iter(first);
    let mut operations: usize = group.iter().map(|request| request.operations.len()).sum();
    while operations < operations_max
        && let Ok(request) = queue.try_recv()
    {
        operations += request.operations.len();
        group.push(request);
    }
    group
}

#[cfg(test)]
mod tests;
