//! The hub's clocks.

use std::sync::{Arc, Weak};
use std::time::Duration;

use protocol::close::CloseCode;
use tokio::time::{MissedTickBehavior, interval};

use super::Hub;
use super::watch::{TICK, Verdict};
use crate::core::Event;

/// Granularity of the acknowledgement grace (50 ms) and of expiry.
const CORE_TICK: Duration = Duration::from_millis(10);

/// Steps the core's clock until the hub stops.
pub(super) async fn tick_core(hub: Weak<Hub>) {
    let mut ticks = interval(CORE_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(hub) = hub.upgrade().filter(|hub| !hub.stop.is_cancelled()) {
        hub.locked(|state| state.step(Event::Tick, hub.now(), &*hub.directory));
        drop(hub);
        ticks.tick().await;
    }
}

/// Pings, and ends connections that are over one of their time limits.
pub(super) async fn watch_connections(hub: Weak<Hub>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(hub) = hub.upgrade().filter(|hub| !hub.stop.is_cancelled()) {
        watch_once(&hub);
        drop(hub);
        ticks.tick().await;
    }
}

fn watch_once(hub: &Arc<Hub>) {
    let now_ms = hub.now_ms();
    let verdicts = hub.watch().tick(now_ms);
    for (connection, verdict) in verdicts {
        match verdict {
            Verdict::Ping => {
                connection.push_ping();
                hub.flush(&[connection]);
            }
            Verdict::Silent => {
                hub.metrics.closed(CloseCode::GoingAway);
                connection.kill();
            }
            // Its socket takes no close frame either.
            Verdict::Stalled => {
                hub.metrics.closed(CloseCode::TryAgain);
                connection.kill();
            }
            Verdict::Unregistered => hub.close(&connection, CloseCode::RegistrationDeadline),
        }
    }
    let census = hub.state().core.census();
    hub.metrics.observe(census);
}
