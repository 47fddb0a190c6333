//! The sender's side of the core: rates, remembered ids, the answers that are owed, and the sums of
//! accepted sends.
//!
//! It hands messages over to the recipient's side and learns from [`Verdict`]s what became of them.

use std::collections::VecDeque;
use std::sync::Arc;

use daemon::token_bucket::TokenBucket;
use foldhash::{HashMap, HashSet};
use protocol::did::TenantId;

use super::agent_table::Agent;
use super::broken_rules::BrokenRules;
use super::dedup::{DedupTable, MessageKey};
use super::meter::UntoldSends;
use super::slot_map::SlotMap;
use super::unstored::UnstoredMessages;
use super::verdict::{Handoff, Verdict};
use super::{AgentSlot, CoreLimits, CoreTime, Effect, Write};

#[derive(Debug)]
pub(super) struct SenderSide {
    pub(super) limits: Arc<CoreLimits>,
    pub(super) accounts: SlotMap<SenderAccount>,
    pub(super) tenant_buckets: HashMap<TenantId, TokenBucket>,
    pub(super) dedup: DedupTable,
    pub(super) unstored: UnstoredMessages,
    /// The ids of rows that failed and may be on disk all the same. The next good commit deletes
    /// those rows; until then the ids are not accepted again. Bounded as the rows that wait for the
    /// store.
    pub(super) uncertain: HashSet<MessageKey>,
    /// Agents with accepted sends that were not told yet. An agent is in it once.
    pub(super) metered: VecDeque<AgentSlot>,
    pub(super) broken: BrokenRules,
}

/// One agent as a sender.
#[derive(Debug)]
pub(super) struct SenderAccount {
    pub(super) did: Arc<str>,
    pub(super) tenant: TenantId,
    pub(super) bucket: Option<TokenBucket>,
    pub(super) untold_sends: UntoldSends,
}

impl SenderSide {
    pub(super) fn new(limits: Arc<CoreLimits>) -> Self {
        Self {
            dedup: DedupTable::new(limits.dedup_entries_max),
            limits,
            accounts: SlotMap::default(),
            tenant_buckets: HashMap::default(),
            unstored: UnstoredMessages::default(),
            uncertain: HashSet::default(),
            metered: VecDeque::new(),
            broken: BrokenRules::default(),
        }
    }

    pub(super) fn add_agent(&mut self, slot: AgentSlot, Agent { did, tenant }: Agent) {
        let (rate, untold_sends) = (self.limits.tenant_rate, UntoldSends::default());
        if !self.tenant_buckets.contains_key(&tenant) {
            self.tenant_buckets.insert(tenant.clone(), TokenBucket::full(rate, 0));
        }
        self.accounts.insert(slot, SenderAccount { did, tenant, bucket: None, untold_sends });
    }

    /// Forgets an agent that was removed, and tells its last sums.
    pub(super) fn remove_agent(&mut self, slot: AgentSlot, out: &mut Vec<Effect>) {
        self.dedup.remove_sender(slot);
        self.tell_sends_of(slot, out);
        self.accounts.remove(slot);
    }

    /// Learns what became of a message, and hands over what follows from it.
    pub(super) fn settle(
        &mut self,
        verdict: Verdict,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Option<Handoff> {
        match verdict {
            Verdict::Accepted { key, status, size } => self.answer_sender(key, status, size, out),
            Verdict::Released { key, rule } => self.release_sender(key, rule, out),
            Verdict::Refused { key, rule } => self.refuse_and_forget(key, rule, out),
            Verdict::RefusedByRecipient { key, reason } => self.end_unpromised(key, reason, out),
            Verdict::Uncertain(key) => {
                self.uncertain.insert(key);
            }
            Verdict::Unstored { key, mailbox, seq, size } => {
                self.become_unstored(key, (mailbox, seq), size, out);
            }
            Verdict::UnstoredSettled { key, outcome } => self.settle_unstored(key, outcome, now),
            Verdict::UnstoredGone(key) => self.unstored.forget(key),
            Verdict::Ended { key, outcome } => self.dedup.end(key, outcome),
            Verdict::TenantGone(tenant) => {
                self.tenant_buckets.remove(&tenant);
            }
            Verdict::DeliveredLate { key, recipient } => {
                self.dedup.stored_was_delivered(key);
                return Some(Handoff::Delivered { to: key.sender, recipient, id: key.id });
            }
            Verdict::Undelivered(undelivered) => {
                let Some(to) = undelivered.sender.filter(|slot| self.accounts.get(*slot).is_some()) else {
                    let (row, outcome) = (undelivered.row, Some(undelivered.outcome));
                    out.push(Effect::Write(Write::Remove { row, outcome }));
                    return None;
                };
                self.dedup.stored_is_ending(MessageKey { sender: to, id: undelivered.id });
                return Some(Handoff::Notice { to, undelivered });
            }
        }
        None
    }

    /// No failed row is on disk any more.
    pub(super) fn forget_uncertain(&mut self) {
        self.uncertain.clear();
    }
}
