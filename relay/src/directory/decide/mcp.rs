//! Decides how the MCP endpoint of an agent is declared and deleted: a URL belongs to one agent,
//! and the declaration lists the accounts that may sign in for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::directory::edit::Edit;
use crate::directory::entry::AgentEntry;
use crate::directory::ownership::Ownership;
use protocol::url::is_endpoint_url;

pub(super) fn put(
    context: Context<'_>,
    by: &Requester,
    did: Did,
    spec: McpSpec,
) -> Result<Decision, OperationError> {
    let before = context.live_agent(&did)?;
    let ownership = ownership::changed(&before.ownership, by)?;
    check(context, &did, &spec)?;
    Ok(changed(before, ownership, Some(Arc::new(spec))))
}

pub(super) fn delete(context: Context<'_>, by: &Requester, did: &Did) -> Result<Decision, OperationError> {
    let Ok(before) = context.live_agent(did) else { return Ok(Decision::unchanged()) };
    let ownership = ownership::changed(&before.ownership, by)?;
    Ok(changed(before, ownership, None))
}

/// The declaration with an endpoint that the relay takes, and why it did not take the declared one.
///
/// A refused endpoint holds up nothing else of the declaration. The agent then keeps the endpoint
/// that it has, for the accounts that are declared now.
pub(super) fn with_accepted_endpoint(
    context: Context<'_>,
    before: &AgentEntry,
    mut spec: AgentSpec,
) -> (AgentSpec, Option<Reason>) {
    let Some(declared) = &spec.mcp else { return (spec, None) };
    let Err(refusal) = check(context, &before.did, declared) else { return (spec, None) };
    spec.mcp = before.mcp.as_deref().map(|kept| {
        let accounts = if check_accounts(&declared.accounts).is_ok() {
            declared.accounts.clone()
        } else {
            kept.accounts.iter().filter(|name| declared.accounts.contains(name)).cloned().collect()
        };
        McpSpec { accounts, ..kept.clone() }
    });
    (spec, Some(refusal.reason()))
}

fn check(context: Context<'_>, did: &Did, spec: &McpSpec) -> Result<(), OperationError> {
    if !is_endpoint_url(&spec.url) {
        return Err(OperationError::McpUrl);
    }
    if spec.endpoint.as_ref().is_some_and(|endpoint| !is_endpoint_url(endpoint)) {
        return Err(OperationError::McpEndpoint);
    }
    let is_gateway = |url: &String| context.gateway_url == Some(url);
    if is_gateway(&spec.url) || spec.endpoint.as_ref().is_some_and(is_gateway) {
        return Err(OperationError::McpUrlOfGateway);
    }
    check_accounts(&spec.accounts)?;
    if context.state.resource(&spec.url).is_some_and(|owner| owner.did != *did) {
        return Err(OperationError::McpUrlTaken);
    }
    Ok(())
}

/// Revokes no session: none depends on the MCP endpoint. Access is decided when a token is issued
/// or introspected.
fn changed(before: &AgentEntry, ownership: Ownership, mcp: Option<Arc<McpSpec>>) -> Decision {
    let after = AgentEntry { mcp, ownership, ..before.clone() };
    if *before == after {
        return Decision::unchanged();
    }
    Decision::apply(Edit::PutAgent(Arc::new(after)), Vec::new())
}

