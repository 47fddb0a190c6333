//! One simulated run: a relay, an SDK, an application, and the faults between them.

use std::collections::BTreeSet;
use std::time::Duration;

use msg2agent::RefusalReason;

use crate::flaw::Flaw;
use crate::random::Random;
use crate::relay_model::{MessageNumber, RelayModel, SimDelivery, SimOutcome, is_undecryptable};
use crate::sdk_model::{SdkModel, SimFrame};

/// Steps with faults. A run meets most pairs of faults.
const STEPS: u64 = 400;
/// Steps without faults after which everything must have an outcome.
const CALM_STEPS_MAX: u64 = 2_000;

pub(crate) struct SimulatedRun {
    random: Random,
    relay: RelayModel,
    sdk: Option<SdkModel>,
    window: usize,
    messages: u64,
    /// Messages that the application has and has not acknowledged.
    in_hand: Vec<MessageNumber>,
    /// Messages that the application has ever acknowledged.
    acknowledged: BTreeSet<MessageNumber>,
    rejected: BTreeSet<MessageNumber>,
    /// Deliveries of earlier sessions, which a broken relay may send again.
    old: Vec<SimDelivery>,
    /// Frames on their way to the relay.
    frames: Vec<SimFrame>,
}

type Checked = Result<(), String>;

impl SimulatedRun {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut random = Random::new(seed);
        let window = 4 + random.below(60) as usize;
        let mut run = Self {
            random,
            relay: RelayModel::default(),
            sdk: Some(SdkModel::new(flaw)),
            window,
            messages: 0,
            in_hand: Vec::new(),
            acknowledged: BTreeSet::new(),
            rejected: BTreeSet::new(),
            old: Vec::new(),
            frames: Vec::new(),
        };
        run.reconnect();
        run
    }

    pub(crate) fn run(mut self) -> Checked {
        for _ in 0..STEPS {
            self.step()?;
        }
        self.calm_down()
    }

    fn sdk(&mut self) -> &mut SdkModel {
        self.sdk.as_mut().unwrap()
    }

    fn step(&mut self) -> Checked {
        match self.random.below(100) {
            0..15 => {
                self.messages += 1;
                self.relay.accept(self.messages);
            }
            15..40 => self.deliver(),
            40..44 => {
                let repeated = self.relay.repeat(self.window);
                repeated.into_iter().for_each(|delivery| self.sdk().on_delivery(delivery));
            }
            44..48 => {
                if let Some(old) = self.random.take(&mut self.old) {
                    self.sdk().on_delivery(old);
                }
            }
            48..60 => self.show()?,
            60..80 => self.application_acts(),
            80..85 => self.sdk().sync(),
            85..91 => self.send_frames(),
            91..93 => self.arrive()?,
            93..95 => self.sdk().disk_full ^= true,
            95 => self.sdk().retry_disk(),
            96 => self.sdk().pass(Duration::from_secs(2)),
            97 => self.reconnect(),
            98 => self.restart_relay(),
            _ => self.restart_sdk(),
        }
        Ok(())
    }

    fn deliver(&mut self) {
        if let Some(delivery) = self.relay.deliver(self.window) {
            self.old.push(delivery);
            self.sdk().on_delivery(delivery);
        }
    }

    fn show(&mut self) -> Checked {
        let Some(message) = self.sdk().show() else { return Ok(()) };
        if self.in_hand.contains(&message) {
            return Err(format!("message {message} is shown while the application has it"));
        }
        if self.acknowledged.contains(&message) && self.sdk().is_written(message) {
            return Err(format!("message {message} is shown although it was processed"));
        }
        self.in_hand.push(message);
        Ok(())
    }

    fn application_acts(&mut self) {
        let Some(message) = self.random.take(&mut self.in_hand) else { return };
        match self.random.below(10) {
            0..6 => self.acknowledge(message),
            6 => {
                self.rejected.insert(message);
                self.sdk().reject(message);
            }
            7..9 => self.sdk().release(message),
            // It keeps the message.
            _ => self.in_hand.push(message),
        }
    }

    fn acknowledge(&mut self, message: MessageNumber) {
        self.acknowledged.insert(message);
        self.sdk().acknowledge(message);
    }

    fn send_frames(&mut self) {
        let frames = self.sdk().frames();
        self.frames.extend(frames);
    }

    fn arrive(&mut self) -> Checked {
        for frame in std::mem::take(&mut self.frames) {
            match frame {
                SimFrame::Ack(ack) => {
                    for message in self.relay.on_ack(ack) {
                        self.check_delivered(message)?;
                    }
                }
                SimFrame::Refuse(refusal) => {
                    if let Some(message) = self.relay.on_refuse(refusal) {
                        self.check_refused(message, refusal.reason)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn check_delivered(&mut self, message: MessageNumber) -> Checked {
        if is_undecryptable(message) {
            return Err(format!("message {message} is called delivered, and nobody could open it"));
        }
        if !self.acknowledged.contains(&message) {
            return Err(format!("message {message} is called delivered before the application had it"));
        }
        if !self.sdk().is_on_disk(message) {
            return Err(format!("message {message} is called delivered before it is on disk"));
        }
        Ok(())
    }

    fn check_refused(&mut self, message: MessageNumber, reason: RefusalReason) -> Checked {
        let right = match reason {
            RefusalReason::Rejected => self.rejected.contains(&message),
            _ => is_undecryptable(message),
        };
        if right { Ok(()) } else { Err(format!("message {message} is refused as {}", reason.as_str())) }
    }

    /// Cuts the connection: what is on its way is lost.
    fn reconnect(&mut self) {
        self.frames.clear();
        let epoch = self.relay.start_session();
        self.sdk().start_session(epoch);
    }

    fn restart_relay(&mut self) {
        let ended: Vec<_> = self.relay.outcomes.keys().copied().collect();
        for message in ended {
            if self.random.percent(10) {
                self.relay.forget_outcome(message);
            }
        }
        self.reconnect();
    }

    fn restart_sdk(&mut self) {
        let power_loss = self.random.percent(50);
        self.in_hand.clear();
        self.sdk = self.sdk.take().map(|sdk| sdk.restarted(power_loss));
        self.reconnect();
    }

    /// Without faults, everything gets an outcome.
    fn calm_down(mut self) -> Checked {
        self.sdk().disk_full = false;
        for _ in 0..CALM_STEPS_MAX {
            if self.relay.is_empty() {
                return self.check_outcomes();
            }
            self.deliver();
            self.sdk().pass(Duration::from_secs(60));
            self.sdk().retry_disk();
            self.show()?;
            if let Some(message) = self.in_hand.pop() {
                self.acknowledge(message);
            }
            self.sdk().sync();
            self.send_frames();
            self.arrive()?;
        }
        Err("the agent is deaf: messages wait although nothing fails".to_owned())
    }

    fn check_outcomes(&self) -> Checked {
        for message in 1..=self.messages {
            let outcome = self.relay.outcomes.get(&message);
            let right = match outcome {
                Some(SimOutcome::Refused(RefusalReason::Rejected)) => self.rejected.contains(&message),
                Some(SimOutcome::Refused(_)) => is_undecryptable(message),
                Some(SimOutcome::Delivered) => self.acknowledged.contains(&message),
                None => false,
            };
            if !right {
                return Err(format!("message {message} ended as {outcome:?}"));
            }
        }
        Ok(())
    }
}
