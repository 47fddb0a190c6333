//! Follows a task from one of its changes on: as a stream of events, or until it waits or ends.
//!
//! Changes are read from the store one page at a time, so that every stream sees the same events in
//! the same order, a slow one costs no memory, and a restart of the gateway loses none.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream;

use super::TaskGateway;
use super::task_feed::Subscription;
use super::waits::Wait;
use crate::error::A2aError;
use crate::model::{SendMessageResponse, StreamResponse, TaskState};
use crate::service::EventStream;
use crate::store::{StoreError, StoredChange, TaskRecord};
use crate::task_machine::{Change, TaskView};

/// Changes that a stream reads at a time. The largest are messages of 640 KiB.
const PAGE: u32 = 8;

/// A position in the changes of a task.
pub(super) struct Follower {
    gateway: TaskGateway,
    task: TaskRecord,
    /// The task up to the position.
    view: TaskView,
    position: u32,
    page: VecDeque<StoredChange>,
    subscription: Subscription,
    _wait: Wait,
}

/// When a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// With the task.
    Terminal,
    /// Also when the agent waits for its client.
    TerminalOrInterrupted,
}

impl StreamEnd {
    const fn is_after(self, state: TaskState) -> bool {
        match self {
            Self::Terminal => state.is_terminal(),
            Self::TerminalOrInterrupted => state.is_terminal() || state.is_interrupted(),
        }
    }
}

/// Whether a change ends a wait or a stream.
const fn state_of(change: &Change) -> Option<TaskState> {
    if let Change::Status(status) = change { Some(status.state) } else { None }
}

impl Follower {
    /// Follows a task from its change `position` on.
    pub(super) async fn start(
        gateway: &TaskGateway,
        task: TaskRecord,
        position: u32,
    ) -> Result<Self, A2aError> {
        let wait = gateway.0.waits.begin(&task.caller)?;
        let subscription = gateway.0.feed.subscribe(task.number);
        let view = gateway.view_at(&task, position).await.map_err(store_failed)?;
        let page = VecDeque::new();
        Ok(Self { gateway: gateway.clone(), task, view, position, page, subscription, _wait: wait })
    }

    /// The next change; waits for it.
    async fn next(&mut self) -> Result<StoredChange, StoreError> {
        loop {
            if let Some(change) = self.page.pop_front() {
                self.position = change.number;
                self.view.apply(change.change.clone(), change.at);
                return Ok(change);
            }
            let store = self.gateway.store();
            self.page = store.changes(self.task.number, self.position, PAGE).await?.into();
            if self.page.is_empty() {
                self.subscription.changed().await;
            }
        }
    }

    /// Waits until the task ends or waits for its client, for at most `timeout`.
    pub(super) async fn response(mut self, timeout: Duration) -> Result<SendMessageResponse, A2aError> {
        let waited = async {
            loop {
                let change = self.next().await?.change;
                match change {
                    Change::Answer(answer) => return Ok(Some(self.view.answer_message(answer))),
                    change
                        if state_of(&change)
                            .is_some_and(|s| StreamEnd::TerminalOrInterrupted.is_after(s)) =>
                    {
                        return Ok(None);
                    }
                    _ => {}
                }
            }
        };
        match tokio::time::timeout(timeout, waited).await {
            Ok(Ok(Some(answer))) => Ok(SendMessageResponse::Message(Box::new(answer))),
            Ok(Ok(None)) | Err(_) => Ok(SendMessageResponse::Task(Box::new(self.view.into_task(true, None)))),
            Ok(Err(error)) => Err(store_failed(error)),
        }
    }

    /// Waits until the task ends, for at most `timeout`, and returns it.
    pub(super) async fn until_terminal(mut self, timeout: Duration) -> Result<TaskView, A2aError> {
        let waited = async {
            while !self.view.state().is_terminal() {
                self.next().await?;
            }
            Ok(())
        };
        match tokio::time::timeout(timeout, waited).await {
            Ok(Err(error)) => Err(store_failed(error)),
            Ok(Ok(())) | Err(_) => Ok(self.view),
        }
    }

    /// The task as it is here, and then its events. `first_word`: how long the agent may take for a
    /// first word; its plain answer then comes instead of the task.
    pub(super) fn stream(self, end: StreamEnd, first_word: Option<Duration>) -> EventStream {
        let start = StreamState { follower: self, first_word, begun: false, end, ended: false };
        Box::pin(stream::unfold(start, |mut state| async move {
            let event = state.next_event().await.transpose()?;
            state.ended |= event.is_err();
            Some((event, state))
        }))
    }
}

struct StreamState {
    follower: Follower,
    first_word: Option<Duration>,
    /// Whether the client has the task.
    begun: bool,
    end: StreamEnd,
    ended: bool,
}

impl StreamState {
    async fn next_event(&mut self) -> Result<Option<StreamResponse>, A2aError> {
        if self.ended {
            return Ok(None);
        }
        if !self.begun {
            return self.first_event().await.map(Some);
        }
        loop {
            let StoredChange { change, at, .. } = self.follower.next().await.map_err(store_failed)?;
            self.ended = state_of(&change).is_some_and(|state| self.end.is_after(state));
            if let Some(event) = self.follower.view.event(change, at) {
                return Ok(Some(event));
            }
        }
    }

    async fn first_event(&mut self) -> Result<StreamResponse, A2aError> {
        let task = self.follower.view.clone().into_task(true, None);
        self.begun = true;
        if let Some(timeout) = self.first_word {
            // The change stays in the page, so that the stream goes on with it.
            let first = async {
                let first = self.follower.next().await?;
                Ok::<_, StoreError>(first)
            };
            if let Ok(first) = tokio::time::timeout(timeout, first).await {
                let first = first.map_err(store_failed)?;
                if let Change::Answer(answer) = first.change {
                    self.ended = true;
                    return Ok(StreamResponse::Message(Box::new(self.follower.view.answer_message(answer))));
                }
                self.follower.page.push_front(first);
            }
        }
        Ok(StreamResponse::Task(Box::new(task)))
    }
}

impl TaskGateway {
    /// A task up to one of its changes.
    pub(super) async fn view_at(&self, task: &TaskRecord, position: u32) -> Result<TaskView, StoreError> {
        let mut view = task.empty_view();
        for change in self.store().changes(task.number, 0, position).await? {
            view.apply(change.change, change.at);
        }
        Ok(view)
    }
}

pub(super) fn store_failed(error: StoreError) -> A2aError {
    tracing::error!(error = daemon::error_chain(&error), "the store of tasks failed");
    A2aError::internal("the store of tasks failed", error)
}
