//! Lookups under way, one for each agent: who wants the same agent meanwhile waits for that answer, good or bad.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use protocol::Did;

/// Callers that wait for one answer, each with a message in its hands. The next one is told to try again.
pub(super) const WAITERS_MAX: usize = 1024;

type Lookup<T> = Shared<BoxFuture<'static, T>>;
type Waiting<T> = WeakShared<BoxFuture<'static, T>>;

/// Bounded by the callers: an entry lives as long as somebody waits.
pub(super) struct Flights<T>(Mutex<HashMap<Did, Waiting<T>>>);

/// As many wait for this agent as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + Sync> Flights<T> {
    /// The answer of the lookup that is under way, else of the one that `start` makes. All who wait drive it: it goes on when
    /// the first of them leaves, and ends with the last.
    pub(super) async fn join(
        &self,
        did: &Did,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Result<T, Full> {
        // Dropped after the place in the lookup, also when the caller gives up.
        let _leaving = Leaving { flights: self, did };
        let lookup = self.board(did, start)?;
        Ok(lookup.await)
    }

    fn board(&self, did: &Did, start: impl FnOnce() -> BoxFuture<'static, T>) -> Result<Lookup<T>, Full> {
        let mut flights = self.lock();
        if let Some(lookup) = flights.get(did).and_then(WeakShared::upgrade) {
            let with_us = lookup.strong_count().unwrap_or_default();
            return if with_us > WAITERS_MAX { Err(Full) } else { Ok(lookup) };
        }
        let lookup = start().shared();
        flights.extend(lookup.downgrade().map(|waiting| (did.clone(), waiting)));
        Ok(lookup)
    }
}

impl<T> Flights<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Did, Waiting<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Leaving<'a, T> {
    flights: &'a Flights<T>,
    did: &'a Did,
}

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        let under_way =
            |waiting: &Waiting<T>| waiting.upgrade().is_some_and(|lookup| lookup.peek().is_none());
        if flights.get(self.did).is_some_and(|waiting| !under_way(waiting)) {
            flights.remove(self.did);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    fn bob() -> Did {
        "did:wba:localhost:agent:bob".parse().unwrap()
    }

    /// Lookups that are counted, and answer their number when they may.
    #[derive(Default)]
    struct Relay {
        asked: Arc<AtomicUsize>,
        may_answer: Arc<Notify>,
    }

    impl Relay {
        fn look_up(&self) -> BoxFuture<'static, usize> {
            let (asked, may_answer) = (Arc::clone(&self.asked), Arc::clone(&self.may_answer));
            async move {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                may_answer.notified().await;
                number
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn all_who_ask_meanwhile_get_the_one_answer_and_the_next_asks_anew() {
        let (flights, relay, bob) = (Flights::default(), Relay::default(), bob());
        let mut all = Box::pin(join_all((0..64).map(|_| flights.join(&bob, || relay.look_up()))));
        assert!(futures::poll!(&mut all).is_pending(), "nobody has an answer before all have asked");
        relay.may_answer.notify_one();
        assert_eq!(all.await, vec![Ok(1); 64]);
        relay.may_answer.notify_one();
        assert_eq!(flights.join(&bob, || relay.look_up()).await, Ok(2));
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn the_answer_comes_although_the_first_caller_left() {
        let (flights, relay, bob) = (Flights::default(), Relay::default(), bob());
        let mut first = Box::pin(flights.join(&bob, || relay.look_up()));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(flights.join(&bob, || relay.look_up()));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        relay.may_answer.notify_one();
        assert_eq!(second.await, Ok(1));
    }

    #[tokio::test]
    async fn a_lookup_ends_with_its_last_caller() {
        let (flights, relay, bob) = (Flights::default(), Relay::default(), bob());
        let mut only = Box::pin(flights.join(&bob, || relay.look_up()));
        assert!(futures::poll!(&mut only).is_pending());
        drop(only);
        assert!(flights.lock().is_empty());
        assert_eq!(Arc::strong_count(&relay.asked), 1, "the future is gone");
    }

    #[tokio::test]
    async fn more_callers_than_may_wait_are_refused() {
        let (flights, relay, bob) = (Flights::default(), Relay::default(), bob());
        let mut all: Vec<_> =
            (0..WAITERS_MAX).map(|_| Box::pin(flights.join(&bob, || relay.look_up()))).collect();
        for waiting in &mut all {
            assert!(futures::poll!(waiting).is_pending());
        }
        assert_eq!(flights.join(&bob, || relay.look_up()).await, Err(Full));
        relay.may_answer.notify_one();
        assert_eq!(join_all(all).await, vec![Ok(1); WAITERS_MAX]);
    }
}
