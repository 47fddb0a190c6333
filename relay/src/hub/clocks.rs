//! The hub's two clocks: one ticks the core, one checks the timeouts of connections.

use std::sync::{Arc, Weak};
use std::time::Duration;

use protocol::close::CloseCode;
use tokio::time::{MissedTickBehavior, interval};

use super::Hub;
use super::core_alarms::CoreAlarms;
use super::timeouts::{TICK_INTERVAL, TimeoutAction};
use crate::core::Event;
use crate::message_store::StoreCondition;

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
    let (mut stalled, mut alarms) = (false, CoreAlarms::default());
    while let Some(hub) = hub.upgrade().filter(|hub| !hub.stop.is_cancelled()) {
        check_once(&hub);
        check_core(&hub, &mut alarms);
        stalled = check_store(&hub, stalled);
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
            TimeoutAction::EndIdle => hub.close_connection(&connection, CloseCode::GoingAway),
            TimeoutAction::EndStalled | TimeoutAction::EndLargest => hub.close_stalled(&connection),
            TimeoutAction::EndUnregistered => {
                hub.close_connection(&connection, CloseCode::RegistrationTimeout);
            }
        }
    }
}

fn check_core(hub: &Hub, alarms: &mut CoreAlarms) {
    let (stats, rule) = {
        let state = hub.state();
        (state.core.stats(), state.core.last_broken())
    };
    hub.metrics.observe(stats);
    for alarm in alarms.raise(stats) {
        alarm.log(rule);
    }
}

/// Tells the core when a write does not end, and when it has ended. Returns whether one does not.
fn check_store(hub: &Hub, was_stalled: bool) -> bool {
    let condition = hub.queue.condition();
    hub.metrics.observe_store(condition, hub.log.bytes(), hub.reserve.last_free_bytes());
    let stalled = condition == StoreCondition::Stalled;
    let event = match (was_stalled, stalled) {
        (_, true) => Event::StoreStalled,
        // The write may have held removals only, which are not reported. No row has the number 0.
        (true, false) => Event::Stored { upto: 0 },
        (false, false) => return false,
    };
    hub.with_state(|state| state.step(event, hub.now(), &*hub.directory));
    stalled
}
