//! The mailbox: writing messages into it, and serving it in pages to a session that can take more.

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};

use super::agent::{Ending, Row, RowContent};
use super::effect::{Tally, WriteContent, WriteRow};
use super::ledger::MessageKey;
use super::limits::{NOTICE_TTL_SECS, PAGE_ROWS};
use super::window::{Content, Flight, Fresh, Load};
use super::{AgentKey, Core, Effect, Now, RowId, Write};

impl Core {
    /// From now on everything for this recipient goes through its mailbox, after what is in flight.
    pub(super) fn enter_backlog(&mut self, key: AgentKey, now: Now, out: &mut Vec<Effect>) {
        let Some(session) = self.roster.agent_mut(key).and_then(|a| a.session.as_mut()) else { return };
        if session.backlog {
            return;
        }
        session.backlog = true;
        out.push(Effect::Count(Tally::Backlog));
        self.spill(key, now, out);
    }

    /// Writes what is only in memory, in order.
    pub(super) fn spill(&mut self, key: AgentKey, now: Now, out: &mut Vec<Effect>) {
        let session = self.roster.agent(key).and_then(|a| a.session.as_ref());
        for seq in session.map(super::window::Session::fresh_seqs).unwrap_or_default() {
            self.settle(key, seq, now, out);
        }
    }

    /// Writes one delivery that is only in memory; the sender is told when it is on the disk, or that it will not be.
    pub(super) fn settle(&mut self, mailbox: AgentKey, seq: u64, now: Now, out: &mut Vec<Effect>) {
        let session = self.roster.agent(mailbox).and_then(|a| a.session.as_ref());
        let Some(fresh) = session.and_then(|s| s.fresh_at(seq)).cloned() else { return };
        let content = if self.roster.agent(fresh.key.sender).is_none() {
            // Its sender was removed: nobody was promised anything, and nobody could be told.
            self.held_bytes -= fresh.envelope.len();
            Content::Ephemeral
        } else if self.journal.failed() {
            self.held_bytes -= fresh.envelope.len();
            self.disclaim(fresh.key, Reason::StorageUnavailable, out);
            Content::Unstored(fresh.key)
        } else {
            Content::Row(self.write_message(mailbox, &fresh, now, out))
        };
        if let Some(session) = self.roster.agent_mut(mailbox).and_then(|a| a.session.as_mut()) {
            session.settle(seq, content);
        }
    }

