//! Says when a pair sends: whenever its window allows, or one message in each interval.

use std::future::pending;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub enum SendSchedule {
    /// A closed loop.
    Unpaced,
    /// One message in each interval. A message counts from the moment when it is written.
    Paced { interval: Duration, next: Instant, due: u64 },
    /// An open loop: a message counts from the moment for which it was scheduled, also when the
    /// window had no room for it then.
    OpenLoop { interval: Duration, next: Instant },
}

impl SendSchedule {
    #[must_use]
    pub const fn paced(interval: Duration, now: Instant) -> Self {
        Self::Paced { interval, next: now, due: 0 }
    }

    /// Calls `send` with the moment that counts, for each of at most `room` messages that are to be
    /// sent now. Those that find no room stay due.
    pub fn take(&mut self, room: u64, now: Instant, mut send: impl FnMut(Instant)) {
        match self {
            Self::Unpaced => (0..room).for_each(|_| send(now)),
            Self::Paced { interval, next, due } => {
                while *next <= now {
                    *next += *interval;
                    *due += 1;
                }
                let taken = room.min(*due);
                *due -= taken;
                (0..taken).for_each(|_| send(now));
            }
            Self::OpenLoop { interval, next } => {
                for _ in 0..room {
                    if *next > now {
                        break;
                    }
                    send(*next);
                    *next += *interval;
                }
            }
        }
    }

    /// Waits until the next message is due.
    pub async fn wait(&self) {
        match self {
            Self::Unpaced => pending().await,
            Self::Paced { next, .. } => tokio::time::sleep_until((*next).into()).await,
            Self::OpenLoop { next, .. } => spin_until(*next).await,
        }
    }
}

/// The timer of tokio counts milliseconds, and a thread that sleeps is woken late. Other tasks and
/// sockets have their turns meanwhile.
async fn spin_until(moment: Instant) {
    loop {
        tokio::task::yield_now().await;
        if Instant::now() >= moment {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(10);

    fn taken(schedule: &mut SendSchedule, room: u64, now: Instant) -> Vec<Instant> {
        let mut moments = vec![];
        schedule.take(room, now, |moment| moments.push(moment));
        moments
    }

    #[test]
    fn a_paced_pair_sends_what_is_due_and_catches_up_when_there_is_room() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut schedule = SendSchedule::paced(INTERVAL, start);
        assert_eq!(taken(&mut schedule, 5, start), [start]);
        assert!(taken(&mut schedule, 5, after(9)).is_empty());
        assert_eq!(taken(&mut schedule, 1, after(30)), [after(30)], "three are due, and one has room");
        assert_eq!(taken(&mut schedule, 5, after(30)), [after(30); 2]);
    }

    #[test]
    fn a_message_of_an_open_loop_counts_from_its_schedule_however_late_it_is_sent() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut schedule = SendSchedule::OpenLoop { interval: INTERVAL, next: start };
        assert_eq!(taken(&mut schedule, 5, start), [start]);
        assert!(taken(&mut schedule, 0, after(35)).is_empty(), "no room");
        assert_eq!(taken(&mut schedule, 2, after(35)), [after(10), after(20)]);
        assert_eq!(taken(&mut schedule, 5, after(35)), [after(30)]);
        assert!(taken(&mut schedule, 5, after(39)).is_empty());
    }

    #[test]
    fn an_unpaced_pair_sends_what_has_room() {
        let now = Instant::now();
        assert_eq!(taken(&mut SendSchedule::Unpaced, 7, now), [now; 7]);
    }
}
