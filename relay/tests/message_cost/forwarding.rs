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
const ROUNDS: usize = 100;

/// What the relay spent on the messages of all rounds.
struct Spent {
    messages: u64,
    allocations: u64,
    stream_calls: u64,
}

impl Spent {
    /// Per hundred messages, because the clocks of the relay go on meanwhile.
    fn allocations_per_hundred(&self) -> u64 {
        self.allocations * 100 / self.messages
    }

    fn stream_calls_per_hundred(&self) -> u64 {
        self.stream_calls * 100 / self.messages
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
    let (before, allocations) = (calls.count(), Region::new(&INSTRUMENTED_SYSTEM));
    for _ in 0..ROUNDS {
        exchange(&mut pairs).await;
    }
    let change = allocations.change();
    let spent = Spent {
        messages: (PAIRS * IN_FLIGHT * ROUNDS) as u64,
        allocations: (change.allocations + change.reallocations) as u64,
        stream_calls: calls.count() - before,
    };
    drop(pairs);
    relay.stop().await;
    println!("{class:?}: {} allocations, {} stream calls", spent.allocations, spent.stream_calls);
    spent
}

#[tokio::test]
async fn an_ephemeral_message_needs_no_allocation_and_a_quarter_of_a_system_call() {
    let _alone = COUNTING.lock().await;
    let spent = spend(Class::Ephemeral, 1024).await;
    assert_eq!(spent.allocations_per_hundred(), 0, "{} allocations", spent.allocations);
    assert!(spent.stream_calls_per_hundred() <= 30, "{} stream calls", spent.stream_calls);
}

#[tokio::test]
async fn a_reliable_message_needs_two_allocations_and_a_third_of_a_system_call() {
    let _alone = COUNTING.lock().await;
    let spent = spend(Class::Reliable, 1024).await;
    assert!(spent.allocations_per_hundred() <= 200, "{} allocations", spent.allocations);
    assert!(spent.stream_calls_per_hundred() <= 33, "{} stream calls", spent.stream_calls);
}
