//! Counts the messages of a closed loop: how many are in flight, how many are done, and how long
//! each took. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::plan::LoadSubject;

/// The messages of one pair. A message is done when it arrived and, where the sender hears of it,
/// was answered.
#[derive(Debug)]
pub struct Window {
    limit: u64,
    sender_hears: bool,
    timed_to_answer: bool,
    sent: u64,
    arrived: u64,
    answered: u64,
    /// Times of the messages whose latency is not known yet, oldest first; at most `limit` long in
    /// the steady state.
    sent_at: VecDeque<Instant>,
}

impl Window {
    #[must_use]
    pub fn new(limit: u16, subject: LoadSubject) -> Self {
        Self {
            limit: limit.into(),
            sender_hears: subject.sender_hears(),
            timed_to_answer: subject.timed_to_answer(),
            sent: 0,
            arrived: 0,
            answered: 0,
            sent_at: VecDeque::with_capacity(limit.into()),
        }
    }

    /// Messages that may be sent now.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.sent - self.done())
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.done() == self.sent
    }

    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    #[must_use]
    pub fn done(&self) -> u64 {
        if self.sender_hears { self.arrived.min(self.answered) } else { self.arrived }
    }

    pub fn send(&mut self, now: Instant) {
        self.sent += 1;
        self.sent_at.push_back(now);
    }

    /// # Errors
    /// More arrivals than messages: something was delivered twice.
    pub fn arrive(&mut self, count: u64, now: Instant, took: &mut dyn FnMut(Duration)) -> anyhow::Result<()> {
        self.arrived += count;
        ensure!(self.arrived <= self.sent, "{} messages arrived of {} sent", self.arrived, self.sent);
        if !self.timed_to_answer {
            self.time(count, now, took);
        }
        Ok(())
    }

    /// # Errors
    /// More answers than messages.
    pub fn answer(&mut self, count: u64, now: Instant, took: &mut dyn FnMut(Duration)) -> anyhow::Result<()> {
        self.answered += count;
        ensure!(self.answered <= self.sent, "{} answers to {} messages", self.answered, self.sent);
        if self.timed_to_answer {
            self.time(count, now, took);
        }
        Ok(())
    }

    fn time(&mut self, count: u64, now: Instant, took: &mut dyn FnMut(Duration)) {
        for _ in 0..count {
            if let Some(at) = self.sent_at.pop_front() {
                took(now.saturating_duration_since(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(subject: LoadSubject) -> (Window, Instant) {
        let (mut window, start) = (Window::new(2, subject), Instant::now());
        window.send(start);
        window.send(start);
        assert_eq!(window.room(), 0);
        (window, start)
    }

    #[test]
    fn a_one_way_message_is_done_when_it_arrives() {
        let (mut window, start) = full(LoadSubject::Nats);
        let mut times = vec![];
        window.arrive(1, start + Duration::from_micros(7), &mut |took| times.push(took)).unwrap();
        assert_eq!((window.room(), window.done()), (1, 1));
        assert_eq!(times, [Duration::from_micros(7)]);
    }

    #[test]
    fn a_message_whose_sender_hears_is_done_when_both_sides_have_it() {
        let (mut window, start) = full(LoadSubject::RelayEphemeral);
        window.answer(2, start, &mut |_| panic!("timed at the recipient")).unwrap();
        assert_eq!(window.room(), 0);
        window.arrive(2, start, &mut |_| ()).unwrap();
        assert!(window.is_idle());
    }

    #[test]
    fn a_message_delivered_twice_is_an_error() {
        let (mut window, start) = full(LoadSubject::Forwarder);
        let error = window.arrive(3, start, &mut |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "3 messages arrived of 2 sent");
    }
}
