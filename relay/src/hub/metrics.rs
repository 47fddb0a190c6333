//! Prometheus metrics of message delivery. Labels come from closed sets; an agent, a tenant or a
//! key is never a label.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    exponential_buckets,
};
use protocol::Reason;
use protocol::close::CloseCode;
use protocol::envelope::Class;
use protocol::frame::{Outcome, SendStatus};

use super::message_counts::MessageCounts;
use crate::core::{CoreStats, Counter, MeterEvent, SendRule};
use crate::message_store::StoreCondition;

#[derive(Debug)]
pub struct HubMetrics {
    pub(super) connections: IntGauge,
    sessions: IntGauge,
    mailbox_rows: IntGauge,
    mailbox_bytes: IntGauge,
    held_bytes: IntGauge,
    submitted: IntCounter,
    submitted_bytes: IntCounter,
    /// Those of reliable and of ephemeral messages.
    accepted: [AcceptedSends; 2],
    delivered: IntCounter,
    delivered_bytes: IntCounter,
    /// One for each status.
    answers: [IntCounter; SendStatus::ALL.len()],
    refusals: IntCounterVec,
    /// One for each rule, in their order.
    refused_sends: Vec<IntCounter>,
    notices: IntCounterVec,
    closes: IntCounterVec,
    events: IntCounterVec,
    commits: Histogram,
    committed_rows: IntCounter,
    pub(super) store_failures: IntCounter,
    log_bytes: IntGauge,
    free_bytes: IntGauge,
    store_condition: IntGaugeVec,
    broken_rules: IntCounter,
    clock_step_seconds: IntGauge,
}

/// The accepted sends of one class.
#[derive(Debug)]
struct AcceptedSends {
    messages: IntCounter,
    bytes: IntCounter,
}

