//! Decides on which way the messages to one agent go: over a direct connection (a link) or through
//! the relay, so that none is lost and the order holds.
//!
//! A link and the relay each keep their order. So the recipient, which shows a message once, shows
//! all of them in order as long as one rule holds: **a message goes on a way only if each earlier
//! one went on the same way before it, or has arrived.** After a switch the earlier messages
//! therefore go first, under their ids, and the recipient is asked beforehand which of them it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use protocol::envelope::MessageId;

/// How long a message waits for a direct connection, and for its answer there, before the relay
/// gets it as well.
pub const FALLBACK_TIMEOUT: Duration = Duration::from_millis(700);
/// How long a link with unanswered messages may be silent before it is pinged. The second half of
/// the fallback is for the answer.
pub const LINK_PING_INTERVAL: Duration = Duration::from_millis(350);
/// How often the recipient is asked about a message that it must have before the link is used.
pub const SEEN_QUERY_INTERVAL: Duration = Duration::from_secs(1);
/// Messages to one agent that are kept after the relay has stored them, until they have arrived: a
/// quarter of a window. After more of them, a link is used when the recipient has the last one.
pub const STORED_KEPT_MAX: usize = 64;
/// Bytes of such messages to one agent: a quarter of a window.
pub const STORED_KEPT_BYTES_MAX: usize = 256 * 1024;
/// Messages that one query asks about.
const QUERY_IDS_MAX: usize = protocol::direct::SEEN_IDS_MAX;

/// The number of a direct connection. It rises.
pub type LinkId = u64;

/// What must be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathAction {
    /// Write the message to the link.
    Write { link: LinkId, id: MessageId },
    /// Ask over the link which of these messages the recipient has.
    AskSeen { link: LinkId, ids: Vec<MessageId> },
    /// Ping the link.
    Ping { link: LinkId },
    /// Close the link, which does not answer.
    Close { link: LinkId },
    /// Give the message to the relay.
    AskRelay { id: MessageId },
}

/// How far the relay is with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelayStep {
    Unasked,
    Asked,
    Stored,
    Failed,
}

/// A message that is not known to have arrived.
#[derive(Debug)]
struct UnsettledSend {
    id: MessageId,
    bytes: usize,
    queued: Duration,
    /// Whether any link had it.
    written: bool,
    /// The link over which the recipient said that it does not have it.
    checked: Option<LinkId>,
    relay: RelayStep,
}

/// A direct connection that is open.
#[derive(Debug)]
struct OpenLink {
    id: LinkId,
    window: usize,
    window_bytes: usize,
    /// What has no answer on this link, by its place in the order: id, bytes, and since when.
    unanswered: BTreeMap<u64, (MessageId, usize, Duration)>,
    unanswered_bytes: usize,
    /// The query without an answer, and since when.
    query: Option<(Vec<MessageId>, Duration)>,
    next_query: Duration,
    heard: Duration,
    pinged: bool,
}

/// The messages to one agent, and the ways to it.
#[derive(Debug, Default)]
pub struct PathSwitch {
    next: u64,
    sends: BTreeMap<u64, UnsettledSend>,
    places: HashMap<MessageId, u64>,
    /// The relay may get these, and did not.
    unasked: BTreeSet<u64>,
    /// The open link did not get these.
    unwritten: BTreeSet<u64>,
    /// The relay has stored these.
    stored: BTreeSet<u64>,
    stored_bytes: usize,
    /// The relay refused these, which an open link has.
    failed: usize,
    /// The last message that the relay has stored and that is no longer kept. A link is used once
    /// the recipient has it.
    barrier: Option<MessageId>,
    link: Option<OpenLink>,
    dialing: bool,
    forgotten: Vec<MessageId>,
}

