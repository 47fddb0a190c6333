//! Holds what the relay spends on a message and on an idle connection: allocations, reads and
//! writes of sockets, bytes of memory. They are counts and no times, so that any machine finds the
//! same.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]
#![expect(clippy::indexing_slicing, reason = "the frames of a test have the parts that it wrote")]

#[path = "../api/agent.rs"]
#[expect(dead_code, reason = "the tests of the API use all of it")]
mod agent;
mod counted_stream;
mod forwarding;
mod frame_counter;
#[path = "../api/harness.rs"]
#[expect(dead_code, reason = "the tests of the API use all of it")]
mod harness;
mod idle_connections;
mod message_frame;
mod pair;
mod raw_agent;
mod restored_rows;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::Mutex;

/// Counts the allocations of the whole process: of the relay, and of clients that make none while
/// they are counted.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Held by each test, because all of them count the same process.
static COUNTING: Mutex<()> = Mutex::const_new(());
