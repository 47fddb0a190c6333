//! Bytes of memory of a message that waits and of an id that is remembered, after a restart: what
//! the plan of the memory counts for each.

use daemon::token_bucket::Rate;
use msg2agent_relay::config::{Limits, MemoryPlan};
use msg2agent_relay::core::{AgentRegistry, Core, CoreLimits, Now, RestoredRow, RowKind, RowState};
use protocol::Did;
use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use stats_alloc::INSTRUMENTED_SYSTEM;

use crate::COUNTING;
use crate::agent::did;

/// A table of ids has a power of two of places. So many ids fill it best, and one more needs twice
/// the memory.
const IDS: u64 = 1 << 16;
const NOW: Now = Now { mono_ms: 0, unix: 1_800_000_000 };
const MESSAGE_TTL_SECONDS: u64 = 86_400;
const RECIPIENTS: u64 = 16;

struct EveryAgent;

impl AgentRegistry for EveryAgent {
    fn tenant_of(&self, _: &str) -> Option<TenantId> {
        Some(TenantId::default())
    }
}

fn allocated() -> u64 {
    let stats = INSTRUMENTED_SYSTEM.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

/// Agents whose messages are restored.
struct Agents {
    sender: Did,
    recipients: Vec<Did>,
}

impl Agents {
    fn new() -> Self {
        Self {
            sender: did("sender"),
            recipients: (0..RECIPIENTS).map(|number| did(&format!("recipient-{number}"))).collect(),
        }
    }

    /// Expiries are in another order than rows, as with messages of different lifetimes.
    fn row(&self, number: u64, state: RowState) -> RestoredRow {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&mixed.to_be_bytes());
        RestoredRow {
            row: number,
            recipient: self.recipients[(mixed % RECIPIENTS) as usize].clone(),
            peer: self.sender.clone(),
            id: MessageId::new(NOW.unix, random),
            digest: mixed,
            kind: RowKind::Message,
            size: 1024,
            accepted: NOW.unix,
            expires: NOW.unix + mixed % MESSAGE_TTL_SECONDS,
            state,
        }
    }
}

/// Bytes that a core allocates for itself and so many rows.
fn bytes(ids_max: u64, rows: u64, state: RowState) -> u64 {
    let agents = Agents::new();
    let rate = Rate { per_second: 1.0, burst: 1.0 };
    let limits = CoreLimits {
        dedup_entries_max: usize::try_from(ids_max).unwrap(),
        sender_rate: rate,
        tenant_rate: rate,
        ..Limits::default().core()
    };
    let before = allocated();
    let mut core = Core::new(limits, rows + 1, 1, NOW);
    for number in 1..=rows {
        core.restore(&agents.row(number, state), &EveryAgent);
    }
    let after = allocated();
    assert_eq!(core.stats().remembered as u64, rows.min(ids_max));
    assert_eq!(core.stats().rows as u64, if state == RowState::Waiting { rows } else { 0 });
    after - before
}

#[tokio::test]
async fn the_plan_of_the_memory_counts_what_ids_and_rows_take() {
    let _alone = COUNTING.lock().await;
    let settled = RowState::Left(Outcome::Delivered);
    let best = bytes(IDS, IDS, settled) / IDS;
    let worst = bytes(IDS + 1, IDS + 1, settled) / (IDS + 1);
    let row = (bytes(IDS, IDS, RowState::Waiting) - bytes(IDS, IDS, settled)) / IDS;
    println!("{best} to {worst} bytes for each id, {row} for each row");
    let (row_max, id_max) = (MemoryPlan::ROW_BYTES, MemoryPlan::ID_BYTES);
    assert!(worst <= id_max && worst * 5 / 4 > id_max, "{worst} bytes for an id");
    assert!(row <= row_max && row * 5 / 4 > row_max, "{row} bytes for a row");
}
