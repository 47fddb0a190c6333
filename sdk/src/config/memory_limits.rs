//! The limits of the tables that one agent keeps in memory.

use crate::contacts::RECORDS_MAX;
use crate::rpc::IN_FLIGHT_KIB_MAX;
use crate::state_machine::{DEDUP_ENTRIES_MAX, HELD_MAX};

/// KiB of the largest frame, with its share of a last KiB. A smaller limit would keep a caller with
/// a large message waiting for ever.
const LARGEST_REQUEST_KIB: usize = 1025;

/// How much one agent keeps in memory. A process with many agents may lower these limits, and an
/// agent that hears from many others may raise them.
///
/// ```
/// use msg2agent::config::MemoryLimits;
///
/// let small = MemoryLimits { records: 64, request_kib: 2048, ..MemoryLimits::default() };
/// assert_eq!(small.dedup_entries, 65_536);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Processed messages that are remembered, to show none of them twice: reliable and ephemeral
    /// ones each. Each takes about 250 bytes. Beyond it the oldest is forgotten, which only a
    /// malicious relay can use. The default is 65,536, and fewer than 1,024 count as 1,024: those
    /// that an application may hold.
    pub dedup_entries: usize,
    /// Records of other agents, of a few KiB and at most 64 KiB each. Beyond it the one that was
    /// looked up longest ago is looked up again when it is needed. The default is 1,024, and 0
    /// counts as 1.
    pub records: usize,
    /// KiB of requests in flight. Callers beyond it wait. The default is 32,768, and less than
    /// 1,025 counts as 1,025: the largest frame.
    pub request_kib: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { dedup_entries: DEDUP_ENTRIES_MAX, records: RECORDS_MAX, request_kib: IN_FLIGHT_KIB_MAX }
    }
}

impl MemoryLimits {
    /// These limits, none of them below what one agent needs.
    #[must_use]
    pub(crate) fn at_least_needed(self) -> Self {
        Self {
            dedup_entries: self.dedup_entries.max(HELD_MAX),
            records: self.records.max(1),
            request_kib: self.request_kib.clamp(LARGEST_REQUEST_KIB, tokio::sync::Semaphore::MAX_PERMITS),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::limits::FRAME_BYTES_MAX;

    use super::*;

    #[test]
    fn no_limit_is_below_what_one_agent_needs() {
        let none = MemoryLimits { dedup_entries: 0, records: 0, request_kib: 0 }.at_least_needed();
        assert_eq!(none, MemoryLimits { dedup_entries: 1024, records: 1, request_kib: 1025 });
        assert!(none.request_kib > FRAME_BYTES_MAX / 1024, "the largest frame takes this many");
        assert_eq!(MemoryLimits::default().at_least_needed(), MemoryLimits::default());
    }

    #[test]
    fn the_default_limits_are_those_that_the_pages_promise() {
        let promised = MemoryLimits { dedup_entries: 65_536, records: 1_024, request_kib: 32_768 };
        assert_eq!(MemoryLimits::default(), promised);
    }
}
