//! The rules over all structures of the core. The simulator and the tests check them after each
//! step.

mod capacity;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use capacity::ExceededLimits;

use super::agent::{Agent, MailboxRow, RowContent};
use super::agent_session::{AgentSession, DeliveryMode, PageLoad};
use super::dedup::{MessageKey, OpenEntry, OpenState};
use super::delivery_window::Content;
use super::tenant_budget::MailboxUsage;
use super::{AgentSlot, Core, Now, RowId};

/// Fails the check with a formatted sentence if the condition does not hold.
macro_rules! require {
    ($condition:expr, $($sentence:tt)*) => {
        if !$condition {
            return Err(format!($($sentence)*));
        }
    };
}

/// What was met while walking over all agents.
#[derive(Debug, Default)]
struct Census<'a> {
    usage: MailboxUsage,
    by_tenant: BTreeMap<&'a str, MailboxUsage>,
    expiry: usize,
    live_bytes: usize,
    /// Messages whose sender has no answer yet.
    open: BTreeSet<MessageKey>,
    uncommitted: Vec<RowId>,
    /// Messages whose end is not on disk yet.
    ending: BTreeSet<MessageKey>,
    unstored: usize,
}

impl Core {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first rule that does not hold, as a sentence.
    pub(crate) fn check(&self, now: Now) -> Result<(), String> {
        if let Some(what) = self.last_broken {
            return Err(format!("cannot be: {what}"));
        }
        let (mut census, steady_ms) = (Census::default(), self.clock.time(now).steady_ms);
        for (slot, agent) in self.agents.iter() {
            self.check_rows(slot, agent, &mut census)?;
            if let Some(session) = &agent.session {
                require!(self.sessions.get(&session.conn) == Some(&slot), "{} has no connection", agent.did);
                self.check_window(slot, agent, session, &mut census)?;
                self.check_mode(slot, agent, session, steady_ms)?;
            }
        }
        for (conn, slot) in &self.sessions {
            let session = self.agents.session(*slot);
            require!(session.is_some_and(|s| s.conn == *conn), "{conn:?} has no session");
        }
        for (slot, agent) in self.agents.iter() {
            let places = self.metered.iter().filter(|queued| **queued == slot).count();
            let untold = usize::from(!agent.untold_sends.is_empty());
            require!(places == untold, "the sends of {} are told {places} times", agent.did);
        }
        self.check_removed(&mut census);
        census.open.extend(self.leaving.open());
        self.check_budgets(&census)?;
        self.check_ids(&census, steady_ms)
    }

