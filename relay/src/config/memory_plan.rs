//! Fits what the relay keeps in memory for messages to the memory that it has, so that a quota
//! refuses messages before the kernel ends the relay.
//!
//! Half of the memory is for messages that wait in mailboxes and for ids that are remembered, and a
//! quarter for bodies on their way. The rest is for the program, connections and agents.

use super::mailbox_budgets::fit;
use crate::core::CoreLimits;

/// The part of the memory (one in this number) for rows and ids.
const INDEX_PART: u64 = 2;
/// The part of the memory for undelivered bodies. As many bytes may wait for slow sockets.
const BODIES_PART: u64 = 8;
/// As much as the smallest setting of `memory_bytes`: a few of the largest messages.
const BODY_BYTES_MIN: u64 = 16 << 20;

/// How the bytes of memory are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Messages and notices in all mailboxes.
    messages: u64,
    /// Ids that are remembered.
    ids: usize,
    /// Bytes of undelivered bodies.
    body_bytes: usize,
}

impl MemoryPlan {
    /// Bytes of memory of one message in a mailbox, its place in the order of expiry included.
    /// Measured: 162.
    pub const ROW_BYTES: u64 = 168;
    /// Bytes of memory of one id that is remembered. Measured: 78 to 160, because the table has a
    /// power of two of places.
    pub const ID_BYTES: u64 = 168;

    /// The plan for this much memory. Without a limit it allows everything.
    #[must_use]
    pub fn new(bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes else {
            return Self { messages: u64::MAX, ids: usize::MAX, body_bytes: usize::MAX };
        };
        let messages = bytes / INDEX_PART / (Self::ROW_BYTES + Self::ID_BYTES);
        let body_bytes = (bytes / BODIES_PART).max(BODY_BYTES_MIN);
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self { messages, ids: size(messages), body_bytes: size(body_bytes) }
    }

    /// These limits, as far as the memory allows them. A tenant keeps its proportion.
    #[must_use]
    pub fn limits(self, mut limits: CoreLimits) -> CoreLimits {
        (limits.relay_messages, limits.tenant_messages) =
            fit(limits.relay_messages, limits.tenant_messages, self.messages);
        limits.dedup_entries_max = limits.dedup_entries_max.min(self.ids);
        limits.held_bytes_max = limits.held_bytes_max.min(self.body_bytes);
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    /// What the relay holds in memory for messages at most.
    fn bytes_max(limits: &CoreLimits) -> u64 {
        let bodies = 2 * limits.held_bytes_max as u64;
        let rows = limits.relay_messages * MemoryPlan::ROW_BYTES;
        rows + limits.dedup_entries_max as u64 * MemoryPlan::ID_BYTES + bodies
    }

    #[test]
    fn all_messages_that_the_default_limits_allow_fit_the_default_pod() {
        let pod = 512 << 20;
        let limits = MemoryPlan::new(Some(pod)).limits(Limits::default().core());
        assert!(bytes_max(&limits) <= pod / 4 * 3, "{limits:?}");
        assert!(limits.relay_messages > 700_000 && limits.tenant_messages == limits.relay_messages / 2);
        assert_eq!(limits.held_bytes_max, 64 << 20);
    }

    #[test]
    fn smaller_limits_and_memory_without_a_limit_change_nothing() {
        let core = Limits::default().core();
        assert_eq!(MemoryPlan::new(None).limits(core.clone()), core);
        assert_eq!(MemoryPlan::new(Some(64 << 30)).limits(core.clone()), core);
        let small = CoreLimits { relay_messages: 100, tenant_messages: 50, ..core };
        assert_eq!(MemoryPlan::new(Some(512 << 20)).limits(small).tenant_messages, 50);
    }

    #[test]
    fn the_largest_messages_fit_a_small_memory() {
        let limits = MemoryPlan::new(Some(64 << 20)).limits(Limits::default().core());
        assert_eq!(limits.held_bytes_max, 16 << 20);
        assert!(bytes_max(&limits) <= 64 << 20, "{limits:?}");
    }
}
