//! What became of messages that the relay had answered with `stored`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use protocol::envelope::MessageId;
use protocol::frame::{NoticeParams, Outcome};
use protocol::{Did, UnixSeconds};
use tokio::sync::broadcast;

/// Outcomes remembered for [`crate::Agent::outcome`], and notices a slow reader may be behind; the oldest are forgotten.
const NOTICES_MAX: usize = 4096;

/// The fate of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: MessageId,
    pub to: Did,
    pub outcome: Outcome,
    pub at: UnixSeconds,
}

/// Notices as they come, from the moment [`crate::Agent::notices`] was called. One that falls more than 4096 behind misses the
/// oldest of them.
pub struct Notices(broadcast::Receiver<Notice>);

impl Notices {
    /// The next notice; `None` once the agent has ended.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            match self.0.recv().await {
                Ok(notice) => return Some(notice),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(notices.missed = missed, "notices were read too slowly");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The agent's side: a bounded table and its readers.
pub(crate) struct NoticeBoard {
    table: Mutex<Table>,
    readers: broadcast::Sender<Notice>,
}

#[derive(Default)]
struct Table {
    outcomes: HashMap<MessageId, Outcome>,
    order: VecDeque<MessageId>,
}

impl NoticeBoard {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::default(), readers: broadcast::channel(NOTICES_MAX).0 }
    }

    pub(crate) fn post(&self, params: NoticeParams) {
        let NoticeParams { id, to, outcome, at, .. } = params;
        self.table.lock().unwrap_or_else(PoisonError::into_inner).insert(id, outcome);
        // Nobody has to listen.
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