impl PathSwitch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message. `may_use_relay` is false if it must go directly.
    pub fn push(&mut self, id: MessageId, bytes: usize, may_use_relay: bool, now: Duration) {
        let place = self.next;
        self.next += 1;
        let relay = RelayStep::Unasked;
        let send = UnsettledSend { id, bytes, queued: now, written: false, checked: None, relay };
        self.sends.insert(place, send);
        self.places.insert(id, place);
        self.unwritten.insert(place);
        if may_use_relay {
            self.unasked.insert(place);
        }
    }

    /// Whether a message waits that a link could take, and there is none.
    #[must_use]
    pub fn wants_link(&self) -> bool {
        self.link.is_none() && !self.dialing && !self.sends.is_empty()
    }

    /// The link that is open.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        self.link.as_ref().map(|link| link.id)
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sends.is_empty() && self.link.is_none() && !self.dialing
    }

    pub fn on_dialing(&mut self) {
        self.dialing = true;
    }

    pub fn on_dial_failed(&mut self) {
        self.dialing = false;
    }

    /// Uses this link from now on, in place of an earlier one.
    pub fn on_link(&mut self, id: LinkId, window: usize, window_bytes: usize, now: Duration) {
        self.dialing = false;
        self.link = Some(OpenLink {
            id,
            window,
            window_bytes,
            unanswered: BTreeMap::new(),
            unanswered_bytes: 0,
            query: None,
            next_query: now,
            heard: now,
            pinged: false,
        });
        self.unwritten = self.sends.keys().copied().collect();
    }

    /// Notes that a link has ended. Returns the messages that nothing carries any longer, because
    /// the relay had refused them.
    pub fn on_link_ended(&mut self, id: LinkId) -> Vec<MessageId> {
        if self.link() != Some(id) {
            return Vec::new();
        }
        self.link = None;
        self.unwritten = self.sends.keys().copied().collect();
        let failed = self.sends.values().filter(|send| send.relay == RelayStep::Failed);
        let lost: Vec<_> = failed.map(|send| send.id).collect();
        lost.iter().for_each(|id| self.settle(id));
        lost
    }

    /// Notes when something came from the link last.
    pub fn on_heard(&mut self, link: LinkId, at: Duration) {
        if let Some(open) = self.link.as_mut().filter(|open| open.id == link && open.heard < at) {
            (open.heard, open.pinged) = (at, false);
        }
    }

    /// Notes that the recipient has answered a message on the link: it took it, or refused it.
    pub fn on_answered(&mut self, link: LinkId, id: &MessageId) {
        if let Some(open) = self.link.as_mut().filter(|open| open.id == link) {
            let place = open.unanswered.iter().find(|(_, (known, ..))| known == id).map(|(place, _)| *place);
            if let Some((_, bytes, _)) = place.and_then(|place| open.unanswered.remove(&place)) {
                open.unanswered_bytes -= bytes;
            }
        }
        self.settle(id);
    }

    /// Notes which of the messages of the last query the recipient has.
    pub fn on_seen(&mut self, link: LinkId, processed: &[MessageId], held: &[MessageId], now: Duration) {
        let Some(open) = self.link.as_mut().filter(|open| open.id == link) else { return };
        let Some((asked, _)) = open.query.take() else { return };
        open.next_query = now.saturating_add(SEEN_QUERY_INTERVAL);
        if self.barrier.is_some_and(|id| processed.contains(&id) || held.contains(&id)) {
            self.barrier = None;
        }
        processed.iter().for_each(|id| self.settle(id));
        for id in asked {
            let Some(place) = self.places.get(&id).copied() else { continue };
            let Some(send) = self.sends.get_mut(&place) else { continue };
            send.checked = Some(link);
            // What the relay keeps and the recipient holds comes to an end without its sender.
            if send.relay == RelayStep::Stored && held.contains(&id) {
                self.settle(&id);
            }
        }
    }

    /// Notes that the relay has stored a message.
    pub fn on_relay_stored(&mut self, id: &MessageId) {
        let Some(place) = self.places.get(id).copied() else { return };
        let Some(send) = self.sends.get_mut(&place) else { return };
        send.relay = RelayStep::Stored;
        if self.stored.insert(place) {
            self.stored_bytes += send.bytes;
        }
        while self.stored.len() > STORED_KEPT_MAX || self.stored_bytes > STORED_KEPT_BYTES_MAX {
            let Some(oldest) = self.stored.first().and_then(|place| self.sends.get(place)) else { break };
            let id = oldest.id;
            self.settle(&id);
            self.barrier = Some(id);
        }
    }

    /// Notes that a message has ended at the relay: the recipient acknowledged it, or will never
    /// get it.
    pub fn on_relay_settled(&mut self, id: &MessageId) {
        if self.barrier.as_ref() == Some(id) {
            self.barrier = None;
        }
        self.settle(id);
    }

    /// Notes that the relay does not take a message. Returns whether an open link has it, so that
    /// its sender waits for that.
    pub fn on_relay_failed(&mut self, id: &MessageId) -> bool {
        let Some(place) = self.places.get(id).copied() else { return false };
        if self.link.as_ref().is_some_and(|link| link.unanswered.contains_key(&place)) {
            if let Some(send) = self.sends.get_mut(&place)
                && send.relay != RelayStep::Failed
            {
                send.relay = RelayStep::Failed;
                self.failed += 1;
            }
            return true;
        }
        self.settle(id);
        false
    }

    /// Notes that nobody waits for a message any longer. One that went nowhere is dropped.
    pub fn on_abandoned(&mut self, id: &MessageId) {
        let place = self.places.get(id);
        let unsent = |send: &&UnsettledSend| !send.written && send.relay == RelayStep::Unasked;
        if place.and_then(|place| self.sends.get(place)).filter(unsent).is_some() {
            self.settle(id);
        }
    }

    /// Ends a message, whatever became of it.
    pub fn settle(&mut self, id: &MessageId) {
        let Some(place) = self.places.remove(id) else { return };
        let Some(send) = self.sends.remove(&place) else { return };
        self.unasked.remove(&place);
        self.unwritten.remove(&place);
        if self.stored.remove(&place) {
            self.stored_bytes -= send.bytes;
        }
        self.failed -= usize::from(send.relay == RelayStep::Failed);
        self.forgotten.push(*id);
    }

    /// The messages that ended since the last call: their bytes are no longer needed.
    pub fn take_forgotten(&mut self) -> Vec<MessageId> {
        std::mem::take(&mut self.forgotten)
    }

    /// What must be done now. It counts as done.
    pub fn next_action(&mut self, now: Duration) -> Option<PathAction> {
        self.check_link(now).or_else(|| self.next_for_link(now)).or_else(|| self.next_for_relay(now))
    }

    /// When [`next_action`](Self::next_action) must be asked again, although nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let fallback =
            self.unasked.first().and_then(|place| self.sends.get(place)).filter(|_| self.failed == 0);
        let fallback = fallback.map(|send| send.queued.saturating_add(FALLBACK_TIMEOUT));
        let silent = self.link.as_ref().and_then(|link| {
            let wait = if link.pinged { FALLBACK_TIMEOUT } else { LINK_PING_INTERVAL };
            link.silent_since().map(|since| since.saturating_add(wait))
        });
        let query = self.link.as_ref().filter(|link| link.query.is_none() && self.barrier.is_some());
        let query = query.filter(|_| !self.unwritten.is_empty()).map(|link| link.next_query);
        [fallback, silent, query].into_iter().flatten().min()
    }

    fn check_link(&mut self, now: Duration) -> Option<PathAction> {
        let link = self.link.as_mut()?;
        let since = link.silent_since()?;
        if now >= since.saturating_add(FALLBACK_TIMEOUT) {
            // Once is enough: the link's end is reported.
            link.heard = now;
            return Some(PathAction::Close { link: link.id });
        }
        if !link.pinged && now >= since.saturating_add(LINK_PING_INTERVAL) {
            link.pinged = true;
            return Some(PathAction::Ping { link: link.id });
        }
        None
    }

    fn next_for_link(&mut self, now: Duration) -> Option<PathAction> {
        let link = self.link.as_mut().filter(|link| link.query.is_none())?;
        let place = *self.unwritten.first()?;
        let send = self.sends.get(&place)?;
        let is_blocked = self.barrier.is_some();
        if is_blocked && now < link.next_query {
            return None;
        }
        if is_blocked || send.needs_check(link.id) {
            let unsure = self.unwritten.iter().filter_map(|place| self.sends.get(place));
            let unsure = unsure.filter(|send| send.needs_check(link.id)).map(|send| send.id);
            let ids: Vec<_> = self.barrier.into_iter().chain(unsure).take(QUERY_IDS_MAX).collect();
            link.query = Some((ids.clone(), now));
            return Some(PathAction::AskSeen { link: link.id, ids });
        }
        if !link.has_room(send.bytes) {
            return None;
        }
        let (id, bytes) = (send.id, send.bytes);
        self.unwritten.remove(&place);
        link.unanswered.insert(place, (id, bytes, now));
        link.unanswered_bytes += bytes;
        if let Some(send) = self.sends.get_mut(&place) {
            send.written = true;
        }
        Some(PathAction::Write { link: link.id, id })
    }

    fn next_for_relay(&mut self, now: Duration) -> Option<PathAction> {
        let place = *self.unasked.first().filter(|_| self.failed == 0)?;
        let send = self.sends.get_mut(&place)?;
        let may_wait = self.link.is_some() || self.dialing;
        if may_wait && now < send.queued.saturating_add(FALLBACK_TIMEOUT) {
            return None;
        }
        self.unasked.remove(&place);
        send.relay = RelayStep::Asked;
        Some(PathAction::AskRelay { id: send.id })
    }
}

impl UnsettledSend {
    /// Whether the recipient may have it, and was not asked over this link.
    fn needs_check(&self, link: LinkId) -> bool {
        (self.written || self.relay != RelayStep::Unasked) && self.checked != Some(link)
    }
}

impl OpenLink {
    /// The largest message fits a window that is empty.
    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.unanswered_bytes.saturating_add(bytes) <= self.window_bytes;
        self.unanswered.is_empty() || (self.unanswered.len() < self.window && fits)
    }

    /// Since when an answer is due and nothing came.
    fn silent_since(&self) -> Option<Duration> {
        let asked = self.query.as_ref().map(|(_, at)| *at);
        let written = self.unanswered.first_key_value().map(|(_, (.., at))| *at);
        [asked, written].into_iter().flatten().min().map(|at| at.max(self.heard))
    }
}

#[cfg(test)]
mod tests;
