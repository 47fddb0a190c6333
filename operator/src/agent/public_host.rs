//! Decides which agent may use a public host name: the Relay's `publicHosts`. Pure.
//!
//! Every host name belongs to at most one agent, because the first entry that fits it decides.
//! Without this rule the first Agent that asks for a host name would get it.

use crds::{PublicHost, Relay};
use protocol::did::{AgentName, TenantId};

const TENANT: &str = "{tenant}";
const AGENT: &str = "{agent}";

/// Whether the Relay grants `host` to the agent. The host names of the Relay itself are nobody's:
/// an endpoint must not pass for the relay, its authorization server or its gateway.
pub(super) fn is_granted(relay: &Relay, host: &str, tenant: &TenantId, agent: &AgentName) -> bool {
    if own_hosts(relay).any(|own| own == host) {
        return false;
    }
    let holder = relay.spec.public_hosts.iter().find_map(|entry| holder(entry, host));
    holder.is_some_and(|found| found == (tenant.to_string(), agent.to_string()))
}

/// The host names under which clients reach the Relay's own programs.
fn own_hosts(relay: &Relay) -> impl Iterator<Item = &str> {
    let issuer = relay.spec.oauth.issuer.as_deref().and_then(|url| url.strip_prefix("https://"));
    let issuer = issuer.and_then(|authority| authority.split([':', '/']).next());
    let gateway = relay.spec.gateway.public_url.as_ref().map(crds::PublicUrl::host);
    [Some(relay.spec.domain.as_str()), issuer, gateway].into_iter().flatten()
}

/// The tenant and the agent to whom an entry grants `host`. `None` if the entry does not fit it.
fn holder(entry: &PublicHost, host: &str) -> Option<(String, String)> {
    let (mut tenant, mut agent) = (entry.tenant.clone(), entry.agent.clone());
    let mut labels = host.split('.');
    for pattern in entry.host.split('.') {
        let label = labels.next()?;
        if let Some(around) = pattern.split_once(TENANT) {
            tenant = Some(value(label, around)?);
        } else if let Some(around) = pattern.split_once(AGENT) {
            agent = Some(value(label, around)?);
        } else if pattern != label {
            return None;
        }
    }
    if labels.next().is_some() {
        return None;
    }
    tenant.zip(agent)
}

