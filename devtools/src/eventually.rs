//! Polls until a state is reached or the timeout is over. The error then holds the state that was
//! seen last.

use std::time::{Duration, Instant};

use anyhow::anyhow;

/// Between two checks: short compared with the waits, long compared with the cost of a check.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Bounds one check. A check that takes longer counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls `check` until it returns a value. Its errors describe the states in between; the last one
/// is in the final error.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        let answer_limit = CHECK_TIMEOUT.min(limit.saturating_sub(begun.elapsed()).max(CHECK_INTERVAL));
        let seen = match tokio::time::timeout(answer_limit, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => seen,
            Err(_) => anyhow!("no answer within {} ms", answer_limit.as_millis()),
        };
        if begun.elapsed() >= limit {
            return Err(seen.context(format!("{what}: not within {} s; last seen", limit.as_secs())));
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_value_is_returned_as_soon_as_it_is_there() {
        let asked = Cell::new(0);
        let value = eventually("three", Duration::from_secs(5), async || {
            asked.set(asked.get() + 1);
            if asked.get() == 3 { Ok("there") } else { Err(anyhow!("not yet")) }
        });
        assert_eq!(value.await.unwrap(), "there");
        assert_eq!(asked.get(), 3);
    }

    #[tokio::test]
    async fn the_last_state_seen_is_in_the_error() {
        let error = eventually::<()>("a pod runs", Duration::ZERO, async || Err(anyhow!("it is Pending")));
        let text = format!("{:#}", error.await.unwrap_err());
        assert!(text.contains("a pod runs") && text.contains("it is Pending"), "{text}");
    }
}
