//! Property test over random operations: the loaded state equals the committed one, and every
//! principal that lost access is covered by a revocation.

use proptest::prelude::*;
use protocol::Identity;
use protocol::admin::{AgentKey, AgentSpec, KeySpec, McpSpec, TenantSpec};
use protocol::did::{Domain, TenantId};
use protocol::record::Card;

use super::authenticate::recheck;
use super::decide::{Context, Operation, decide};
use super::edit::Decision;
use super::fixtures::{did, hash, record, tenant};
use super::{Capacity, DirectoryState, Principal, Revocation};
use crate::store::Store;

const NOW: u64 = 1_000;
const CASES: u32 = 48;
const CAPACITY: Capacity = Capacity { tenants: 3, agents: 5 };

fn tenants() -> impl Strategy<Value = TenantId> {
    prop::sample::select(vec!["default", "acme", "other"]).prop_map(tenant)
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["alice", "bob", "carol"])
}

fn ends() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(NOW - 1..NOW + 2)
}

fn agent_specs() -> impl Strategy<Value = AgentSpec> {
    let keys = prop::collection::vec((0..6u8, ends()), 0..4);
    let mcp = prop::option::weighted(0.3, 0..3u8);
    (keys, prop::bool::weighted(0.2), prop::bool::ANY, mcp).prop_map(|(keys, suspended, card, mcp)| {
        AgentSpec {
            root_key: None,
            card: card.then(Card::default),
            suspended,
            keys: keys.into_iter().map(|(n, not_after)| AgentKey { sha256: hash(n), not_after }).collect(),
            mcp: mcp.map(endpoint),
            deletion_policy: None,
        }
    })
}

fn endpoint(number: u8) -> McpSpec {
    let url = format!("https://example.com/{number}");
    // Some endpoints are served by the gateway.
    let endpoint = (number != 0).then(|| format!("https://alice.svc/{number}/mcp"));
    McpSpec { url, accounts: vec![format!("{number}@example.com")], endpoint }
}