    pub(super) fn write_message(
        &mut self,
        mailbox: AgentKey,
        fresh: &Fresh,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> RowId {
        let size = fresh.envelope.len();
        let row = self.journal.begin(mailbox, size);
        let content = RowContent::Message { sender: Some(fresh.key.sender) };
        self.index_row(mailbox, row, fresh.key.id, size, fresh.expires, content, false);
        let digest = self.ledger.entry_mut(fresh.key).map_or(0, |entry| entry.digest);
        out.push(Effect::Write(Write::Insert(WriteRow {
            row,
            recipient: self.name(mailbox),
            peer: self.name(fresh.key.sender),
            id: fresh.key.id,
            digest,
            accepted: now.unix,
            expires: fresh.expires,
            content: WriteContent::Message(fresh.envelope.clone()),
        })));
        row
    }

    /// Tells a sender, durably, what became of a message it knows as stored. The message's row leaves the store after that:
    /// a crash in between tells the sender twice, never not at all.
    pub(super) fn end_message(&mut self, ending: Ending, now: Now, out: &mut Vec<Effect>) {
        let Some(sender) = ending.sender.filter(|key| self.roster.agent(*key).is_some()) else {
            return out.push(Effect::Write(Write::Remove { row: ending.row }));
        };
        let Ending { about, id, outcome, row: ends, .. } = ending;
        self.enter_backlog(sender, now, out);
        let row = self.journal.begin(sender, 0);
        let expires = now.unix + NOTICE_TTL_SECS;
        let (at, ends) = (now.unix, Some(ends));
        let content = RowContent::Notice { about: about.clone(), outcome, at, ends };
        self.index_row(sender, row, id, 0, expires, content, false);
        out.push(Effect::Write(Write::Insert(WriteRow {
            row,
            recipient: self.name(sender),
            peer: about,
            id,
            digest: 0,
            accepted: now.unix,
            expires,
            content: WriteContent::Notice(outcome),
        })));
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub(super) fn index_row(
        &mut self,
        mailbox: AgentKey,
        row: RowId,
        id: MessageId,
        size: usize,
        expires: u64,
        content: RowContent,
        committed: bool,
    ) {
        let Some(agent) = self.roster.agent_mut(mailbox) else { return };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        agent.rows.insert(row, Row { id, size, expires, content, committed });
        agent.row_bytes += u64::from(size);
        self.row_count += 1;
        self.row_bytes += u64::from(size);
        self.expiry.insert(expires, mailbox, row);
    }

    /// Takes a row out of the index. The caller takes it out of the store.
    pub(super) fn take_row(&mut self, mailbox: AgentKey, row: RowId) -> Option<Row> {
        let agent = self.roster.agent_mut(mailbox)?;
        let taken = agent.rows.remove(&row)?;
        agent.row_bytes -= u64::from(taken.size);
        self.row_count -= 1;
        self.row_bytes -= u64::from(taken.size);
        self.expiry.remove(taken.expires, mailbox, row);
        Some(taken)
    }

    /// Sends what the mailbox holds, as far as the window allows: notices from memory, messages by asking for a page.
    pub(super) fn pump(&mut self, key: AgentKey, out: &mut Vec<Effect>) {
        loop {
            let Some(agent) = self.roster.agent_mut(key) else { return };
            let Some(session) = agent.session.as_mut().filter(|s| s.backlog && s.load == Load::None) else {
                return;
            };
            let Some((&row, next)) = agent.rows.range(session.sent_upto + 1..).next() else {
                session.backlog = false;
                return;
            };
            if !next.committed || !session.has_room(next.size as usize) {
                return;
            }
            let RowContent::Notice { about, outcome, at, .. } = &next.content else {
                self.ask_page(key, out);
                return;
            };
            let seq = session.push(Flight { size: 0, content: Content::Row(row) });
            let (conn, epoch, id) = (session.conn, session.epoch, next.id);
            let (to, outcome, at) = (about.clone(), *outcome, *at);
            out.push(Effect::Notice { conn, epoch, seq, id, to, outcome, at });
        }
    }

    /// Asks for the next messages up to the first notice, uncommitted row, or the end of the window.
    fn ask_page(&mut self, key: AgentKey, out: &mut Vec<Effect>) {
        let Some(agent) = self.roster.agent_mut(key) else { return };
        let Some(session) = agent.session.as_mut() else { return };
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for (&row, found) in agent.rows.range(session.sent_upto + 1..).take(PAGE_ROWS) {
            let size = found.size as usize;
            let message = matches!(found.content, RowContent::Message { .. });
            if !found.committed || !message || !session.has_room_after(rows.len(), bytes, size) {
                break;
            }
            rows.push(row);
            bytes += size;
        }
        let Some(&upto) = rows.last() else { return };
        session.load = Load::UnderWay { upto };
        out.push(Effect::Load { agent: key, epoch: session.epoch, rows });
    }

    pub(super) fn loaded(
        &mut self,
        key: AgentKey,
        epoch: u64,
        page: Vec<(RowId, Bytes)>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(agent) = self.roster.agent_mut(key) else { return };
        let Some(session) = agent.session.as_mut().filter(|s| s.epoch == epoch) else { return };
        let Load::UnderWay { upto } = session.load else { return };
        session.load = Load::None;
        let asked: Vec<RowId> = agent.rows.range(session.sent_upto + 1..=upto).map(|(row, _)| *row).collect();
        let mut page = page.into_iter().peekable();
        for row in asked {
            while page.next_if(|(r, _)| *r < row).is_some() {}
            let Some((_, envelope)) = page.next_if(|(r, _)| *r == row) else {
                self.give_up_row(key, row, now, out);
                continue;
            };
            if !self.deliver_row(key, row, envelope, out) {
                // No room any more; asked for again when there is.
                break;
            }
        }
        self.pump(key, out);
    }

    fn deliver_row(&mut self, key: AgentKey, row: RowId, envelope: Bytes, out: &mut Vec<Effect>) -> bool {
        let session = self.roster.agent_mut(key).and_then(|a| a.session.as_mut());
        let Some(session) = session.filter(|s| s.has_room(envelope.len())) else { return false };
        let seq = session.push(Flight { size: envelope.len(), content: Content::Row(row) });
        out.push(Effect::Deliver { conn: session.conn, epoch: session.epoch, seq, envelope });
        true
    }

    /// The store has lost this row. The sender is told; nothing else can be done.
    fn give_up_row(&mut self, mailbox: AgentKey, row: RowId, now: Now, out: &mut Vec<Effect>) {
        let about = self.name(mailbox);
        let Some(taken) = self.take_row(mailbox, row) else { return };
        if let RowContent::Message { sender } = taken.content {
            let outcome = Outcome::Dropped;
            self.end_message(Ending { sender, about, id: taken.id, outcome, row }, now, out);
        }
        out.push(Effect::Count(Tally::Unreadable));
    }

    pub(super) fn load_failed(&mut self, key: AgentKey, epoch: u64) {
        let session = self.roster.agent_mut(key).and_then(|a| a.session.as_mut());
        if let Some(session) = session.filter(|s| s.epoch == epoch) {
            session.load = Load::Failed;
            self.failed_loads.push(key);
        }
    }

    pub(super) fn retry_loads(&mut self, out: &mut Vec<Effect>) {
        for key in std::mem::take(&mut self.failed_loads) {
            let session = self.roster.agent_mut(key).and_then(|a| a.session.as_mut());
            if let Some(session) = session.filter(|s| s.load == Load::Failed) {
                session.load = Load::None;
                self.pump(key, out);
            }
        }
    }

    pub(super) fn stored(&mut self, upto: RowId, out: &mut Vec<Effect>) {
        let mut served = Vec::new();
        while let Some(done) = self.journal.end_upto(upto) {
            self.held_bytes -= done.size;
            let Some(agent) = self.roster.agent_mut(done.mailbox) else { continue };
            let waits = agent.session.as_ref().is_some_and(|s| s.backlog);
            if waits && served.last() != Some(&done.mailbox) {
                served.push(done.mailbox);
            }
            let Some(row) = agent.rows.get_mut(&done.row) else { continue };
            row.committed = true;
            match &mut row.content {
                RowContent::Message { sender: Some(sender) } => {
                    let key = MessageKey { sender: *sender, id: row.id };
                    self.decide(key, SendStatus::Stored, out);
                }
                RowContent::Message { sender: None } => {}
                RowContent::Notice { ends, .. } => {
                    out.extend(ends.take().map(|row| Effect::Write(Write::Remove { row })));
                }
            }
        }
        for mailbox in served {
            self.pump(mailbox, out);
        }
    }

    pub(super) fn store_failed(&mut self, upto: RowId, out: &mut Vec<Effect>) {
        self.journal.set_failed(true);
        while let Some(done) = self.journal.end_upto(upto) {
            self.held_bytes -= done.size;
            let Some(row) = self.take_row(done.mailbox, done.row) else { continue };
            match row.content {
                RowContent::Message { sender: Some(sender) } => {
                    let key = MessageKey { sender, id: row.id };
                    self.message_refused(done.mailbox, done.row, key, out);
                }
                RowContent::Message { sender: None } => {}
                RowContent::Notice { about, outcome, ends, .. } => {
                    let (sender, id) = (Some(done.mailbox), row.id);
                    let ending = ends.map(|row| Ending { sender, about, id, outcome, row });
                    self.untold.extend(ending);
                }
            }
        }
        self.pump_all(out);
    }

    fn message_refused(&mut self, mailbox: AgentKey, row: RowId, key: MessageKey, out: &mut Vec<Effect>) {
        self.disclaim(key, Reason::StorageUnavailable, out);
        let session = self.roster.agent_mut(mailbox).and_then(|a| a.session.as_mut());
        let in_flight = session.is_some_and(|s| s.row_refused(row, key));
        if !in_flight {
            self.ledger.remove(key);
        }
    }

    pub(super) fn store_recovered(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.journal.set_failed(false);
        for ending in std::mem::take(&mut self.untold) {
            self.end_message(ending, now, out);
        }
        self.pump_all(out);
    }

    /// After the store's state changed, rows that others waited behind may be gone.
    fn pump_all(&mut self, out: &mut Vec<Effect>) {
        let keys: Vec<AgentKey> =
            self.roster.iter().filter(|(_, a)| a.session.is_some()).map(|(k, _)| k).collect();
        for key in keys {
            self.pump(key, out);
        }
    }
}
