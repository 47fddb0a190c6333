//! The pair of agents that has nothing to do with the attacker: it sends at a steady rate below its
//! limits, and each message is acknowledged and answered.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::super::pair::{MessageCounts, Pair};
use super::super::plan::LoadSubject;
use super::super::round::{self, Round, RoundTimes};
use super::super::send_schedule::SendSchedule;
use super::super::server::Connected;
use super::super::window::Window;

/// Between two messages: 500 a second, half of what an agent may send.
const SEND_INTERVAL: Duration = Duration::from_millis(2);
/// Messages in flight at most: half a second of them, so that a late answer delays no message.
const WINDOW_MAX: u16 = 250;

/// One round of the pair on its new connections. The latency is from a send to its answer.
///
/// # Errors
/// A message that is refused, lost, repeated or out of order.
pub async fn measure(connected: Connected, relay: u32, times: RoundTimes) -> anyhow::Result<Round> {
    let counts = MessageCounts::shared()?;
    round::drive(vec![pair(connected, &counts)], &counts, relay, times).await
}

/// The pair, which begins to send now.
pub fn pair((streams, codec): Connected, counts: &Rc<RefCell<MessageCounts>>) -> Pair {
    let window = Window::new(WINDOW_MAX, LoadSubject::RelayReliable);
    let schedule = SendSchedule::paced(SEND_INTERVAL, Instant::now());
    Pair::new(streams, codec, window, Rc::clone(counts)).scheduled(schedule)
}
