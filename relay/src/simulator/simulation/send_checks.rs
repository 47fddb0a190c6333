//! Compares what the relay does with a send with what its limits allow.

use protocol::Reason;
use protocol::envelope::Class;

use super::limits::DEDUP_ENTRIES_OF_ALL;
use super::{Simulation, TENANTS};
use crate::core::{ConnId, ExceededLimits, Rate};
use crate::simulator::model_connection::ModelSend;

/// What the relay held before a send.
#[derive(Debug)]
pub(super) struct BeforeSend {
    exceeded: Option<ExceededLimits>,
    remembered: bool,
    /// The number of ids that are remembered of each client, in runs that forget some.
    ids: Vec<usize>,
}

/// Sends that passed the rate limits, and since when they are counted.
#[derive(Debug)]
pub(super) struct SendCounts {
    by_client: Vec<(u64, u64)>,
    /// At the place of the first client of each tenant.
    by_tenant: Vec<(u64, u64)>,
}

impl SendCounts {
    pub(super) fn new(now_ms: u64) -> Self {
        let none = vec![(0, now_ms); TENANTS.len()];
        Self { by_client: none.clone(), by_tenant: none }
    }

    pub(super) fn removed(&mut self, client: usize, now_ms: u64) {
        self.by_client[client] = (0, now_ms);
    }

    pub(super) fn removed_tenant(&mut self, tenant: &str, now_ms: u64) {
        if let Some(first) = TENANTS.iter().position(|other| *other == tenant) {
            self.by_tenant[first] = (0, now_ms);
        }
    }
}

impl Simulation {
    pub(super) fn before_send(&self, send: &ModelSend) -> BeforeSend {
        let (from, to) = (self.directory.dids[send.from].as_str(), self.directory.dids[send.to].as_str());
        BeforeSend {
            exceeded: self.core.exceeded_limits(from, to, send.envelope.len()),
            remembered: self.core.is_remembered(from, send.id),
            ids: self.remembered_ids(),
        }
    }

    fn remembered_ids(&self) -> Vec<usize> {
        let forgets = self.limits.dedup_entries_max < DEDUP_ENTRIES_OF_ALL;
        let dids = self.directory.dids.iter().filter(|_| forgets);
        dids.map(|did| self.core.remembered_ids(did.as_str())).collect()
    }

    /// Records what the relay should not have done with this send.
    pub(super) fn check_send(&mut self, conn: ConnId, send: &ModelSend, before: &BeforeSend) {
        let refusal = self.refusals.iter().find(|(request, _)| *request == send.request);
        let refusal = refusal.map(|(_, reason)| *reason);
        let new = send.class == Class::Reliable && !before.remembered;
        let forgets = self.limits.dedup_entries_max < DEDUP_ENTRIES_OF_ALL;
        let busy = self.believes_stalled || forgets;
        let fault = match (refusal, before.exceeded) {
            (None, _) if self.draining => Some(("I9", "is taken by a relay that drains")),
            (None, _) if self.directory.retained[send.to] => Some(("I6", "is taken for a deleted agent")),
            (None, Some(exceeded)) if new && exceeded.any() => Some(("I8", "is taken above a limit")),
            (Some(Reason::MailboxFull), Some(exceeded)) if !exceeded.mailbox => {
                Some(("I8", "is refused by a mailbox that has room"))
            }
            (Some(Reason::StorageFull), Some(exceeded)) if !exceeded.storage => {
                Some(("I8", "is refused by a store that has room"))
            }
            (Some(Reason::Overloaded), Some(exceeded)) if new && !exceeded.load && !busy => {
                Some(("I9", "is refused by a relay that is not overloaded"))
            }
            _ => None,
        };
        if let Some((invariant, what)) = fault {
            let text = format!("{} of {} {what}: {before:?}", send.id, send.from);
            self.history.violation(invariant, text);
        }
        self.check_shares(send.from, before);
        let limited = matches!(refusal, Some(Reason::RateLimited | Reason::Draining));
        let link = self.links.get(&conn).filter(|link| link.epoch.is_some());
        let client = link.map(|link| link.client).filter(|_| self.requests.contains_key(&send.request));
        if let Some(client) = client.filter(|_| !limited) {
            self.count_send(client);
        }
    }

    /// No client that has no more than an equal share loses an id because another one sends.
    fn check_shares(&mut self, from: usize, before: &BeforeSend) {
        let share = self.limits.dedup_entries_max / TENANTS.len();
        let now = self.remembered_ids();
        let robbed = before
            .ids
            .iter()
            .zip(&now)
            .enumerate()
            .find(|(client, (before, now))| *client != from && **before <= share && now < before);
        // A store that fails forgets the ids of the messages that it refuses.
        if let Some((client, _)) = robbed.filter(|_| self.store_takes_messages) {
            let text = format!("client {client} lost an id because client {from} sent");
            self.history.violation("I2", text);
        }
    }

    /// Neither a client nor a tenant sends faster than its rate limit.
    fn count_send(&mut self, client: usize) {
        let tenant = TENANTS.iter().position(|tenant| *tenant == TENANTS[client]).unwrap_or(client);
        let (now_ms, limits) = (self.now_ms, &self.limits);
        let too_fast = is_too_fast(&mut self.sends.by_client[client], limits.sender_rate, now_ms)
            .or(is_too_fast(&mut self.sends.by_tenant[tenant], limits.tenant_rate, now_ms));
        if let Some(what) = too_fast {
            self.history.violation("I8", format!("client {client} or its tenant sent {what}"));
        }
    }
}

/// Counts one more send. Returns what is too much.
fn is_too_fast((count, since_ms): &mut (u64, u64), rate: Rate, now_ms: u64) -> Option<String> {
    *count += 1;
    let seconds = (now_ms - *since_ms) as f64 / 1000.0;
    let allowed = rate.per_second.mul_add(seconds, rate.burst + 1.0);
    (*count as f64 > allowed).then(|| format!("{count} messages in {seconds} s"))
}
