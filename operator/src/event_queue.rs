//! Publishes Events in the background, from a bounded queue.
//!
//! kube's recorder keeps every Event for six minutes, and a reconcile waits for the API server's
//! answer. Here equal Events that wait are counted as one, nobody waits, and what does not fit is
//! dropped and counted: conditions are the record, Events only a hint.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daemon::error_chain;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event as ClusterEvent, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// Maximum number of different Events that wait. One has about 1 kB.
const EVENTS_MAX: usize = 1000;

/// What makes two Events equal: the object's uid, the reason and the action.
type EventKey = (String, String, String);

/// An Event that waits, and how often it happened meanwhile.
struct WaitingEvent {
    reference: ObjectReference,
    event: Event,
    count: i32,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Default)]
struct State {
    waiting: HashMap<EventKey, WaitingEvent>,
    order: VecDeque<EventKey>,
}

struct Shared {
    state: Mutex<State>,
    added: Notify,
    clock: Clock,
    metrics: Metrics,
}

/// The queue of Events. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct EventQueue(Arc<Shared>);

impl std::fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventQueue")
    }
}

impl EventQueue {
    #[must_use]
    pub fn new(clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), added: Notify::new(), clock, metrics }))
    }

    /// Queues an Event about an object. Returns at once.
    pub fn publish(&self, reference: ObjectReference, event: Event) {
        let now = self.0.clock.now();
        if self.lock().add(reference, event, now) {
            self.0.added.notify_one();
        } else {
            self.0.metrics.dropped_events.inc();
        }
    }

    /// Publishes what was queued, until it is dropped. `instance` is the name of this replica.
    pub async fn run(&self, client: Client, instance: &str) {
        loop {
            let next = self.lock().take();
            match next {
                Some(waiting) => self.send(&client, waiting, instance).await,
                None => self.0.added.notified().await,
            }
        }
    }

    async fn send(&self, client: &Client, waiting: WaitingEvent, instance: &str) {
        let event = cluster_event(waiting, instance);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api = Api::<ClusterEvent>::namespaced(client.clone(), &namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            self.0.metrics.dropped_events.inc();
            tracing::debug!(error = error_chain(&error), "failed to publish an event");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds an Event, or counts it if an equal one waits. Returns `false` if it is dropped.
    fn add(&mut self, reference: ObjectReference, event: Event, now: Timestamp) -> bool {
        let uid = reference.uid.clone().unwrap_or_default();
        let key = (uid, event.reason.clone(), event.action.clone());
        if let Some(equal) = self.waiting.get_mut(&key) {
            (equal.count, equal.last, equal.event) = (equal.count.saturating_add(1), now, event);
            return true;
        }
        if self.waiting.len() >= EVENTS_MAX {
            return false;
        }
        self.order.push_back(key.clone());
        self.waiting.insert(key, WaitingEvent { reference, event, count: 1, first: now, last: now });
        true
    }

    fn take(&mut self) -> Option<WaitingEvent> {
        let key = self.order.pop_front()?;
        self.waiting.remove(&key)
    }
}

/// The object that the API server stores. Events of objects without a namespace are in `default`.
fn cluster_event(waiting: WaitingEvent, instance: &str) -> ClusterEvent {
    let WaitingEvent { reference, event, count, first, last } = waiting;
    let namespace = reference.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let name = reference.name.clone().unwrap_or_default();
    let type_ = match event.type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    ClusterEvent {
        metadata: ObjectMeta {
            // A name may have 253 characters, and the API server adds five.
            generate_name: Some(format!("{}.", name.chars().take(200).collect::<String>())),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        action: Some(event.action),
        reason: Some(event.reason),
        note: event.note,
        type_: Some(type_.to_owned()),
        event_time: Some(MicroTime(first)),
        regarding: Some(reference),
        related: event.secondary,
        reporting_controller: Some("msg2agent.xyz/operator".to_owned()),
        reporting_instance: Some(instance.to_owned()),
        series: (count > 1).then_some(EventSeries { count, last_observed_time: MicroTime(last) }),
        ..ClusterEvent::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(uid: &str) -> ObjectReference {
        ObjectReference {
            uid: Some(uid.to_owned()),
            name: Some("alice".to_owned()),
            namespace: Some("team".to_owned()),
            ..ObjectReference::default()
        }
    }

    fn event(reason: &str) -> Event {
        Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: None,
            action: "Accepted".to_owned(),
            secondary: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn equal_events_that_wait_become_one_with_a_count() {
        let mut state = State::default();
        for second in 0..3 {
            assert!(state.add(reference("1"), event("HandleConflict"), at(second)));
        }
        state.add(reference("1"), event("TenantNotFound"), at(3));
        state.add(reference("2"), event("HandleConflict"), at(4));
        let sent: Vec<_> =
            std::iter::from_fn(|| state.take()).map(|next| cluster_event(next, "pod")).collect();
        assert_eq!(sent.len(), 3);
        let series = sent[0].series.clone().unwrap();
        assert_eq!((series.count, series.last_observed_time), (3, MicroTime(at(2))));
        assert_eq!(sent[1].series, None);
        assert_eq!(sent[0].metadata.namespace.as_deref(), Some("team"));
    }

    #[test]
    fn a_full_queue_drops_what_is_new_and_still_counts_what_waits() {
        let mut state = State::default();
        for uid in 0..1000 {
            assert!(state.add(reference(&uid.to_string()), event("Ready"), at(0)));
        }
        assert!(!state.add(reference("new"), event("Ready"), at(0)));
        assert!(state.add(reference("7"), event("Ready"), at(0)));
        state.take();
        assert!(state.add(reference("new"), event("Ready"), at(0)));
    }
}
