//! Reduces the content of an entry to the members that a relay knows, and computes its digest.
//! Pure.
//!
//! A relay refuses members that it does not know, so that a newer operator must not send them to an
//! older relay.

use std::collections::BTreeSet;

use protocol::admin::{AgentSpec, TenantSpec, capability};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::entry_path::EntryPath;
use super::entry_table::Digest;

/// The members that were added after the first version of the admin API, with the capability of a
/// relay that knows them.
const ADDED_MEMBERS: [(&str, &str); 1] = [("deletionPolicy", capability::DELETION_POLICY)];

/// The content of one entry as one relay gets it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RelayContent {
    pub body: Value,
    /// The body of an agent, for a batch.
    pub agent: Option<AgentSpec>,
    pub digest: Digest,
}

impl RelayContent {
    /// The content at `path` for a relay with these capabilities.
    pub(super) fn new(path: &str, body: &Value, capabilities: &BTreeSet<String>) -> Self {
        let body = known_members(body, capabilities);
        match EntryPath::parse(path) {
            Some(EntryPath::Agent(..)) => {
                let agent = serde_json::from_value::<AgentSpec>(body.clone()).ok();
                let digest = agent.as_ref().and_then(|agent| parse_digest(&agent.digest()));
                Self { digest: digest.unwrap_or_else(|| sha256(&body)), agent, body }
            }
            Some(EntryPath::Tenant(_)) => {
                let tenant = serde_json::from_value::<TenantSpec>(body.clone()).ok();
                let digest = tenant.and_then(|tenant| parse_digest(&tenant.digest()));
                Self { digest: digest.unwrap_or_else(|| sha256(&body)), agent: None, body }
            }
            None => Self { digest: sha256(&body), agent: None, body },
        }
    }
}

/// The body without the members that a relay with these capabilities does not know.
fn known_members(body: &Value, capabilities: &BTreeSet<String>) -> Value {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        for (member, capability) in ADDED_MEMBERS {
            if !capabilities.contains(capability) {
                members.remove(member);
            }
        }
    }
    body
}

fn sha256(body: &Value) -> Digest {
    Sha256::digest(body.to_string()).into()
}

/// Reads a digest of the relay's listing.
pub(super) fn parse_digest(hexadecimal: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if hexadecimal.len() != 2 * digest.len() || !hexadecimal.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hexadecimal.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::admin::{AgentKey, DeletionPolicy, McpSpec};
    use serde_json::json;

    const AGENT: &str = "/admin/v1/tenants/acme/agents/alice";
    const TENANT: &str = "/admin/v1/tenants/acme";

    fn agent() -> AgentSpec {
        AgentSpec {
            root_key: Some("z6Mk".into()),
            suspended: true,
            keys: vec![AgentKey { sha256: "00".repeat(32).parse().unwrap(), not_after: Some(7) }],
            mcp: Some(McpSpec { url: "https://a.example/mcp".into(), accounts: vec![], endpoint: None }),
            deletion_policy: Some(DeletionPolicy::Retain),
            ..AgentSpec::default()
        }
    }

    fn tenant() -> TenantSpec {
        TenantSpec {
            display_name: "Acme".into(),
            deletion_policy: Some(DeletionPolicy::Purge),
            ..TenantSpec::default()
        }
    }

    /// The bodies of the version before there were capabilities.
    #[test]
    fn a_relay_without_capabilities_gets_the_bodies_of_the_first_version() {
        let none = BTreeSet::new();
        let agent = RelayContent::new(AGENT, &serde_json::to_value(agent()).unwrap(), &none);
        let golden = json!({
            "rootKey": "z6Mk",
            "suspended": true,
            "keys": [{"sha256": "00".repeat(32), "notAfter": 7}],
            "mcp": {"url": "https://a.example/mcp", "accounts": []},
        });
        assert_eq!(agent.body, golden);
        let tenant = RelayContent::new(TENANT, &serde_json::to_value(tenant()).unwrap(), &none);
        assert_eq!(tenant.body, json!({"displayName": "Acme", "suspended": false}));
    }

    #[test]
    fn a_relay_that_knows_a_member_gets_it() {
        let knows = BTreeSet::from([capability::DELETION_POLICY.to_owned(), "newer".to_owned()]);
        let content = RelayContent::new(AGENT, &serde_json::to_value(agent()).unwrap(), &knows);
        assert_eq!(content.body["deletionPolicy"], "Retain");
        assert_eq!(content.agent, Some(agent()));
    }

    #[test]
    fn the_digest_is_the_one_that_the_relay_lists() {
        let knows = BTreeSet::from([capability::DELETION_POLICY.to_owned()]);
        let content = RelayContent::new(AGENT, &serde_json::to_value(agent()).unwrap(), &knows);
        assert_eq!(Some(content.digest), parse_digest(&agent().digest()));
        let content = RelayContent::new(TENANT, &serde_json::to_value(tenant()).unwrap(), &knows);
        assert_eq!(Some(content.digest), parse_digest(&tenant().digest()));
        let reduced = AgentSpec { deletion_policy: None, ..agent() };
        let content = RelayContent::new(AGENT, &serde_json::to_value(agent()).unwrap(), &BTreeSet::new());
        assert_eq!(Some(content.digest), parse_digest(&reduced.digest()), "of what the relay gets");
    }

    #[test]
    fn a_text_that_is_no_digest_is_none() {
        for text in ["", "00", &"0g".repeat(32), &"ä".repeat(32), &"00".repeat(33)] {
            assert_eq!(parse_digest(text), None, "{text}");
        }
    }
}