/// An operation that does not depend on the current state.
#[derive(Debug, Clone)]
enum Step {
    PutTenant(TenantId, TenantSpec),
    DeleteTenant(TenantId),
    PutAgent(TenantId, &'static str, AgentSpec),
    SuspendAgent(TenantId, &'static str, bool),
    DeleteAgent(TenantId, &'static str),
    PutMcp(TenantId, &'static str, u8),
    DeleteMcp(TenantId, &'static str),
    PutKey(TenantId, u8, Option<u64>),
    DeleteKey(TenantId, u8),
    /// Uses the principal of this key, also if the key does not cover the name.
    Publish(TenantId, &'static str, u8),
}

impl Step {
    fn operation(self, state: &DirectoryState) -> Operation {
        match self {
            Self::PutTenant(tenant, spec) => Operation::PutTenant(tenant, spec),
            Self::DeleteTenant(tenant) => Operation::DeleteTenant(tenant),
            Self::PutAgent(tenant, name, spec) => {
                Operation::PutAgent(did(tenant.as_str(), name), Box::new(spec))
            }
            Self::SuspendAgent(tenant, name, suspended) => {
                Operation::SuspendAgent(did(tenant.as_str(), name), suspended)
            }
            Self::DeleteAgent(tenant, name) => Operation::DeleteAgent(did(tenant.as_str(), name)),
            Self::PutMcp(tenant, name, number) => {
                Operation::PutMcp(did(tenant.as_str(), name), endpoint(number))
            }
            Self::DeleteMcp(tenant, name) => Operation::DeleteMcp(did(tenant.as_str(), name)),
            Self::PutKey(tenant, key, not_after) => {
                let spec = KeySpec { sha256: hash(key), not_after };
                Operation::PutKey(tenant, hash(key).key_id(), spec)
            }
            Self::DeleteKey(tenant, key) => Operation::DeleteKey(tenant, hash(key).key_id()),
            Self::Publish(tenant, name, key) => {
                let identity = Identity::generate(did(tenant.as_str(), name), 1, &mut rand::rng());
                let record = record(&identity, Card::default(), NOW);
                Operation::Publish(holder(state, tenant, key), Box::new(record))
            }
        }
    }
}

fn holder(state: &DirectoryState, tenant: TenantId, key: u8) -> Principal {
    let key_id = hash(key).key_id();
    let found = state.principals().into_iter().find(|who| who.key_id == key_id);
    found.unwrap_or(Principal { tenant, agent: None, key_id })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant_specs = (prop::bool::weighted(0.3), prop::option::of(0..3u32))
        .prop_map(|(suspended, agents_max)| TenantSpec { suspended, agents_max, ..TenantSpec::default() });
    let step = prop_oneof![
        3 => (tenants(), tenant_specs).prop_map(|(tenant, spec)| Step::PutTenant(tenant, spec)),
        1 => tenants().prop_map(Step::DeleteTenant),
        6 => (tenants(), names(), agent_specs()).prop_map(|(tenant, name, spec)| Step::PutAgent(tenant, name, spec)),
        1 => (tenants(), names()).prop_map(|(tenant, name)| Step::DeleteAgent(tenant, name)),
        2 => (tenants(), names(), 0..3u8).prop_map(|(tenant, name, url)| Step::PutMcp(tenant, name, url)),
        1 => (tenants(), names()).prop_map(|(tenant, name)| Step::DeleteMcp(tenant, name)),
        2 => (tenants(), names(), prop::bool::ANY).prop_map(|(tenant, name, to)| Step::SuspendAgent(tenant, name, to)),
        4 => (tenants(), 0..6u8, ends()).prop_map(|(tenant, key, ends)| Step::PutKey(tenant, key, ends)),
        1 => (tenants(), 0..6u8).prop_map(|(tenant, key)| Step::DeleteKey(tenant, key)),
        3 => (tenants(), names(), 0..6u8).prop_map(|(tenant, name, key)| Step::Publish(tenant, name, key)),
    ];
    prop::collection::vec(step, 1..24)
}

fn valid(state: &DirectoryState) -> Vec<Principal> {
    state.principals().into_iter().filter(|who| recheck(state, who, NOW).is_ok()).collect()
}

fn covers(revocation: &Revocation, who: &Principal) -> bool {
    match revocation {
        Revocation::KeyRevoked(id) => who.key_id == *id,
        Revocation::AgentRemoved(did) | Revocation::AgentSuspended(did) => who.agent.as_ref() == Some(did),
        Revocation::TenantSuspended(tenant) | Revocation::TenantRemoved(tenant) => who.tenant == *tenant,
    }
}

/// Runs the steps against a store. Returns the state in memory and the state that a restart loads.
async fn run(steps: Vec<Step>) -> Result<(DirectoryState, DirectoryState), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("relay.db")).await.unwrap();
    let domain: Domain = "example.com".parse().unwrap();
    let (_, mut state) = store.load_directory(&domain).await.unwrap();
    for step in steps {
        let operation = step.operation(&state);
        let context = Context { state: &state, capacity: CAPACITY, gateway_url: None, now: NOW };
        let Ok(Decision::Apply { edit, revocations }) = decide(context, operation) else { continue };
        let before = valid(&state);
        let version = store.commit_edit(&edit).await.unwrap();
        prop_assert_eq!(version, state.version() + 1);
        state.commit(&edit, version);
        for who in before.iter().filter(|who| recheck(&state, who, NOW).is_err()) {
            prop_assert!(
                revocations.iter().any(|revocation| covers(revocation, who)),
                "{who:?} after {edit:?}: {revocations:?}"
            );
        }
        prop_assert!(state.agents_count() <= CAPACITY.agents);
    }
    let (_, loaded) = store.load_directory(&domain).await.unwrap();
    Ok((state, loaded))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_loaded_state_is_the_committed_one_and_lost_rights_close_sessions(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (state, loaded) = runtime.block_on(run(steps))?;
        prop_assert_eq!(state, loaded);
    }
}
