//! Says when a pair sends: whenever its window allows, or one message in each interval.

use std::future::pending;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub enum SendSchedule {
    /// A closed loop.
    Unpaced,
    /// An open loop: a late answer does not delay the next message.
    Paced { interval: Duration, next: Instant, due: u64 },
}

impl SendSchedule {
    #[must_use]
    pub const fn paced(interval: Duration, now: Instant) -> Self {
        Self::Paced { interval, next: now, due: 0 }
    }

    /// How many of at most `room` messages are to be sent now. Those that find no room stay due.
    pub fn take(&mut self, room: u64, now: Instant) -> u64 {
        let Self::Paced { interval, next, due } = self else { return room };
        while *next <= now {
            *next += *interval;
            *due += 1;
        }
        let taken = room.min(*due);
        *due -= taken;
        taken
    }

    /// Waits until the next message is due.
    pub async fn wait(&self) {
        match self {
            Self::Unpaced => pending().await,
            Self::Paced { next, .. } => tokio::time::sleep_until((*next).into()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paced_pair_sends_what_is_due_and_catches_up_when_there_is_room() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut schedule = SendSchedule::paced(Duration::from_millis(10), start);
        assert_eq!(schedule.take(5, start), 1);
        assert_eq!(schedule.take(5, after(9)), 0);
        assert_eq!(schedule.take(1, after(30)), 1, "three are due, and one has room");
        assert_eq!(schedule.take(5, after(30)), 2);
    }

    #[test]
    fn an_unpaced_pair_sends_what_has_room() {
        assert_eq!(SendSchedule::Unpaced.take(7, Instant::now()), 7);
    }
}
