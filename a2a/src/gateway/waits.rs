//! Limits how many requests wait, in all and of each caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CALLER_WAITS_MAX;
use crate::error::{A2aError, ErrorKind};

#[derive(Clone)]
pub(super) struct Waits {
    all: Arc<Semaphore>,
    by_caller: Arc<Mutex<HashMap<String, usize>>>,
}

/// A request that waits. Dropping it makes room for another.
pub(super) struct Wait {
    waits: Waits,
    caller: String,
    _permit: OwnedSemaphorePermit,
}

impl Waits {
    pub(super) fn new(all: Arc<Semaphore>) -> Self {
        Self { all, by_caller: Arc::default() }
    }

    pub(super) fn begin(&self, caller: &str) -> Result<Wait, A2aError> {
        let full = |text: &str| A2aError::new(ErrorKind::ResourceExhausted, text);
        let permit = Arc::clone(&self.all).try_acquire_owned();
        let permit = permit.map_err(|_| full("too many requests wait at this gateway"))?;
        let mut by_caller = self.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_caller.entry(caller.to_owned()).or_default();
        if *count >= CALLER_WAITS_MAX {
            return Err(full("too many of your requests wait at this gateway"));
        }
        *count += 1;
        Ok(Wait { waits: self.clone(), caller: caller.to_owned(), _permit: permit })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut by_caller = self.waits.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_caller.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_at_its_share_is_refused_and_another_is_not() {
        let waits = Waits::new(Arc::new(Semaphore::new(CALLER_WAITS_MAX + 1)));
        let mut held: Vec<_> = (0..CALLER_WAITS_MAX).map(|_| waits.begin("bob").unwrap()).collect();
        assert_eq!(waits.begin("bob").err().unwrap().kind(), ErrorKind::ResourceExhausted);
        held.push(waits.begin("carol").unwrap());
        assert_eq!(waits.begin("dave").err().unwrap().kind(), ErrorKind::ResourceExhausted);
        drop(held);
        assert!(waits.begin("bob").is_ok());
    }
}
