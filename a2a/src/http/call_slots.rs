//! Counts the calls and streams that are open, in all and by caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::caller::Caller;
use crate::error::{A2aError, ErrorKind};

/// Calls in progress at once. A blocking send waits for its agent, so that they are more than there
/// is work.
pub const CALLS_MAX: usize = 1024;
/// Calls in progress of one caller: a program that works with as many agents at once.
pub const CALLS_PER_CALLER_MAX: usize = 64;
/// Streams open at once. Each holds a connection.
pub const STREAMS_MAX: usize = 2048;
/// Streams open of one caller.
pub const STREAMS_PER_CALLER_MAX: usize = 64;
/// When a caller at a limit may try again.
const LIMIT_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Whether a slot is for a call or for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SlotKind {
    Call,
    Stream,
}

impl SlotKind {
    const fn limits(self) -> (usize, usize) {
        match self {
            Self::Call => (CALLS_MAX, CALLS_PER_CALLER_MAX),
            Self::Stream => (STREAMS_MAX, STREAMS_PER_CALLER_MAX),
        }
    }
}

type CallerKey = (SlotKind, String, String);

#[derive(Default)]
struct Counts {
    by_caller: HashMap<CallerKey, usize>,
    by_kind: HashMap<SlotKind, usize>,
}

/// The slots of a gateway. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct CallSlots(Arc<Mutex<Counts>>);

/// One open call or stream, until it is dropped.
pub(crate) struct CallSlot {
    slots: CallSlots,
    key: CallerKey,
}

impl CallSlots {
    /// A slot of this kind for the caller.
    ///
    /// # Errors
    /// The caller, or the gateway, is at its limit.
    pub(crate) fn take(&self, kind: SlotKind, caller: &Caller) -> Result<CallSlot, A2aError> {
        let key = (kind, caller.tenant.clone(), caller.subject.clone());
        let (all_max, caller_max) = kind.limits();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = counts.by_kind.get(&kind).copied().unwrap_or_default();
        let of_caller = counts.by_caller.get(&key).copied().unwrap_or_default();
        if of_caller >= caller_max {
            return Err(at_limit("you have too many calls or streams open", caller_max));
        }
        if all >= all_max {
            return Err(at_limit("this gateway has too many calls or streams open", all_max));
        }
        counts.by_kind.insert(kind, all + 1);
        counts.by_caller.insert(key.clone(), of_caller + 1);
        Ok(CallSlot { slots: self.clone(), key })
    }
}

fn at_limit(message: &str, limit: usize) -> A2aError {
    A2aError::new(ErrorKind::ResourceExhausted, message)
        .with_metadata("limit", limit.to_string())
        .retry_after(LIMIT_RETRY_INTERVAL)
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        let mut counts = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.by_caller.get(&self.key).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            counts.by_caller.remove(&self.key);
        } else {
            counts.by_caller.insert(self.key.clone(), left);
        }
        if let Some(all) = counts.by_kind.get_mut(&self.key.0) {
            *all = all.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::VerifiedBy;

    fn caller(subject: &str) -> Caller {
        Caller {
            subject: subject.into(),
            verified_by: VerifiedBy::ApiKey,
            tenant: "acme".into(),
            agent: None,
        }
    }

    #[test]
    fn a_caller_at_its_limit_is_refused_and_its_neighbour_is_not() {
        let slots = CallSlots::default();
        let take = |subject: &str| slots.take(SlotKind::Stream, &caller(subject));
        let mut held: Vec<_> = (0..STREAMS_PER_CALLER_MAX).map(|_| take("a").unwrap()).collect();
        assert_eq!(take("a").err().map(|error| error.kind()), Some(ErrorKind::ResourceExhausted));
        assert!(take("b").is_ok());
        assert!(slots.take(SlotKind::Call, &caller("a")).is_ok());
        held.pop();
        assert!(take("a").is_ok());
    }

    #[test]
    fn all_callers_together_have_a_limit_and_nothing_is_kept_of_who_left() {
        let slots = CallSlots::default();
        let take = |i: usize| slots.take(SlotKind::Call, &caller(&i.to_string()));
        let held: Vec<_> = (0..CALLS_MAX).map(|i| take(i).unwrap()).collect();
        let error = take(CALLS_MAX).err().unwrap();
        assert!(error.message().contains("gateway"), "{error}");
        drop(held);
        assert!(slots.0.lock().unwrap().by_caller.is_empty());
        assert!(take(0).is_ok());
    }
}
