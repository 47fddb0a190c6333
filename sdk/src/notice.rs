//! Notices: the outcomes of messages that the relay had stored.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use protocol::envelope::MessageId;
use protocol::frame::{NoticeParams, Outcome};
use protocol::{Did, UnixSeconds};
use tokio::sync::broadcast;

/// Outcomes kept for [`Agent::outcome`](crate::Agent::outcome), and notices that a slow reader may
/// lag behind. The oldest are dropped.
const NOTICES_MAX: usize = 4096;

/// The outcome of one stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: MessageId,
    pub to: Did,
    pub outcome: Outcome,
    pub at: UnixSeconds,
}

/// The notices since [`Agent::notices`](crate::Agent::notices) was called. A reader that lags more
/// than 4096 behind misses the oldest.
pub struct Notices(broadcast::Receiver<Notice>);

impl Notices {
    /// Waits for the next notice; `None` once the agent has ended.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            match self.0.recv().await {
                Ok(notice) => return Some(notice),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(notices.missed = missed, "a slow reader missed notices");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Keeps the latest outcomes and reports notices to readers.
pub(crate) struct NoticeLog {
    table: Mutex<Table>,
    readers: broadcast::Sender<Notice>,
}

#[derive(Default)]
struct Table {
    outcomes: HashMap<MessageId, Outcome>,
    order: VecDeque<MessageId>,
}

impl NoticeLog {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::default(), readers: broadcast::channel(NOTICES_MAX).0 }
    }

    pub(crate) fn record(&self, params: NoticeParams) {
        let NoticeParams { id, to, outcome, at, .. } = params;
        self.table.lock().unwrap_or_else(PoisonError::into_inner).insert(id, outcome);
        // There may be no reader.
        let _ = self.readers.send(Notice { id, to, outcome, at });
    }

    pub(crate) fn outcome(&self, id: &MessageId) -> Option<Outcome> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).outcomes.get(id).copied()
    }

    pub(crate) fn subscribe(&self) -> Notices {
        Notices(self.readers.subscribe())
    }
}

impl Table {
    fn insert(&mut self, id: MessageId, outcome: Outcome) {
        if self.outcomes.insert(id, outcome).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > NOTICES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
    }
}
