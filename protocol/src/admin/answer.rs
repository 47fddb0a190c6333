//! Reads answers of a relay that is newer than their reader: what is unknown is left out, and is
//! never taken for something else.

use serde::{Deserialize, Deserializer};

use super::{DeletionPolicy, TenantSpec};
use crate::Reason;
use crate::record::Card;

/// [`TenantSpec`] with members that are ignored. A request has none.
#[derive(Deserialize)]
#[serde(remote = "TenantSpec", rename_all = "camelCase")]
struct TenantSpecAnswer {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    suspended: bool,
    #[serde(default)]
    agents_max: Option<u32>,
    #[serde(default)]
    deletion_policy: Option<DeletionPolicy>,
}

pub(super) fn tenant_spec<'de, D: Deserializer<'de>>(answer: D) -> Result<TenantSpec, D::Error> {
    TenantSpecAnswer::deserialize(answer)
}

/// A card that this version cannot read is left out.
pub(super) fn card<'de, D: Deserializer<'de>>(answer: D) -> Result<Option<Card>, D::Error> {
    let card = Option::<serde_json::Value>::deserialize(answer)?;
    Ok(card.and_then(|card| serde_json::from_value(card).ok()))
}

/// A reason that this version does not know is [`Reason::Internal`]: something was refused, and the
/// detail of the problem says why.
pub(super) fn reason<'de, D: Deserializer<'de>>(answer: D) -> Result<Reason, D::Error> {
    let reason = serde_json::Value::deserialize(answer)?;
    Ok(serde_json::from_value(reason).unwrap_or(Reason::Internal))
}

pub(super) fn optional_reason<'de, D: Deserializer<'de>>(answer: D) -> Result<Option<Reason>, D::Error> {
    reason(answer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use crate::admin::*;

    fn read<T: DeserializeOwned>(answer: Value) -> T {
        serde_json::from_value(answer).unwrap()
    }

    /// The answers of a newer relay, each with members and values that this version does not know.
    #[test]
    fn answers_of_a_newer_relay_are_read_without_what_is_new_in_them() {
        let version: Version = read(json!({
            "version": 7, "instance": "i", "domain": "example.com", "build": "relay 9.0.0",
            "capabilities": ["owners", "teleport"], "shards": 4,
        }));
        assert!(version.capabilities.contains("owners"));
        let applied: Applied = read(json!({"version": 7, "endpoint": "shape_conflict", "new": true}));
        assert_eq!(applied.endpoint, Some(Reason::Internal));

        let tenant: Page<TenantView> = read(json!({"new": 1, "items": [{
            "tenant": "acme", "agents": 1, "owner": "registry:7", "digest": "d", "new": 1,
            "spec": {"displayName": "Acme", "suspended": true, "region": "eu"},
        }]}));
        let [TenantView { spec, owner, .. }] = tenant.items.as_slice() else { panic!("one tenant") };
        assert!(spec.suspended, "{spec:?}");
        // Somebody owns it. That is not the same as nobody.
        assert_eq!(*owner, Some(Owner::Newer("registry:7".into())));

        let agent: AgentView = read(json!({
            "did": "did:wba:example.com:agent:acme:alice", "suspended": false, "registered": true, "online": true,
            "pending": 3, "new": 1, "card": {"name": "Alice", "colour": "red"},
            "keys": [{"keyId": "k_0123456789ab", "notAfter": 5, "new": 1}], "owner": "command-line",
        }));
        assert_eq!((agent.pending, agent.keys.len(), agent.card), (3, 1, None));
        let invitation: InvitationView =
            read(json!({"id": "i", "agent": "alice", "expires": 5, "used": false, "new": 1}));
        assert_eq!(invitation.expires, 5);
        let batch: BatchApplied = read(json!({"new": 1, "results": [{"applied": {"version": 7, "new": 1}}]}));
        assert_eq!(batch.results, [BatchResult::Applied(Applied::at(7))]);
        let problem: Problem = read(json!({
            "type": "about:blank", "title": "t", "status": 409, "reason": "shape_conflict", "detail": "why", "new": 1,
        }));
        assert_eq!((problem.reason, problem.detail.as_deref()), (Reason::Internal, Some("why")));
    }

    /// The answers of the previous relay, which no longer change.
    #[test]
    fn answers_of_the_previous_relay_are_read() {
        let version: Version =
            read(json!({"version": 7, "instance": "i", "domain": "example.com", "build": "relay 0.1.0"}));
        assert!(version.capabilities.is_empty());
        assert_eq!(read::<Applied>(json!({"version": 7})), Applied::at(7));
        let tenant: TenantView = read(json!({
            "tenant": "acme", "spec": {"displayName": "Acme", "suspended": false, "agentsMax": 5}, "agents": 1,
        }));
        assert_eq!((tenant.spec.agents_max, tenant.owner, tenant.digest), (Some(5), None, None));
        let agent: AgentView = read(json!({
            "did": "did:wba:example.com:agent:acme:alice", "suspended": false, "keys": [], "registered": false,
            "online": false, "pending": 0,
        }));
        assert_eq!((agent.owner, agent.digest, agent.deletion_policy), (None, None, None));
        let problem: Problem = read(json!({
            "type": "about:blank", "title": "t", "status": 404, "reason": "not_found",
        }));
        assert_eq!(problem.reason, Reason::NotFound);
    }

    #[test]
    fn a_request_with_an_unknown_member_is_still_an_error() {
        let read = |body: &str| {
            let tenant = serde_json::from_str::<TenantSpec>(body).map(|_| ());
            [tenant, serde_json::from_str::<AgentSpec>(body).map(|_| ())]
        };
        for refused in read("{\"suspended\": true, \"new\": 1}") {
            assert!(refused.unwrap_err().to_string().contains("unknown field `new`"));
        }
    }
}
