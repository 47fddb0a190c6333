//! The store over a disk that loses power at any operation, tears pages, fills, fails and hangs.
//!
//! A run is some lives of a relay on one disk. Each life opens the store, compares every row and
//! body with what the lives before were told, then writes, removes, reads and copies the log while
//! one fault strikes. At its end the power is cut, and of what was not synced any part is there.
//!
//! A failing run prints its seed. `MSG2AGENT_DISK_SEED=<seed>` repeats it alone, and
//! `MSG2AGENT_DISK_SEEDS=<count>` runs more. Each planted [`Flaw`] has to be found.

mod expected;
mod life;
mod run;

use std::sync::atomic::{AtomicU64, Ordering};

use run::{Flaw, violations};

const SEEDS: u64 = 300;
/// Seeds within which every flaw has to be found.
const FLAW_SEEDS: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The first seed: another one each day.
fn base() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() / 86_400 * 1_000_000
}

fn assert_holds(seed: u64) {
    let found = violations(seed, None);
    assert!(found.is_empty(), "MSG2AGENT_DISK_SEED={seed}: {}", found.join("\n"));
}

#[test]
fn what_was_answered_holds_on_a_disk_that_fails_in_every_way() {
    if let Some(seed) = number("MSG2AGENT_DISK_SEED") {
        return assert_holds(seed);
    }
    let (base, count) = (base(), number("MSG2AGENT_DISK_SEEDS").unwrap_or(SEEDS));
    println!("MSG2AGENT_DISK_SEED={base} to {}", base + count - 1);
    let next = AtomicU64::new(base);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            while let seed = next.fetch_add(1, Ordering::Relaxed)
                && seed < base + count
            {
                assert_holds(seed);
            }
        };
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
}

#[test]
fn every_planted_flaw_is_found() {
    for flaw in Flaw::ALL {
        let found = (0..FLAW_SEEDS).find(|seed| !violations(*seed, Some(flaw)).is_empty());
        println!("{flaw:?}: {found:?}");
        assert!(found.is_some(), "no seed finds {flaw:?}");
    }
}