/// What stands in `label` for a placeholder, if it can be an id.
fn value(label: &str, (before, after): (&str, &str)) -> Option<String> {
    let value = label.strip_prefix(before)?.strip_suffix(after)?;
    let is_id = !value.is_empty() && !value.starts_with('-') && !value.ends_with('-');
    is_id.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn relay(spec: serde_json::Value) -> Relay {
        serde_json::from_value(json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay", "metadata": {"name": "main"}, "spec": spec,
        }))
        .unwrap()
    }

    fn with(hosts: serde_json::Value) -> Relay {
        relay(json!({"domain": "agents.example.com", "publicHosts": hosts}))
    }

    fn granted(relay: &Relay, host: &str, tenant: &str, agent: &str) -> bool {
        is_granted(relay, host, &tenant.parse().unwrap(), &agent.parse().unwrap())
    }

    #[test]
    fn without_entries_nobody_has_a_public_host() {
        assert!(!granted(&with(json!([])), "alice.example.com", "acme", "alice"));
    }

    #[test]
    fn a_pattern_grants_each_agent_its_own_host() {
        let relay = with(json!([{"host": "{agent}.{tenant}.mcp.example.com"}]));
        assert!(granted(&relay, "alice.acme.mcp.example.com", "acme", "alice"));
        assert!(!granted(&relay, "alice.acme.mcp.example.com", "acme", "bob"));
        assert!(!granted(&relay, "alice.acme.mcp.example.com", "globex", "alice"));
        for other in [
            "alice.mcp.example.com",
            "x.alice.acme.mcp.example.com",
            "alice.acme.mcp.example.com.evil.test",
            "alice.acme.mcp.example.org",
            ".acme.mcp.example.com",
        ] {
            assert!(!granted(&relay, other, "acme", "alice"), "{other}");
        }
    }

    #[test]
    fn a_placeholder_can_be_a_part_of_a_label() {
        let relay = with(json!([{"host": "mcp-{agent}-v1.example.com", "tenant": "acme"}]));
        assert!(granted(&relay, "mcp-alice-v1.example.com", "acme", "alice"));
        assert!(
            !granted(&relay, "mcp-alice-v1.example.com", "globex", "alice"),
            "the entry names the tenant"
        );
        assert!(!granted(&relay, "mcp-alice.example.com", "acme", "alice"));
        assert!(!granted(&relay, "mcp--v1.example.com", "acme", "alice"), "a value is not empty");
    }

    #[test]
    fn a_fixed_host_belongs_to_the_agent_that_the_entry_names() {
        let relay = with(json!([{"host": "planner.example.com", "tenant": "acme", "agent": "planner"}]));
        assert!(granted(&relay, "planner.example.com", "acme", "planner"));
        assert!(!granted(&relay, "planner.example.com", "acme", "alice"));
    }

    #[test]
    fn the_first_entry_that_fits_decides() {
        let relay = with(json!([
            {"host": "chief.acme.example.com", "tenant": "globex", "agent": "boss"},
            {"host": "{agent}.{tenant}.example.com"},
        ]));
        assert!(granted(&relay, "chief.acme.example.com", "globex", "boss"));
        assert!(!granted(&relay, "chief.acme.example.com", "acme", "chief"));
        assert!(granted(&relay, "alice.acme.example.com", "acme", "alice"));
    }

    #[test]
    fn the_relays_own_hosts_are_nobodys() {
        let relay = relay(json!({
            "domain": "agents.example.com",
            "oauth": {"issuer": "https://relay.example.com:8443"},
            "gateway": {"enabled": true, "publicURL": "https://mcp.example.com/mcp"},
            "publicHosts": [{"host": "{agent}.example.com", "tenant": "acme"}],
        }));
        for (host, agent) in [("agents", "agents"), ("relay", "relay-x"), ("mcp", "mcp-x")] {
            assert!(!granted(&relay, &format!("{host}.example.com"), "acme", agent), "{host}");
        }
        assert!(granted(&relay, "alice.example.com", "acme", "alice"));
    }

    const IDS: &str = "[ab](-?[ab]){0,3}";

    fn entry() -> impl Strategy<Value = serde_json::Value> {
        let label = |name: &'static str| {
            ("([ab]-)?", "(-[ab])?").prop_map(move |(before, after)| format!("{before}{{{name}}}{after}"))
        };
        prop_oneof![
            (label("agent"), label("tenant")).prop_map(|(a, t)| json!({"host": format!("{a}.{t}.x")})),
            (label("agent"), IDS, IDS)
                .prop_map(|(a, l, t)| json!({"host": format!("{a}.{l}.x"), "tenant": t})),
            (label("tenant"), IDS, IDS)
                .prop_map(|(t, l, a)| json!({"host": format!("{l}.{t}.x"), "agent": a})),
            (IDS, IDS, IDS, IDS)
                .prop_map(|(k, l, t, a)| json!({"host": format!("{k}.{l}.x"), "tenant": t, "agent": a})),
        ]
    }

    proptest! {
        #[test]
        fn no_host_is_granted_to_two_agents(
            entries in proptest::collection::vec(entry(), 1..6),
            host in "[ab](-?[ab]){0,4}[.][ab](-?[ab]){0,4}[.]x",
            pairs in proptest::collection::hash_set((IDS, IDS), 2..40),
        ) {
            let relay = with(json!(entries));
            let holders = pairs.iter().filter(|(tenant, agent)| granted(&relay, &host, tenant, agent));
            prop_assert!(holders.count() <= 1);
        }

        #[test]
        fn an_entry_alone_grants_what_it_says(entry in entry(), tenant in IDS, agent in IDS) {
            let tenant = entry["tenant"].as_str().map_or(tenant, str::to_owned);
            let agent = entry["agent"].as_str().map_or(agent, str::to_owned);
            let host = entry["host"].as_str().unwrap().replace(TENANT, &tenant).replace(AGENT, &agent);
            prop_assert!(granted(&with(json!([entry])), &host, &tenant, &agent));
        }
    }
}