impl HubMetrics {
    /// # Errors
    /// The registry has a metric of one of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name, help| registered(registry, IntGauge::new(name, help)?);
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        let labelled = |name, help, label: &str| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), &[label])?)
        };
        let seconds = HistogramOpts::new(
            "msg2agent_relay_commit_seconds",
            "Time of a group commit of the mailbox, fsync included.",
        );
        Ok(Self {
            connections: gauge("msg2agent_relay_sockets", "Open WebSocket connections.")?,
            sessions: gauge("msg2agent_relay_sessions", "Agents with a session.")?,
            mailbox_rows: gauge("msg2agent_relay_mailbox_messages", "Messages and notices in mailboxes.")?,
            mailbox_bytes: gauge("msg2agent_relay_mailbox_bytes", "Envelope bytes in mailboxes.")?,
            held_bytes: gauge(
                "msg2agent_relay_held_bytes",
                "Envelope bytes in memory, unacknowledged or unwritten.",
            )?,
            submitted: counter(
                "msg2agent_relay_submitted_total",
                "Messages agents sent, refused ones included.",
            )?,
            submitted_bytes: counter("msg2agent_relay_submitted_bytes_total", "Envelope bytes agents sent.")?,
            accepted: {
                let messages = labelled(
                    "msg2agent_relay_accepted_total",
                    "Messages that were forwarded, delivered or stored, each once, by class.",
                    "class",
                )?;
                let bytes = labelled(
                    "msg2agent_relay_accepted_bytes_total",
                    "Envelope bytes of the messages that were accepted, by class.",
                    "class",
                )?;
                ["reliable", "ephemeral"].map(|class| AcceptedSends {
                    messages: messages.with_label_values(&[class]),
                    bytes: bytes.with_label_values(&[class]),
                })
            },
            delivered: counter(
                "msg2agent_relay_deliveries_total",
                "Deliveries written to connections, repeated ones included.",
            )?,
            delivered_bytes: counter(
                "msg2agent_relay_delivered_bytes_total",
                "Envelope bytes written to connections.",
            )?,
            answers: {
                let (name, help) = ("msg2agent_relay_answers_total", "Sends that were accepted, by answer.");
                let answers = labelled(name, help, "status")?;
                SendStatus::ALL.map(|status| answers.with_label_values(&[status.as_str()]))
            },
            refusals: labelled(
                "msg2agent_relay_refusals_total",
                "Requests that were refused, by reason.",
                "reason",
            )?,
            refused_sends: {
                let help = "Requests that the message core refused, by the rule that they broke.";
                let refused = labelled("msg2agent_relay_core_refusals_total", help, "rule")?;
                SendRule::ALL.iter().map(|rule| refused.with_label_values(&[rule.as_str()])).collect()
            },
            notices: labelled(
                "msg2agent_relay_notices_total",
                "Notices sent about stored messages, by outcome.",
                "outcome",
            )?,
            closes: labelled(
                "msg2agent_relay_closes_total",
                "Connections the relay closed, by close code.",
                "code",
            )?,
            events: labelled(
                "msg2agent_relay_events_total",
                "Other events of message delivery, by kind.",
                "kind",
            )?,
            commits: registered(
                registry,
                Histogram::with_opts(seconds.buckets(exponential_buckets(0.0002, 2.0, 14)?))?,
            )?,
            committed_rows: counter(
                "msg2agent_relay_committed_rows_total",
                "Rows committed to the mailbox.",
            )?,
            store_failures: counter(
                "msg2agent_relay_store_failures_total",
                "Commits of the mailbox that failed.",
            )?,
            log_bytes: gauge(
                "msg2agent_relay_store_log_bytes",
                "Bytes in the write-ahead log of the mailbox.",
            )?,
            free_bytes: gauge(
                "msg2agent_relay_disk_free_bytes",
                "Free bytes of the data folder's volume, without the reserve.",
            )?,
            store_condition: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "msg2agent_relay_store_condition",
                        "1 for the condition of the mailbox's store: working, full, failing or stalled.",
                    ),
                    &["condition"],
                )?,
            )?,
            broken_rules: counter(
                "msg2agent_relay_broken_rules_total",
                "Times that the message core did what its rules exclude. Each is a bug.",
            )?,
            clock_step_seconds: gauge(
                "msg2agent_relay_clock_step_seconds",
                "How far the wall clock is ahead because it was set while the relay ran.",
            )?,
        })
    }

    /// Adds the counts of one hold of the hub's lock.
    pub(super) fn add(&self, counts: &MessageCounts) {
        let MessageCounts { submitted, delivered, answers } = counts;
        let answered = self.answers.iter().zip(answers).map(|(counter, count)| (counter, *count));
        let others = [
            (&self.submitted, submitted.messages),
            (&self.submitted_bytes, submitted.bytes),
            (&self.delivered, delivered.messages),
            (&self.delivered_bytes, delivered.bytes),
        ];
        for (counter, count) in answered.chain(others).filter(|(_, count)| *count > 0) {
            counter.inc_by(count);
        }
    }

    pub(super) fn metered(&self, event: &MeterEvent) {
        let [reliable, ephemeral] = &self.accepted;
        let sends = match event.class {
            Class::Reliable => reliable,
            Class::Ephemeral => ephemeral,
        };
        sends.messages.inc_by(event.messages);
        sends.bytes.inc_by(event.bytes);
    }

    pub(super) fn refused(&self, reason: Reason) {
        self.refusals.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn refused_by(&self, rule: SendRule) {
        if let Some(counter) = self.refused_sends.get(rule as usize) {
            counter.inc();
        }
    }

    pub(super) fn noticed(&self, outcome: Outcome) {
        self.notices.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(super) fn closed(&self, code: CloseCode) {
        self.closes.with_label_values(&[code.number().to_string().as_str()]).inc();
    }

    pub(super) fn count_event(&self, count_event: Counter) {
        let label = match count_event {
            Counter::Backlog => "backlog",
            Counter::Repeated => "repeated",
            Counter::Expired => "expired",
            Counter::Dropped => "dropped",
            Counter::Unreadable => "unreadable",
            Counter::ClockStepped => "clock_stepped",
        };
        self.events.with_label_values(&[label]).inc();
    }

    pub(super) fn committed(&self, rows: usize, took: Duration) {
        self.committed_rows.inc_by(rows as u64);
        self.commits.observe(took.as_secs_f64());
    }

    pub(super) fn observe_store(&self, condition: StoreCondition, log_bytes: u64, free_bytes: u64) {
        for known in StoreCondition::ALL {
            let gauge = self.store_condition.with_label_values(&[known.label()]);
            gauge.set(i64::from(known == condition));
        }
        self.log_bytes.set(signed(log_bytes));
        self.free_bytes.set(signed(free_bytes));
    }

    pub(super) fn observe(&self, stats: CoreStats) {
        self.sessions.set(signed(stats.sessions as u64));
        self.mailbox_rows.set(signed(stats.rows as u64));
        self.mailbox_bytes.set(signed(stats.row_bytes));
        self.held_bytes.set(signed(stats.held_bytes as u64));
        self.clock_step_seconds.set(stats.clock_step_seconds);
        self.broken_rules.inc_by(stats.broken.saturating_sub(self.broken_rules.get()));
    }
}

fn registered<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