    fn check_rows<'a>(
        &self,
        slot: AgentSlot,
        agent: &'a Agent,
        census: &mut Census<'a>,
    ) -> Result<(), String> {
        let did = &agent.did;
        let (mut bytes, mut notices) = (0, 0);
        for (number, row) in &agent.rows {
            bytes += u64::from(row.size);
            let key = (row.check_ms, slot, *number);
            require!(self.expiry.rows().contains(&key), "row {number} of {did} never expires");
            require!(row.check_ms >= row.expires_ms, "row {number} of {did} expires early");
            match &row.content {
                RowContent::Notice(notice) => {
                    notices += 1;
                    require!(agent.notices.contains(number), "notice {number} of {did} is not counted");
                    require!(notice.ends.is_some() != row.committed, "notice {number} has ended its message");
                    if notice.ends.is_some() {
                        census.ending.insert(MessageKey { sender: slot, id: row.id });
                    }
                }
                RowContent::Message { sender: Some(sender) } if !row.committed => {
                    census.open.insert(MessageKey { sender: *sender, id: row.id });
                }
                RowContent::Message { .. } => {}
            }
            if !row.committed {
                census.uncommitted.push(*number);
            }
        }
        census.count(agent.tenant.as_str(), agent.rows.values());
        census.expiry += agent.rows.len();
        require!(bytes == agent.row_bytes, "{did} has {bytes} bytes, and counts {}", agent.row_bytes);
        require!(notices == agent.notices.len(), "{did} counts notices that are not there");
        require!(notices <= self.limits.mailbox_notices, "{did} has {notices} notices");
        Ok(())
    }

    fn check_window(
        &self,
        slot: AgentSlot,
        agent: &Agent,
        session: &AgentSession,
        census: &mut Census<'_>,
    ) -> Result<(), String> {
        let did = &agent.did;
        let (count, bytes, sum) = session.window.size();
        require!(bytes == sum, "the window of {did} has {sum} bytes, and counts {bytes}");
        require!(count as u64 <= self.limits.window_messages, "{did} has {count} deliveries in flight");
        require!(bytes <= self.limits.window_bytes || count == 1, "{did} has {bytes} bytes in flight");
        let mut memory = Vec::new();
        for (seq, content) in session.window.contents() {
            match content {
                Content::MemoryOnly => memory.push(seq),
                Content::Row(row) => {
                    require!(
                        agent.rows.contains_key(&row),
                        "row {row} in flight is not in the mailbox of {did}"
                    );
                    require!(session.has_in_flight(row), "row {row} is in flight, and {did} does not know");
                }
                Content::Unstored(key) => {
                    census.unstored += 1;
                    let owned = self.unstored.get(key).is_some_and(|u| u.mailbox == slot && u.seq == seq);
                    require!(owned, "delivery {seq} of {did} is unstored and in no table");
                }
                Content::Nowhere => {}
            }
        }
        let live = session.live().map(|live| live.iter().collect::<Vec<_>>()).unwrap_or_default();
        let held: Vec<u64> = live.iter().map(|(seq, _)| *seq).collect();
        require!(held == memory, "{did} has {held:?} in memory, and {memory:?} in flight");
        let deadlines = self.ack_deadlines.iter().filter(|_| !held.is_empty());
        let due: BTreeSet<u64> = deadlines.filter_map(|due| due.seq_of(slot, session.epoch)).collect();
        require!(held.iter().all(|seq| due.contains(seq)), "a message in memory of {did} is never written");
        let live_bytes = live.iter().map(|(_, message)| message.envelope.len()).sum::<usize>();
        let counted = session.live().map_or(0, |live| live.size().1);
        require!(live_bytes == counted, "{did} has {live_bytes} bytes in memory, and counts {counted}");
        census.live_bytes += live_bytes;
        census.open.extend(live.iter().map(|(_, message)| message.key));
        Ok(())
    }

    fn check_mode(
        &self,
        slot: AgentSlot,
        agent: &Agent,
        session: &AgentSession,
        steady_ms: u64,
    ) -> Result<(), String> {
        let did = &agent.did;
        let in_flight = session.window.contents().filter_map(|(_, content)| row_of(content));
        let mut in_flight: Vec<RowId> = in_flight.collect();
        in_flight.sort_unstable();
        let sent = agent.rows.keys().copied().filter(|row| session.has_in_flight(*row));
        let sent: Vec<RowId> = sent.collect();
        require!(sent == in_flight, "{did} has sent {sent:?}, and {in_flight:?} is in flight");
        let DeliveryMode::Backlog(backlog) = &session.mode else { return Ok(()) };
        let above = |row: &RowId| *row > backlog.sent_upto() && agent.rows.contains_key(row);
        require!(backlog.ahead().iter().all(above), "{did} has rows ahead that are not there");
        let waiting = agent.rows.iter().find(|(row, _)| !backlog.has_sent(**row));
        match backlog.load {
            PageLoad::Idle => {
                let (number, next) = waiting.ok_or_else(|| format!("{did} is in backlog without one"))?;
                let can_go = next.committed
                    && session.window.has_capacity(next.size as usize)
                    && next.expires_ms > steady_ms;
                require!(!can_go, "row {number} of {did} waits for nothing");
            }
            PageLoad::Pending { upto } => {
                require!(upto > backlog.sent_upto(), "{did} reads rows that it has sent");
            }
            PageLoad::Failed => {
                let retried = self.failed_loads.iter().any(|load| load.is_for(slot, session.epoch));
                require!(retried, "the failed load of {did} is not repeated");
            }
        }
        Ok(())
    }

    fn check_removed<'a>(&'a self, census: &mut Census<'a>) {
        for mailbox in self.removed.iter() {
            census.count(mailbox.tenant.as_str(), mailbox.rows.values());
            for (number, row) in &mailbox.rows {
                let waits = self.expiry.rows().contains(&(row.check_ms, mailbox.slot, *number));
                census.expiry += usize::from(waits);
            }
        }
    }

    fn check_budgets(&self, census: &Census<'_>) -> Result<(), String> {
        require!(census.usage == self.usage, "the mailboxes hold {:?}, not {:?}", census.usage, self.usage);
        for (tenant, budget) in &self.tenants {
            let held = census.by_tenant.get(tenant.as_str()).copied().unwrap_or_default();
            require!(held == budget.usage, "{tenant:?} holds {held:?}, not {:?}", budget.usage);
            let members = |slot| self.agents.agent(slot).is_some_and(|agent| agent.tenant == *tenant);
            let writing = self.pending_writes.iter().filter(|written| members(written.mailbox)).count();
            require!(writing == budget.writing, "{tenant:?} writes {writing}, not {} rows", budget.writing);
            let leaves = held.messages > 0 || self.removed.iter().any(|mailbox| mailbox.tenant == *tenant);
            require!(leaves || !budget.removed, "{tenant:?} was removed and is still there");
        }
        require!(census.expiry == self.expiry.rows().len(), "the expiry queue has rows that are not there");
        let pending: usize = self.pending_writes.iter().map(|written| written.size).sum();
        let held = census.live_bytes + pending;
        require!(held == self.held_bytes, "{held} bytes are held, not {}", self.held_bytes);
        require!(held <= self.limits.held_bytes_max, "{held} bytes are held, more than allowed");
        let numbers: Vec<RowId> = self.pending_writes.iter().map(|written| written.row).collect();
        require!(numbers.is_sorted(), "rows are written out of order: {numbers:?}");
        let is_written = |row: &RowId| numbers.binary_search(row).is_ok();
        require!(census.uncommitted.iter().all(is_written), "a row waits for a commit that does not come");
        let failed = !self.pending_writes.takes_notices();
        require!(failed || !self.pending_writes.has_uncertain(), "ids are refused although the store works");
        Ok(())
    }

    fn check_ids(&self, census: &Census<'_>, steady_ms: u64) -> Result<(), String> {
        let mut open = 0;
        let is_unsent = |key: MessageKey| {
            self.unsent_notices.iter().any(|notice| notice.sender == Some(key.sender) && notice.id == key.id)
        };
        for sender in self.dedup.senders() {
            let mut waits = 0;
            for (key, entry) in self.dedup.open_of(sender) {
                open += usize::from(entry.is_undecided());
                match entry.state {
                    OpenState::Waiting { .. } => waits += 1,
                    OpenState::Ending => {
                        require!(census.ending.contains(&key) || is_unsent(key), "{key:?} never ends");
                    }
                    OpenState::Released => {}
                }
            }
            let known = self.agents.agent(sender).is_some() || self.dedup.remembered(sender) == 0;
            require!(known, "ids of the removed {sender:?} are remembered");
            require!(waits <= self.limits.unanswered_sends, "{sender:?} waits for {waits} answers");
        }
        let present = census.open.iter().filter(|key| self.agents.agent(key.sender).is_some());
        let mut messages = 0;
        for key in present {
            messages += 1;
            let entry = self.dedup.open(*key);
            require!(entry.is_some_and(OpenEntry::is_undecided), "{key:?} is open, and {entry:?}");
        }
        require!(open == messages, "{open} ids are open, and {messages} messages");
        self.dedup.check()?;
        let count = self.dedup.len();
        require!(count <= self.limits.dedup_entries_max, "{count} ids are remembered");
        let mut unstored = 0;
        for (key, _) in self.unstored.iter() {
            unstored += 1;
            require!(self.dedup.find(*key, steady_ms).is_none(), "{key:?} is unstored and remembered");
        }
        require!(unstored == census.unstored, "{unstored} unstored messages, {} in flight", census.unstored);
        Ok(())
    }
}

impl<'a> Census<'a> {
    fn count(&mut self, tenant: &'a str, rows: impl Iterator<Item = &'a MailboxRow>) {
        let of_tenant = self.by_tenant.entry(tenant).or_default();
        for row in rows {
            self.usage.add(row.size);
            of_tenant.add(row.size);
        }
    }
}

const fn row_of(content: Content) -> Option<RowId> {
    match content {
        Content::Row(row) => Some(row),
        _ => None,
    }
}
