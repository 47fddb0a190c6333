//! The network between one operator process and everything else, with its faults.
//!
//! A process that is killed and one whose connections are cut for good look the same from outside:
//! no request leaves it, and no answer reaches it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::flaw::Flaw;

/// How often which fault happens, in thousandths of the requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FaultRates {
    /// The request is refused with 429, 503 or a broken connection, and not applied.
    pub(crate) refused: u32,
    /// The request is applied, and the answer is a conflict, a timeout or a broken connection.
    pub(crate) answer_lost: u32,
    /// The request takes up to some seconds.
    pub(crate) slow: u32,
    /// The watch ends early.
    pub(crate) watch_ended: u32,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFate {
    Answered,
    TooManyRequests,
    Unavailable,
    /// The connection breaks before the request arrives.
    Unsent,
    /// The request is applied, and the connection breaks.
    AnswerLost,
    /// The request is applied, and the answer says that it conflicts.
    ConflictAfterCommit,
}

/// A request's delay on its way, and its fate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestPlan {
    pub(crate) delay: Duration,
    pub(crate) fate: RequestFate,
}

/// A write that arrived at the API server.
#[derive(Debug, Clone)]
pub(crate) struct ArrivedWrite {
    at: Instant,
    pub(crate) summary: String,
    /// Whether the process held the lease at that moment.
    pub(crate) is_leader: bool,
}

#[derive(Debug)]
struct NetworkState {
    rng: StdRng,
    rates: FaultRates,
    is_cut: bool,
    /// The process is paused until this instant.
    held_until: Option<Instant>,
    /// By the plural of a kind: until when its watch is behind, and by how much.
    lags: BTreeMap<&'static str, (Instant, Duration)>,
    /// By the plural of a kind: watches that began before this instant never deliver again, and
    /// never end.
    silenced: BTreeMap<&'static str, Instant>,
    /// Watches that began before this instant end.
    watches_ended: Option<Instant>,
    /// Cuts the network after this many further writes.
    writes_until_cut: Option<u32>,
    /// Every write that arrived.
    writes: Vec<ArrivedWrite>,
    /// By namespace: Secrets that were read one by one.
    secret_reads: BTreeMap<String, usize>,
}

/// Cheap to clone. Clones share the state.
#[derive(Debug, Clone)]
pub(crate) struct ModelNetwork {
    /// The process that it connects.
    name: Arc<str>,
    flaw: Option<Flaw>,
    state: Arc<Mutex<NetworkState>>,
    /// Wakes in the order of waiting, so that a seed repeats itself.
    changed: Arc<Notify>,
}

