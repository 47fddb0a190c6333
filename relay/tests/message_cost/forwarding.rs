//! Allocations and system calls of messages between connected agents, 16 pairs with 16 messages in
//! flight each.

use std::sync::Arc;

use protocol::envelope::Class;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

use crate::COUNTING;
use crate::counted_stream::StreamCalls;
use crate::harness::{TestRelay, config, start_in};
use crate::pair::{IN_FLIGHT, Pair};

const PAIRS: usize = 16;
/// Rounds until all buffers and tables have their size.
const WARM_UP_ROUNDS: usize = 40;
/// The cheapest of several samples counts, because clocks and a slow machine only add to one.
const SAMPLES: usize = 10;
const SAMPLE_ROUNDS: usize = 10;
const SAMPLE_MESSAGES: u64 = (PAIRS * IN_FLIGHT * SAMPLE_ROUNDS) as u64;

/// What the relay spent on a hundred messages.
#[derive(Debug, Clone, Copy)]
struct Spent {
    allocations: u64,
    stream_calls: u64,
}

impl Spent {
    fn least(self, other: Self) -> Self {
        Self {
            allocations: self.allocations.min(other.allocations),
            stream_calls: self.stream_calls.min(other.stream_calls),
        }
    }
}

async fn start_counted(calls: &StreamCalls) -> TestRelay {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut config = config(folder.path());
    let limits = &mut config.limits;
    (limits.sends_per_second, limits.sends_burst) = (1_000_000, 1_000_000);
    (limits.tenant_sends_per_second, limits.tenant_sends_burst) = (1_000_000, 1_000_000);
    start_in(folder, config, |relay| relay.with_stream_wrapper(calls.wrapper())).await
}

async fn exchange(pairs: &mut [Pair]) {
    for pair in &mut *pairs {
        pair.send().await;
    }
    for pair in &mut *pairs {
        pair.receive().await;
    }
    for pair in pairs {
        pair.take_answers().await;
    }
}

async fn spend(class: Class, envelope_bytes: usize) -> Spent {
    let calls = StreamCalls::default();
    let relay = start_counted(&calls).await;
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        pairs.push(Pair::join(&relay, number, class, envelope_bytes).await);
    }
    for _ in 0..WARM_UP_ROUNDS {
        exchange(&mut pairs).await;
    }
    let mut least: Option<Spent> = None;
    for _ in 0..SAMPLES {
        let sample = sample(&mut pairs, &calls).await;
        least = Some(least.map_or(sample, |least| least.least(sample)));
    }
    drop(pairs);
    relay.stop().await;
    let least = least.unwrap();
    println!("a hundred messages, {class:?}: {least:?}");
    least
}

async fn sample(pairs: &mut [Pair], calls: &StreamCalls) -> Spent {
    let (before, region) = (calls.count(), Region::new(&INSTRUMENTED_SYSTEM));
    for _ in 0..SAMPLE_ROUNDS {
        exchange(pairs).await;
    }
    let change = region.change();
    let allocations = (change.allocations + change.reallocations) as u64;
    // Rounded up, so that nothing is called none.
    Spent {
        allocations: (allocations * 100).div_ceil(SAMPLE_MESSAGES),
        stream_calls: ((calls.count() - before) * 100).div_ceil(SAMPLE_MESSAGES),
    }
}

#[tokio::test]
async fn an_ephemeral_message_needs_no_allocation_and_a_quarter_of_a_system_call() {
    let _alone = COUNTING.lock().await;
    let spent = spend(Class::Ephemeral, 1024).await;
    assert_eq!(spent.allocations, 0, "{spent:?}");
    assert!(spent.stream_calls <= 30, "{spent:?}");
}

#[tokio::test]
async fn a_reliable_message_needs_two_allocations_and_a_quarter_of_a_system_call() {
    let _alone = COUNTING.lock().await;
    let spent = spend(Class::Reliable, 1024).await;
    assert!(spent.allocations <= 210, "{spent:?}");
    assert!(spent.stream_calls <= 30, "{spent:?}");
}
