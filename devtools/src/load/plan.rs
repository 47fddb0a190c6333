//! Defines what a run measures: servers, workloads, rounds and times, each with its limit.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;

use super::send_schedule::SendSchedule;

/// Rounds of one run: more tells nothing new and holds the machine for minutes.
pub const ROUNDS_MAX: u32 = 20;
/// Measured time of one round.
pub const MAX_ROUND_TIMEOUT_SECONDS: u64 = 60;
/// Pairs of one workload: two sockets each, far below the usual 1,024 open files.
pub const PAIRS_MAX: u16 = 256;
/// Messages in flight per pair: the relay's own window of unacknowledged deliveries.
pub const WINDOW_MAX: u16 = 256;

/// Everything `load` needs to know.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    pub subjects: Vec<LoadSubject>,
    pub workloads: Vec<Workload>,
    pub pace: SendPace,
    pub rounds: u32,
    pub warm_up: Duration,
    pub measured: Duration,
    /// Bytes of one message's payload on the wire: the whole JSON frame, the NATS payload, the
    /// forwarded block.
    pub size: usize,
    /// Servers on CPU 0, generator on CPU 1.
    pub pinned: bool,
}

/// When the senders of a run send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendPace {
    /// As soon as the window has room.
    ClosedLoop,
    /// So many messages a second, of all pairs together, each at its scheduled time.
    OpenLoop { per_second: u32 },
}

impl SendPace {
    /// The schedule of pair `number` of `pairs`. Those of an open loop take turns.
    #[must_use]
    pub fn schedule(self, number: u16, pairs: u16, start: Instant) -> SendSchedule {
        let Self::OpenLoop { per_second } = self else { return SendSchedule::Unpaced };
        let turn = Duration::from_secs(1) / per_second.max(1);
        SendSchedule::OpenLoop { interval: turn * pairs.into(), next: start + turn * number.into() }
    }
}

/// A server and the way it is used. `answered` subjects confirm every message to its sender end to
/// end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LoadSubject {
    /// The dumb TCP forwarder, messages one way: the baseline of one read and one write.
    Forwarder,
    /// NATS core publish and subscribe over TCP.
    Nats,
    /// The same over WebSocket.
    NatsWebSocket,
    /// The relay, class ephemeral: it forwards the message and answers `forwarded` to the sender.
    RelayEphemeral,
    /// The forwarder, and the recipient answers: the baseline of two reads and two writes.
    ForwarderAnswered,
    /// NATS request and reply over TCP.
    NatsAnswered,
    /// The same over WebSocket.
    NatsWebSocketAnswered,
    /// The relay, class reliable: acknowledged by the recipient, `delivered` to the sender.
    RelayReliable,
}

impl LoadSubject {
    /// Whether the sender hears of each message, so that it counts as done only then.
    #[must_use]
    pub const fn sender_hears(self) -> bool {
        !matches!(self, Self::Forwarder | Self::Nats | Self::NatsWebSocket)
    }

    /// Whether the latency ends at the sender's answer, not at the recipient.
    #[must_use]
    pub const fn timed_to_answer(self) -> bool {
        matches!(
            self,
            Self::ForwarderAnswered | Self::NatsAnswered | Self::NatsWebSocketAnswered | Self::RelayReliable
        )
    }

    /// The subjects that do the same work: the forwarder, NATS over TCP, NATS over WebSocket.
    #[must_use]
    pub const fn anchors(self) -> [Self; 3] {
        if self.timed_to_answer() {
            [Self::ForwarderAnswered, Self::NatsAnswered, Self::NatsWebSocketAnswered]
        } else {
            [Self::Forwarder, Self::Nats, Self::NatsWebSocket]
        }
    }
}

impl fmt::Display for LoadSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forwarder => "forwarder",
            Self::Nats => "nats",
            Self::NatsWebSocket => "nats over WebSocket",
            Self::RelayEphemeral => "relay, ephemeral",
            Self::ForwarderAnswered => "forwarder, answered",
            Self::NatsAnswered => "nats, answered",
            Self::NatsWebSocketAnswered => "nats over WebSocket, answered",
            Self::RelayReliable => "relay, reliable",
        })
    }
}

/// `pairs` senders, each with `window` messages in flight to its own recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    pub pairs: u16,
    pub window: u16,
}

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let number = |text: &str, max| text.parse().ok().filter(|number| (1..=max).contains(number));
        let parsed = text.split_once('x').and_then(|(pairs, window)| {
            Some(Self { pairs: number(pairs, PAIRS_MAX)?, window: number(window, WINDOW_MAX)? })
        });
        parsed.with_context(|| {
            format!(
                "PAIRSxWINDOW, for example 16x16: 1 to {PAIRS_MAX} pairs, 1 to {WINDOW_MAX} in flight each"
            )
        })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.pairs, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_read_back_as_it_was_written() {
        let workload: Workload = "64x1".parse().unwrap();
        assert_eq!(workload, Workload { pairs: 64, window: 1 });
        assert_eq!(workload.to_string(), "64x1");
    }

    #[test]
    fn the_pairs_of_an_open_loop_take_turns() {
        let (pace, start) = (SendPace::OpenLoop { per_second: 40_000 }, Instant::now());
        let schedules: Vec<_> = (0..16).map(|number| pace.schedule(number, 16, start)).collect();
        for (number, schedule) in (0_u32..).zip(schedules) {
            let SendSchedule::OpenLoop { interval, next } = schedule else { panic!("{schedule:?}") };
            assert_eq!(interval, Duration::from_micros(400));
            assert_eq!(next, start + Duration::from_micros(25) * number);
        }
    }

    #[test]
    fn workloads_beyond_the_limits_are_refused() {
        for text in ["", "16", "0x1", "1x0", "257x1", "1x257", "-1x1", "1x1x1"] {
            let error = text.parse::<Workload>().unwrap_err();
            assert!(error.to_string().starts_with("PAIRSxWINDOW"), "{text}: {error}");
        }
    }
}
