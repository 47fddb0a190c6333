//! Finds other agents by capability, and looks one up by DID.

use protocol::direct::DirectEndpoint;
use protocol::frame::{DiscoverParams, DiscoverResult, DiscoveredAgent, method};
use protocol::record::{Card, VerifiedRecord};
use protocol::{Did, UnixSeconds, multikey};

use super::handle::Agent;
use crate::error::Error;

/// The most agents that one call of [`Agent::discover`] returns.
const FOUND_MAX: usize = 1000;

/// Another agent, according to its verified record.
#[derive(Debug, Clone)]
pub struct Contact {
    pub did: Did,
    pub card: Card,
    /// The root key as a Multikey.
    pub root_key: String,
    /// Why the root key is believed to be that of the agent.
    pub trust: Trust,
    /// When the record was signed.
    pub since: UnixSeconds,
    /// Whether the agent is connected now.
    pub online: bool,
    /// Where the agent can be reached without the relay. Its root key has signed that.
    pub direct_endpoints: Vec<DirectEndpoint>,
}

/// Why the root key of another agent is believed to be right. Its record is signed with that key in
/// either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The application was given the key ([`Config::with_anchor`](crate::Config::with_anchor)).
    Anchored,
    /// The relay named it at the first contact, and it was the same ever since. A relay that lied
    /// then can read and forge what is exchanged with that agent.
    FirstContact,
}

impl Agent {
    /// The agents of this agent's tenant that have a capability, or all of them; at most 1000.
    /// Their cards come from the relay unverified; [`lookup`](Self::lookup) verifies one.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected),
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout).
    pub async fn discover(&self, capability: Option<&str>) -> Result<Vec<DiscoveredAgent>, Error> {
        let mut params =
            DiscoverParams { capability: capability.map(str::to_owned), cursor: None, limit: None };
        let mut found = Vec::new();
        loop {
            let page = self.discover_page(&params).await?;
            found.extend(page.agents);
            // A cursor that stays the same would never end.
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
    /// Those of [`discover`](Self::discover).
    pub async fn discover_page(&self, page: &DiscoverParams) -> Result<DiscoverResult, Error> {
        self.sender.rpc().call(method::DISCOVER, page, "cannot discover agents").await
    }

    /// Fetches an agent's record from the relay and verifies it against the pinned root key.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) with `not_found`,
    /// [`ErrorKind::Unverified`](crate::ErrorKind::Unverified),
    /// [`ErrorKind::KeyChanged`](crate::ErrorKind::KeyChanged).
    pub async fn lookup(&self, did: &Did) -> Result<Contact, Error> {
        let (record, online) = self.state().contacts.look_up(self.sender.rpc(), did).await?;
        let anchored = self.state().contacts.is_anchored(did);
        let VerifiedRecord { did, keys, card, .. } = record.as_ref();
        Ok(Contact {
            did: did.clone(),
            card: card.clone(),
            root_key: multikey::encode_ed25519(&keys.root),
            trust: if anchored { Trust::Anchored } else { Trust::FirstContact },
            since: keys.created,
            online,
            direct_endpoints: record.direct_endpoints(),
        })
    }
}
