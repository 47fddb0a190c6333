//! What a sender and its tenant may send: the token buckets of both.

use daemon::token_bucket::TokenBucket;

use super::may_send::{Sender, Tokens};
use super::sender_side::SenderSide;
use super::{AgentSlot, CoreTime, Rate};

/// The state of the buckets of one sender.
#[derive(Debug)]
pub(super) struct SenderBudget {
    sender: AgentSlot,
    own: Tokens,
    shared: Tokens,
}

impl SenderBudget {
    pub(super) const fn has_tokens(&self) -> bool {
        self.own.wait.is_none() && self.shared.wait.is_none()
    }
}

impl SenderSide {
    /// The state of the sender's bucket and of its tenant's.
    pub(super) fn budget(&mut self, sender: AgentSlot, now: CoreTime) -> Option<SenderBudget> {
        let (own, shared) = (self.limits.sender_rate, self.limits.tenant_rate);
        let account = self.accounts.get_mut(sender)?;
        let tenant = self.tenant_buckets.get_mut(&account.tenant)?;
        let bucket = account.bucket.get_or_insert_with(|| TokenBucket::full(own, now.mono_ms));
        let tokens = |bucket: &mut TokenBucket, rate: Rate| {
            let wait = bucket.wait(rate, now.mono_ms);
            Tokens { wait, bucket: bucket.clone(), rate }
        };
        let (own, shared) = (tokens(bucket, own), tokens(tenant, shared));
        Some(SenderBudget { sender, own, shared })
    }

    /// The facts of a sender.
    pub(super) fn facts(&self, budget: SenderBudget) -> Option<Sender<'_>> {
        let SenderBudget { sender, own, shared } = budget;
        let account = self.accounts.get(sender)?;
        Some(Sender {
            did: &account.did,
            tenant: &account.tenant,
            tokens: own,
            tenant_tokens: shared,
            unanswered: self.dedup.waiting(sender),
        })
    }

    /// Takes one token of the sender and one of its tenant.
    pub(super) fn take_tokens(&mut self, sender: Option<AgentSlot>) {
        let Some(account) = sender.and_then(|sender| self.accounts.get_mut(sender)) else { return };
        if let (Some(own), Some(tenant)) = (&mut account.bucket, self.tenant_buckets.get_mut(&account.tenant))
        {
            own.take();
            tenant.take();
        }
    }
}
