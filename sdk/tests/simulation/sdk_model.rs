//! The SDK around the state machine, without input and output: what `delivery` and `connection` do
//! with it, over a disk that can be full and loses what was not synced.

use std::collections::VecDeque;
use std::time::Duration;

use msg2agent::state_machine::{AckTracker, DedupTable, DeliveryState, MessageKey};
use msg2agent::{MessageId, RefusalReason};
use protocol::frame::{AckParams, RefuseParams};

use crate::flaw::Flaw;
use crate::relay_model::{MessageNumber, SimDelivery, is_undecryptable};

/// No message expires during a simulation.
const UNTIL: u64 = 1_000_000;
const NOW: u64 = 1;

#[derive(Debug, Clone, Copy)]
pub(crate) enum SimFrame {
    Ack(AckParams),
    Refuse(RefuseParams),
}

pub(crate) struct SdkModel {
    tracker: AckTracker<MessageNumber>,
    epoch: u64,
    /// The lines of the dedup file. The first `synced` of them survive a power loss.
    lines: Vec<MessageNumber>,
    synced: usize,
    /// A sync that is running: the acknowledgement behind it, and how many lines it covers.
    syncing: Option<(AckParams, usize)>,
    unwritten: Vec<MessageNumber>,
    pub(crate) disk_full: bool,
    queue: VecDeque<MessageNumber>,
    /// Dropped messages, with the time until they are shown again.
    later: Vec<(Duration, MessageNumber)>,
    flaw: Option<Flaw>,
}

pub(crate) fn key(message: MessageNumber) -> MessageKey {
    ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(message, [0; 10]))
}

impl SdkModel {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        Self::with_lines(flaw, Vec::new(), 0)
    }

    fn with_lines(flaw: Option<Flaw>, lines: Vec<MessageNumber>, synced: usize) -> Self {
        let mut table = DedupTable::new();
        if flaw != Some(Flaw::ForgetsProcessed) {
            lines.iter().for_each(|message| table.insert(key(*message), UNTIL, NOW));
        }
        Self {
            tracker: AckTracker::new(table),
            epoch: 0,
            lines,
            synced,
            syncing: None,
            unwritten: Vec::new(),
            disk_full: false,
            queue: VecDeque::new(),
            later: Vec::new(),
            flaw,
        }
    }

    /// The next process, after a crash of this one or of the machine.
    pub(crate) fn restarted(self, power_loss: bool) -> Self {
        let mut lines = self.lines;
        if power_loss {
            lines.truncate(self.synced);
        }
        // Opening the file writes it again, durably.
        let synced = lines.len();
        Self::with_lines(self.flaw, lines, synced)
    }

    pub(crate) fn start_session(&mut self, epoch: u64) {
        (self.epoch, self.syncing) = (epoch, None);
        self.tracker.start_epoch(epoch, true);
    }

    pub(crate) fn on_delivery(&mut self, delivery: SimDelivery) {
        let SimDelivery { epoch, seq, message } = delivery;
        if epoch != self.epoch && self.flaw != Some(Flaw::TakesOldEpochs) {
            return;
        }
        self.tracker.on_arrival(seq, 100);
        match self.tracker.on_delivery(seq, &key(message)) {
            DeliveryState::New if is_undecryptable(message) => {
                if self.flaw == Some(Flaw::AcknowledgesRefused) {
                    self.tracker.settle(seq);
                } else {
                    self.tracker.refuse(seq, RefusalReason::Undecryptable);
                }
            }
            DeliveryState::New => {
                assert!(self.tracker.hold(seq, key(message), message, UNTIL), "the window bounds this");
                self.queue.push_back(message);
            }
            DeliveryState::Held if self.flaw == Some(Flaw::ShowsHeld) => self.queue.push_back(message),
            DeliveryState::Held | DeliveryState::Processed => {}
        }
    }

    /// The next message for the application.
    pub(crate) fn show(&mut self) -> Option<MessageNumber> {
        self.queue.pop_front()
    }

    /// Lets time pass for what is shown again.
    pub(crate) fn pass(&mut self, time: Duration) {
        for (left, message) in std::mem::take(&mut self.later) {
            match left.checked_sub(time) {
                Some(left) if !left.is_zero() => self.later.push((left, message)),
                _ => self.queue.push_back(message),
            }
        }
    }

    pub(crate) fn acknowledge(&mut self, message: MessageNumber) {
        if self.tracker.is_processed(&key(message)) {
            return;
        }
        if self.disk_full && self.flaw != Some(Flaw::IgnoresFullDisk) {
            self.tracker.postpone(&key(message));
            self.unwritten.push(message);
            return;
        }
        if !self.disk_full {
            self.lines.push(message);
        }
        self.tracker.mark_processed(&key(message), UNTIL, NOW);
    }

    pub(crate) fn retry_disk(&mut self) {
        if self.flaw != Some(Flaw::NeverRetriesDisk) {
            std::mem::take(&mut self.unwritten).into_iter().for_each(|message| self.acknowledge(message));
        }
    }

    pub(crate) fn release(&mut self, message: MessageNumber) {
        if let Some((message, delay)) = self.tracker.release(&key(message))
            && self.flaw != Some(Flaw::ForgetsDropped)
        {
            self.later.push((delay, message));
        }
    }

    pub(crate) fn reject(&mut self, message: MessageNumber) {
        if self.flaw == Some(Flaw::AcknowledgesRejected) {
            self.acknowledge(message);
        } else {
            self.tracker.reject(&key(message));
        }
    }

    /// Begins a sync, or ends the one that is running.
    pub(crate) fn sync(&mut self) {
        match self.syncing.take() {
            Some((ack, lines)) => {
                self.synced = self.synced.max(lines);
                let too_much = self.flaw == Some(Flaw::SyncsTooMuch);
                let ack = if too_much { self.tracker.to_sync().unwrap_or(ack) } else { ack };
                self.tracker.on_synced(ack);
            }
            None => {
                if let Some(ack) = self.tracker.to_sync() {
                    self.syncing = Some((ack, self.lines.len()));
                    if self.flaw == Some(Flaw::AcknowledgesBeforeSync) {
                        self.tracker.on_synced(ack);
                    }
                }
            }
        }
    }

    /// The frames that are due, in order.
    pub(crate) fn frames(&mut self) -> Vec<SimFrame> {
        let refusals: Vec<_> = std::iter::from_fn(|| self.tracker.next_refusal()).collect();
        let ack = self.tracker.due();
        if let Some(ack) = ack {
            self.tracker.on_ack_sent(ack);
        }
        let refusals = refusals.into_iter().map(SimFrame::Refuse);
        let acks = ack.into_iter().map(SimFrame::Ack);
        if self.flaw == Some(Flaw::RefusesTooLate) {
            acks.chain(refusals).collect()
        } else {
            refusals.chain(acks).collect()
        }
    }

    /// Whether a copy of this message would be recognized after a power loss now.
    pub(crate) fn is_on_disk(&self, message: MessageNumber) -> bool {
        self.lines[..self.synced].contains(&message)
    }

    pub(crate) fn is_written(&self, message: MessageNumber) -> bool {
        self.lines.contains(&message)
    }
}
