//! Finds in the counts of the core what a person has to be told: a bug, and a clock that was set.

use crate::core::CoreStats;

/// The counts when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct CoreAlarms {
    broken: u64,
    clock_step_seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CoreAlarm {
    /// The core did this many times what its rules exclude.
    RuleBroken { times: u64 },
    /// The wall clock was moved by this much.
    ClockStepped { seconds: i64 },
}

impl CoreAlarms {
    /// What is new since the last call.
    pub(super) fn raise(&mut self, stats: CoreStats) -> impl Iterator<Item = CoreAlarm> + use<> {
        let times = stats.broken.saturating_sub(self.broken);
        let seconds = stats.clock_step_seconds.saturating_sub(self.clock_step_seconds);
        (self.broken, self.clock_step_seconds) = (stats.broken, stats.clock_step_seconds);
        let broken = (times > 0).then_some(CoreAlarm::RuleBroken { times });
        let stepped = (seconds != 0).then_some(CoreAlarm::ClockStepped { seconds });
        broken.into_iter().chain(stepped)
    }
}

impl CoreAlarm {
    /// Logs the alarm. `rule` is what the core says of the last rule that was broken.
    pub(super) fn log(self, rule: Option<&'static str>) {
        match self {
            Self::RuleBroken { times } => tracing::error!(
                times,
                rule = rule.unwrap_or("unknown"),
                "the message core did what its rules exclude; this is a bug of the relay, please report it"
            ),
            Self::ClockStepped { seconds } => tracing::error!(
                seconds,
                "the wall clock was set while the relay runs; messages keep their ttl, and times that others \
                 read follow the new clock"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_and_each_step_of_the_clock_is_told_once() {
        let mut alarms = CoreAlarms::default();
        let mut told = |broken, clock_step_seconds| {
            let stats = CoreStats { broken, clock_step_seconds, ..CoreStats::default() };
            alarms.raise(stats).collect::<Vec<_>>()
        };
        assert_eq!(told(0, 0), []);
        assert_eq!(told(2, 0), [CoreAlarm::RuleBroken { times: 2 }]);
        assert_eq!(told(2, 3600), [CoreAlarm::ClockStepped { seconds: 3600 }]);
        assert_eq!(told(2, 3600), []);
        let both = [CoreAlarm::RuleBroken { times: 1 }, CoreAlarm::ClockStepped { seconds: -3600 }];
        assert_eq!(told(3, 0), both);
    }
}
