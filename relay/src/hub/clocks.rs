//! The hub's two clocks: one ticks the core, one checks the timeouts of connections.

use std::sync::{Arc, Weak};
use std::time::Duration;

use protocol::close::CloseCode;
use tokio::time::{MissedTickBehavior, interval};

use super::Hub;
use super::timeouts::{TICK_INTERVAL, TimeoutAction};
use crate::core::Event;

/// Resolution of the acknowledgement grace (50 ms) and of expiry.
const CORE_TICK_INTERVAL: Duration = Duration::from_millis(10);

/// Ticks the core until the hub stops.
pub(super) async fn tick_core(hub: Weak<Hub>) {
    let mut ticks = interval(CORE_TICK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(hub) = hub.upgrade().filter(|hub| !hub.stop.is_cancelled()) {
        hub.with_state(|state| state.step(Event::Tick, hub.now(), &*hub.directory));
        drop(hub);
        ticks.tick().await;
    }
}

/// Sends pings and ends connections that exceeded a timeout, until the hub stops.
pub(super) async fn check_timeouts(hub: Weak<Hub>) {
    let mut ticks = interval(TICK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(hub) = hub.upgrade().filter(|hub| !hub.stop.is_cancelled()) {
        check_once(&hub);
        drop(hub);
        ticks.tick().await;
    }
}

fn check_once(hub: &Arc<Hub>) {
    let now_ms = hub.now_ms();
    let due = hub.timeouts().tick(now_ms);
    for (connection, action) in due {
        match action {
            TimeoutAction::Ping => {
                connection.push_ping();
                hub.flush(&[connection]);
            }
            TimeoutAction::EndIdle => {
                hub.metrics.closed(CloseCode::GoingAway);
                connection.abort();
            }
            // The socket would not accept a close frame either.
            TimeoutAction::EndStalled => {
                hub.metrics.closed(CloseCode::TryAgain);
                connection.abort();
            }
            TimeoutAction::EndUnregistered => {
                hub.close_connection(&connection, CloseCode::RegistrationTimeout);
            }
        }
    }
    let stats = hub.state().core.stats();
    hub.metrics.observe(stats);
    hub.metrics.observe_store(hub.queue.condition(), hub.log.bytes(), hub.reserve.last_free_bytes());
}