impl ModelNetwork {
    pub(crate) fn new(name: &str, seed: u64, rates: FaultRates, flaw: Option<Flaw>) -> Self {
        let state = NetworkState {
            rng: StdRng::seed_from_u64(seed),
            rates,
            is_cut: false,
            held_until: None,
            lags: BTreeMap::new(),
            silenced: BTreeMap::new(),
            watches_ended: None,
            writes_until_cut: None,
            writes: Vec::new(),
            secret_reads: BTreeMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        Self { name: name.into(), flaw, state, changed: Arc::default() }
    }

    /// Without faults.
    pub(crate) fn perfect() -> Self {
        Self::new("test", 0, FaultRates::default(), None)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// Draws whether something happens this time.
    pub(crate) fn happens(&self, thousandths: u32) -> bool {
        self.with(|state| state.happens(thousandths))
    }

    /// Draws a fraction from 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        self.with(|state| state.rng.random())
    }

    fn with<T>(&self, work: impl FnOnce(&mut NetworkState) -> T) -> T {
        work(&mut self.state.lock().unwrap())
    }

    fn set<T>(&self, work: impl FnOnce(&mut NetworkState) -> T) -> T {
        let result = self.with(work);
        self.changed.notify_waiters();
        result
    }

    /// Ends all faults except a cut and connections that are lost already.
    pub(crate) fn heal(&self) {
        self.set(|state| {
            state.rates = FaultRates::default();
            state.held_until = None;
            state.lags.clear();
            state.writes_until_cut = None;
        });
    }

    pub(crate) fn cut(&self) {
        self.set(|state| state.is_cut = true);
    }

    pub(crate) fn cut_after_writes(&self, writes: u32) {
        self.set(|state| state.writes_until_cut = Some(writes));
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.with(|state| state.is_cut)
    }

    /// Waits until the process is no longer paused.
    pub(crate) async fn awake(&self) {
        while let Some(until) = self.with(|state| state.held_until.filter(|until| Instant::now() < *until)) {
            tokio::select! { biased; () = tokio::time::sleep_until(until) => {}, () = self.changed() => {} }
        }
    }

    /// Pauses the process: no request begins before the time is over.
    pub(crate) fn pause(&self, time: Duration) {
        self.set(|state| state.held_until = Some(Instant::now() + time));
    }

    /// Silences the watch of a kind for good, as a connection that was lost without a sign.
    pub(crate) fn silence_watch(&self, plural: &'static str) {
        self.set(|state| state.silenced.insert(plural, Instant::now()));
    }

    /// Whether a watch that began at `begun` is silent.
    pub(crate) fn is_silent(&self, plural: &str, begun: Instant) -> bool {
        self.with(|state| state.silenced.get(plural).is_some_and(|at| begun <= *at))
    }

    /// Lets the watch of a kind lag for some time.
    pub(crate) fn delay_watch(&self, plural: &'static str, time: Duration, lag: Duration) {
        self.set(|state| state.lags.insert(plural, (Instant::now() + time, lag)));
    }

    pub(crate) fn watch_lag(&self, plural: &str) -> Option<(Instant, Duration)> {
        self.with(|state| state.lags.get(plural).copied().filter(|(until, _)| Instant::now() < *until))
    }

    /// Waits until a fault begins or ends.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Draws whether a watch that has just delivered ends now.
    pub(crate) fn ends_watch(&self) -> bool {
        self.with(|state| state.happens(state.rates.watch_ended))
    }

    /// Ends every watch. The client resumes it.
    pub(crate) fn end_watches(&self) {
        self.set(|state| state.watches_ended = Some(Instant::now()));
    }

    /// Whether a watch that began at `begun` has to end.
    pub(crate) fn has_ended(&self, begun: Instant) -> bool {
        self.with(|state| state.watches_ended.is_some_and(|at| begun <= at))
    }

    /// Draws what happens to a request.
    pub(crate) fn plan(&self, is_write: bool) -> RequestPlan {
        self.with(|state| state.plan(is_write))
    }

    /// Notes a write that arrived.
    pub(crate) fn record_write(&self, summary: String, is_leader: bool) {
        self.set(|state| {
            state.writes.push(ArrivedWrite { at: Instant::now(), summary, is_leader });
            if let Some(left) = &mut state.writes_until_cut {
                *left = left.saturating_sub(1);
                state.is_cut |= *left == 0;
            }
        });
    }

    pub(crate) fn record_secret_read(&self, namespace: &str) {
        self.with(|state| *state.secret_reads.entry(namespace.to_owned()).or_default() += 1);
    }

    /// How many Secrets of this namespace were read so far.
    pub(crate) fn secret_reads(&self, namespace: &str) -> usize {
        self.with(|state| state.secret_reads.get(namespace).copied().unwrap_or_default())
    }

    pub(crate) fn all_writes(&self) -> Vec<ArrivedWrite> {
        self.with(|state| state.writes.clone())
    }

    /// The writes since `begin`.
    pub(crate) fn writes_since(&self, begin: Instant) -> Vec<ArrivedWrite> {
        self.with(|state| state.writes.iter().filter(|write| write.at >= begin).cloned().collect())
    }
}

impl NetworkState {
    fn plan(&mut self, is_write: bool) -> RequestPlan {
        let mut delay = Duration::from_micros(self.rng.random_range(300..4_000));
        if self.happens(self.rates.slow) {
            delay += Duration::from_millis(self.rng.random_range(100..3_000));
        }
        let fate = if self.happens(self.rates.refused) {
            let fates = [RequestFate::TooManyRequests, RequestFate::Unavailable, RequestFate::Unsent];
            fates[self.rng.random_range(0..fates.len())]
        } else if is_write && self.happens(self.rates.answer_lost) {
            let fates = [RequestFate::AnswerLost, RequestFate::ConflictAfterCommit];
            fates[self.rng.random_range(0..fates.len())]
        } else {
            RequestFate::Answered
        };
        RequestPlan { delay, fate }
    }

    fn happens(&mut self, thousandths: u32) -> bool {
        self.rng.random_range(0..1000) < thousandths
    }
}
