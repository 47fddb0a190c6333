//! A verified and decrypted message before the application has it.

use protocol::UnixSeconds;
use protocol::envelope::{Class, Content, Header};
use protocol::limits::{CLOCK_SKEW_GRACE_SECONDS, EPHEMERAL_TTL_SECONDS, MAX_TTL_SECONDS};

use crate::evidence::Evidence;
use crate::state_machine::MessageKey;

pub(crate) struct Received {
    pub(crate) header: Header,
    pub(crate) content: Content,
    pub(crate) evidence: Evidence,
}

impl Received {
    pub(crate) fn is_reliable(&self) -> bool {
        self.header.class == Class::Reliable
    }

    pub(crate) fn key(&self) -> MessageKey {
        (self.header.from.clone(), self.header.id)
    }

    /// The time from which every copy of the message is refused as too old.
    pub(crate) fn until(&self) -> UnixSeconds {
        let Header { class, ttl, time, .. } = &self.header;
        let lifetime = match class {
            Class::Reliable => ttl.unwrap_or(MAX_TTL_SECONDS).saturating_add(CLOCK_SKEW_GRACE_SECONDS),
            Class::Ephemeral => EPHEMERAL_TTL_SECONDS,
        };
        time.saturating_add(lifetime)
    }
}
