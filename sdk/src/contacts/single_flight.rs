//! Single flight: concurrent lookups of the same agent share one request and its result, good or
//! bad.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use protocol::Did;

/// Callers that share one lookup; each of them holds a message. Further callers get
/// [`TooManyCallers`].
pub(super) const CALLERS_MAX: usize = 1024;

type Lookup<T> = Shared<BoxFuture<'static, T>>;
type WeakLookup<T> = WeakShared<BoxFuture<'static, T>>;

/// Lookups in flight, by agent. Bounded by the callers: an entry lives as long as one of them
/// waits.
pub(super) struct SingleFlight<T>(Mutex<HashMap<Did, WeakLookup<T>>>);

/// The lookup of this agent is shared by as many callers as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyCallers;

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + Sync> SingleFlight<T> {
    /// Waits for the lookup of this agent that is in flight, or for the one that `start` returns.
    /// All callers drive it: it continues when the first of them is cancelled, and ends with the
    /// last.
    pub(super) async fn join(
        &self,
        did: &Did,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Result<T, TooManyCallers> {
        // Declared first, so that it is dropped after the share of the lookup, also on
        // cancellation.
        let _cleanup = Cleanup { lookups: self, did };
        let lookup = self.share(did, start)?;
        Ok(lookup.await)
    }

    fn share(
        &self,
        did: &Did,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Result<Lookup<T>, TooManyCallers> {
        let mut lookups = self.lock();
        if let Some(lookup) = lookups.get(did).and_then(WeakShared::upgrade) {
            let callers = lookup.strong_count().unwrap_or_default();
            return if callers > CALLERS_MAX { Err(TooManyCallers) } else { Ok(lookup) };
        }
        let lookup = start().shared();
        lookups.extend(lookup.downgrade().map(|weak| (did.clone(), weak)));
        Ok(lookup)
    }
}

impl<T> SingleFlight<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Did, WeakLookup<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the entry of a finished or abandoned lookup.
struct Cleanup<'a, T> {
    lookups: &'a SingleFlight<T>,
    did: &'a Did,
}

impl<T> Drop for Cleanup<'_, T> {
    fn drop(&mut self) {
        let mut lookups = self.lookups.lock();
        let in_flight =
            |lookup: &WeakLookup<T>| lookup.upgrade().is_some_and(|lookup| lookup.peek().is_none());
        if lookups.get(self.did).is_some_and(|lookup| !in_flight(lookup)) {
            lookups.remove(self.did);
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

    /// Counts lookups. Each returns its number once it is released.
    #[derive(Default)]
    struct Relay {
        asked: Arc<AtomicUsize>,
        release: Arc<Notify>,
    }

    impl Relay {
        fn look_up(&self) -> BoxFuture<'static, usize> {
            let (asked, release) = (Arc::clone(&self.asked), Arc::clone(&self.release));
            async move {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                release.notified().await;
                number
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_lookup_and_the_next_caller_starts_another() {
        let (lookups, relay, bob) = (SingleFlight::default(), Relay::default(), bob());
        let mut all = Box::pin(join_all((0..64).map(|_| lookups.join(&bob, || relay.look_up()))));
        assert!(futures::poll!(&mut all).is_pending(), "no caller has an answer yet");
        relay.release.notify_one();
        assert_eq!(all.await, vec![Ok(1); 64]);
        relay.release.notify_one();
        assert_eq!(lookups.join(&bob, || relay.look_up()).await, Ok(2));
        assert!(lookups.lock().is_empty());
    }

    #[tokio::test]
    async fn a_lookup_continues_when_its_first_caller_is_cancelled() {
        let (lookups, relay, bob) = (SingleFlight::default(), Relay::default(), bob());
        let mut first = Box::pin(lookups.join(&bob, || relay.look_up()));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(lookups.join(&bob, || relay.look_up()));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        relay.release.notify_one();
        assert_eq!(second.await, Ok(1));
    }

    #[tokio::test]
    async fn a_lookup_ends_with_its_last_caller() {
        let (lookups, relay, bob) = (SingleFlight::default(), Relay::default(), bob());
        let mut only = Box::pin(lookups.join(&bob, || relay.look_up()));
        assert!(futures::poll!(&mut only).is_pending());
        drop(only);
        assert!(lookups.lock().is_empty());
        assert_eq!(Arc::strong_count(&relay.asked), 1, "the future is gone");
    }

    #[tokio::test]
    async fn callers_beyond_the_limit_are_refused() {
        let (lookups, relay, bob) = (SingleFlight::default(), Relay::default(), bob());
        let mut all: Vec<_> =
            (0..CALLERS_MAX).map(|_| Box::pin(lookups.join(&bob, || relay.look_up()))).collect();
        for waiting in &mut all {
            assert!(futures::poll!(waiting).is_pending());
        }
        assert_eq!(lookups.join(&bob, || relay.look_up()).await, Err(TooManyCallers));
        relay.release.notify_one();
        assert_eq!(join_all(all).await, vec![Ok(1); CALLERS_MAX]);
    }
}
