//! Finding other agents: by capability, and by DID.

use protocol::frame::{DiscoverParams, DiscoverResult, DiscoveredAgent, method};
use protocol::record::{Card, VerifiedRecord};
use protocol::{Did, UnixSeconds, multikey};

use crate::{Agent, Error};

/// Agents that one call of [`Agent::discover`] returns at most; more need a narrower question.
const FOUND_MAX: usize = 1000;

/// An agent as its verified record shows it.
#[derive(Debug, Clone)]
pub struct Contact {
    pub did: Did,
    pub card: Card,
    /// Multikey; pinned since first sight.
    pub root_key: String,
    /// When its record was signed.
    pub since: UnixSeconds,
    /// Whether it is connected now.
    pub online: bool,
}

impl Agent {
    /// The agents of the own tenant, at most 1000, that have a capability, or all of them. Their cards are the relay's word; [`lookup`](Self::lookup)
    /// verifies.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Rejected`], [`crate::ErrorKind::Timeout`].
    pub async fn discover(&self, capability: Option<&str>) -> Result<Vec<DiscoveredAgent>, Error> {
        let mut params =
            DiscoverParams { capability: capability.map(str::to_owned), cursor: None, limit: None };
        let mut found = Vec::new();
        loop {
            let page = self.discover_page(&params).await?;
            found.extend(page.agents);
            // A cursor that does not move would ask for ever.
            if page.cursor.is_none() || page.cursor == params.cursor || found.len() >= FOUND_MAX {
                found.truncate(FOUND_MAX);
                return Ok(found);
            }
            params.cursor = page.cursor;
        }
    }

    /// One page of [`discover`](Self::discover).
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    pub async fn discover_page(&self, page: &DiscoverParams) -> Result<DiscoverResult, Error> {
        self.caller.call(method::DISCOVER, page, "cannot discover agents").await
    }

    /// One agent, asked of the relay now and verified against what is known of it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Rejected`] with `not_found`, [`crate::ErrorKind::Unverified`], [`crate::ErrorKind::KeyChanged`].
    pub async fn lookup(&self, did: &Did) -> Result<Contact, Error> {
        let (record, online) = self.shared().contacts.look_up(&self.caller, did).await?;
        let VerifiedRecord { did, keys, card, .. } = record.as_ref();
        Ok(Contact {
            did: did.clone(),
            card: card.clone(),
            root_key: multikey::encode_ed25519(&keys.root),
            since: keys.created,
            online,
        })
    }
}
