//! Draws the limits and the kinds of faults of one run, so that many runs reach the states in
//! which limits meet.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::core::{CoreLimits, Rate};

/// From so many entries on, no run makes the deduplication table forget anything.
pub(super) const DEDUP_ENTRIES_OF_ALL: usize = 16_384;
/// From so many notices on, no run makes a mailbox drop any.
pub(super) const NOTICES_OF_ALL: usize = 10_000;

/// The kinds of faults that a run contains, besides lost connections and crashes.
#[derive(Debug)]
pub(super) struct FaultKinds {
    pub(super) failing_store: bool,
    /// A store that fails does so for seconds.
    pub(super) long_failures: bool,
    pub(super) full_disk: bool,
    pub(super) stalls: bool,
    pub(super) damage: bool,
    pub(super) removals: bool,
    pub(super) clock_steps: bool,
    pub(super) silent_clients: bool,
    pub(super) refusals: bool,
    pub(super) bad_clients: bool,
    pub(super) crashes: bool,
}

impl FaultKinds {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        Self {
            failing_store: rng.random_bool(0.6),
            long_failures: rng.random_bool(0.4),
            full_disk: rng.random_bool(0.3),
            stalls: rng.random_bool(0.3),
            damage: rng.random_bool(0.2),
            removals: rng.random_bool(0.4),
            clock_steps: rng.random_bool(0.3),
            silent_clients: rng.random_bool(0.5),
            refusals: rng.random_bool(0.5),
            bad_clients: rng.random_bool(0.4),
            crashes: rng.random_bool(0.7),
        }
    }
}

pub(super) fn draw_limits(rng: &mut StdRng) -> CoreLimits {
    let window_messages = pick(rng, [4, 8, 16, 64, 256]);
    let (tenant_messages, relay_messages) = pick(rng, [(40, 60), (30, 1_000), (400, 40), (10_000, 10_000)]);
    let (tenant_bytes, relay_bytes) = pick(rng, [(6_000, 9_000), (40_000, 6_000), (1_000_000, 1_000_000)]);
    CoreLimits {
        mailbox_messages: pick(rng, [15, 60, 400]),
        mailbox_bytes: pick(rng, [3_000, 20_000, 100_000]),
        mailbox_notices: pick(rng, [3, 20, NOTICES_OF_ALL, NOTICES_OF_ALL]),
        tenant_messages,
        tenant_bytes,
        relay_messages,
        relay_bytes,
        sender_rate: pick(rng, [rate(200.0, 40.0), rate(200.0, 40.0), rate(200.0, 40.0), rate(10.0, 5.0)]),
        tenant_rate: pick(rng, [rate(2_000.0, 400.0), rate(150.0, 60.0), rate(40.0, 20.0)]),
        held_bytes_max: pick(rng, [4_000, 20_000, 100_000]),
        dedup_entries_max: pick(rng, [12, 60, DEDUP_ENTRIES_OF_ALL, DEDUP_ENTRIES_OF_ALL]),
        window_messages,
        window_bytes: pick(rng, [600, 2_000, 1 << 20]),
        page_rows: pick(rng, [2, 8, 64]),
        unanswered_sends: pick(rng, [4, 20, 4_096]),
        writes_pending: pick(rng, [16, 100, 16_384]),
    }
}

const fn rate(per_second: f64, burst: f64) -> Rate {
    Rate { per_second, burst }
}

fn pick<T: Copy, const N: usize>(rng: &mut StdRng, of: [T; N]) -> T {
    *of.choose(rng).unwrap()
}