fn check_accounts(accounts: &[String]) -> Result<(), OperationError> {
    let good = |name: &String| {
        (1..=MCP_ACCOUNT_BYTES_MAX).contains(&name.len()) && name.chars().all(|c| !c.is_control() && c != ' ')
    };
    let different: BTreeSet<_> = accounts.iter().collect();
    if accounts.len() <= MCP_ACCOUNTS_MAX && different.len() == accounts.len() && accounts.iter().all(good) {
        return Ok(());
    }
    Err(OperationError::McpAccounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did};

    fn spec(url: &str, accounts: &[&str]) -> McpSpec {
        let accounts = accounts.iter().map(ToString::to_string).collect();
        McpSpec { url: url.into(), accounts, endpoint: None }
    }

    fn state() -> DirectoryState {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[(1, None)])));
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "bob", &[])));
        state
    }

    fn applied(state: &mut DirectoryState, decision: Decision) {
        assert!(!decision.is_unchanged());
        decision.edits.iter().for_each(|edit| state.apply(edit));
    }

    fn put(context: Context<'_>, did: Did, spec: McpSpec) -> Result<Decision, OperationError> {
        super::put(context, &Requester::default(), did, spec)
    }

    fn delete(context: Context<'_>, did: &Did) -> Decision {
        super::delete(context, &Requester::default(), did).unwrap()
    }

    #[test]
    fn a_url_belongs_to_one_agent_and_moves_only_when_it_is_free() {
        let mut state = state();
        let mcp = spec("https://mcp.example.com/alice", &["alice@example.com"]);
        let decision = put(context(&state), did("acme", "alice"), mcp.clone()).unwrap();
        applied(&mut state, decision);
        assert_eq!(state.resource(&mcp.url).unwrap().did, did("acme", "alice"));
        assert!(put(context(&state), did("acme", "alice"), mcp.clone()).unwrap().is_unchanged());
        let taken = put(context(&state), did("acme", "bob"), mcp.clone()).unwrap_err();
        assert!(matches!(taken, OperationError::McpUrlTaken));
        let decision = delete(context(&state), &did("acme", "alice"));
        applied(&mut state, decision);
        assert!(state.resource(&mcp.url).is_none());
        assert!(delete(context(&state), &did("acme", "alice")).is_unchanged());
        put(context(&state), did("acme", "bob"), mcp).unwrap();
    }

    #[test]
    fn a_changed_url_leaves_the_old_one_free() {
        let mut state = state();
        for url in ["https://a.example/mcp", "https://b.example/mcp"] {
            let decision = put(context(&state), did("acme", "alice"), spec(url, &[])).unwrap();
            applied(&mut state, decision);
        }
        assert!(state.resource("https://a.example/mcp").is_none());
        assert!(state.resource("https://b.example/mcp").is_some());
    }

    #[test]
    fn the_url_and_the_endpoint_are_secure_urls_and_not_the_gateways() {
        const GATEWAY: &str = "https://gateway.example/mcp";
        let state = state();
        let context = Context { gateway_url: Some(GATEWAY), ..context(&state) };
        let put = |url: &str, endpoint: &str| {
            let spec = McpSpec { endpoint: Some(endpoint.into()), ..spec(url, &[]) };
            put(context, did("acme", "alice"), spec).map(|_| ())
        };
        let (good, plain) = ("https://a.example/mcp", "http://a.example/mcp");
        assert!(put(good, good).is_ok() && put(good, "https://b.svc:443/mcp").is_err());
        assert!(matches!(put(plain, good), Err(OperationError::McpUrl)));
        assert!(matches!(put(good, plain), Err(OperationError::McpEndpoint)));
        assert!(matches!(put(GATEWAY, good), Err(OperationError::McpUrlOfGateway)));
        assert!(matches!(put(good, GATEWAY), Err(OperationError::McpUrlOfGateway)));
    }

    #[test]
    fn accounts_are_different_names_in_a_bounded_list() {
        let long = "x".repeat(MCP_ACCOUNT_BYTES_MAX + 1);
        for bad in [vec![""], vec!["a", "a"], vec!["a b"], vec![long.as_str()], vec!["a\n"]] {
            let refused =
                put(context(&state()), did("acme", "alice"), spec("https://a.example/", &bad)).unwrap_err();
            assert!(matches!(refused, OperationError::McpAccounts), "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_there_gets_no_endpoint() {
        let refused =
            put(context(&state()), did("acme", "carol"), spec("https://a.example/", &[])).unwrap_err();
        assert!(matches!(refused, OperationError::AgentMissing(_)));
    }

    fn declare(state: &DirectoryState, endpoint: McpSpec) -> Decision {
        let spec = AgentSpec { suspended: true, mcp: Some(endpoint), ..AgentSpec::default() };
        agent::put(context(state), &Requester::default(), did("acme", "alice"), spec).unwrap()
    }

    #[test]
    fn an_endpoint_that_is_taken_holds_up_neither_revocation_nor_suspension() {
        let mut state = state();
        let taken = spec("https://mcp.example.com/bob", &[]);
        let decision = put(context(&state), did("acme", "bob"), taken.clone()).unwrap();
        applied(&mut state, decision);
        let decision = declare(&state, taken);
        assert_eq!(decision.endpoint, Some(Reason::OwnerConflict));
        applied(&mut state, decision);
        let alice = state.agent(&did("acme", "alice")).unwrap();
        assert!(alice.suspended && alice.keys.is_empty() && alice.mcp.is_none());
    }

    #[test]
    fn an_agent_whose_endpoint_is_refused_keeps_its_former_url_for_the_new_accounts() {
        let mut state = state();
        let former = spec("https://mcp.example.com/alice", &["ann@example.com", "bea@example.com"]);
        let decision = put(context(&state), did("acme", "alice"), former.clone()).unwrap();
        applied(&mut state, decision);
        for url in ["http://mcp.example.com/alice", "https://mcp.example.com/alice?x"] {
            let decision = declare(&state, spec(url, &["ann@example.com"]));
            assert_eq!(decision.endpoint, Some(Reason::InvalidParams), "{url}");
            decision.edits.iter().for_each(|edit| state.apply(edit));
            let kept = state.agent(&did("acme", "alice")).unwrap().mcp.clone().unwrap();
            assert_eq!(*kept, McpSpec { accounts: vec!["ann@example.com".into()], ..former.clone() });
        }
    }
}
