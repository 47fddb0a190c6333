//! Property tests over random operations: the loaded state equals the committed one, every
//! principal that lost access is covered by a revocation, nobody writes what belongs to another
//! owner, and no former leader writes.

use proptest::prelude::*;
use protocol::Identity;
use protocol::admin::{AgentKey, AgentSpec, DeletionPolicy, KeySpec, McpSpec, Owner, TenantSpec, Term};
use protocol::did::{Domain, TenantId};
use protocol::record::Card;

use super::authenticate::recheck;
use super::decide::{AdminOperation, Context, Operation, OperationError, check_term, decide};
use super::edit::Decision;
use super::fixtures::{did, hash, record, tenant};
use super::{Capacity, DirectoryState, Principal, Requester, Revocation};
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
    let spec = (keys, prop::bool::weighted(0.2), prop::bool::ANY, mcp, policies());
    spec.prop_map(|(keys, suspended, card, mcp, deletion_policy)| AgentSpec {
        root_key: None,
        card: card.then(Card::default),
        suspended,
        keys: keys.into_iter().map(|(n, not_after)| AgentKey { sha256: hash(n), not_after }).collect(),
        mcp: mcp.map(endpoint),
        deletion_policy,
    })
}

fn policies() -> impl Strategy<Value = Option<DeletionPolicy>> {
    prop::option::of(prop::sample::select(vec![DeletionPolicy::Retain, DeletionPolicy::Purge]))
}

fn owners() -> impl Strategy<Value = Option<Owner>> {
    let owners = [Owner::CommandLine, Owner::Kubernetes("a".into()), Owner::Kubernetes("b".into())];
    prop::option::of(prop::sample::select(owners.to_vec()))
}

fn requesters() -> impl Strategy<Value = Requester> {
    let terms = prop::option::weighted(0.3, 0..4u64);
    let parts = (owners(), prop::option::weighted(0.2, owners()), prop::bool::weighted(0.1), terms);
    parts.prop_map(|(owner, former_owner, if_owned, term)| Requester {
        owner,
        former_owner: former_owner.flatten(),
        if_owned,
        term: term.map(|transitions| Term { lease_created: 1, transitions }),
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
    DeleteTenant(TenantId, Option<DeletionPolicy>),
    PutAgent(TenantId, &'static str, AgentSpec),
    SuspendAgent(TenantId, &'static str, bool),
    DeleteAgent(TenantId, &'static str, Option<DeletionPolicy>),
    PutMcp(TenantId, &'static str, u8),
    DeleteMcp(TenantId, &'static str),
    PutKey(TenantId, u8, Option<u64>),
    DeleteKey(TenantId, u8),
    /// Uses the principal of this key, also if the key does not cover the name.
    Publish(TenantId, &'static str, u8),
}

impl Step {
    fn operation(self, by: Requester, state: &DirectoryState) -> Operation {
        match self {
            Self::Publish(tenant, name, key) => {
                let identity = Identity::generate(did(tenant.as_str(), name), 1, &mut rand::rng());
                let record = record(&identity, Card::default(), NOW);
                Operation::Publish(holder(state, tenant, key), Box::new(record))
            }
            other => Operation::Administer(by, other.administration()),
        }
    }

    fn administration(self) -> AdminOperation {
        let agent = |tenant: TenantId, name| did(tenant.as_str(), name);
        match self {
            Self::PutTenant(tenant, spec) => AdminOperation::PutTenant(tenant, spec),
            Self::DeleteTenant(tenant, policy) => AdminOperation::DeleteTenant(tenant, policy),
            Self::PutAgent(tenant, name, spec) => {
                AdminOperation::PutAgent(agent(tenant, name), Box::new(spec))
            }
            Self::SuspendAgent(tenant, name, to) => AdminOperation::SuspendAgent(agent(tenant, name), to),
            Self::DeleteAgent(tenant, name, policy) => {
                AdminOperation::DeleteAgent(agent(tenant, name), policy)
            }
            Self::PutMcp(tenant, name, number) => {
                AdminOperation::PutMcp(agent(tenant, name), endpoint(number))
            }
            Self::DeleteMcp(tenant, name) => AdminOperation::DeleteMcp(agent(tenant, name)),
            Self::PutKey(tenant, key, not_after) => {
                let spec = KeySpec { sha256: hash(key), not_after };
                AdminOperation::PutKey(tenant, hash(key).key_id(), spec)
            }
            Self::DeleteKey(tenant, key) => AdminOperation::DeleteKey(tenant, hash(key).key_id()),
            Self::Publish(..) => unreachable!("no administration"),
        }
    }

    /// Whether the step writes the entry of one agent, and not a whole tenant.
    const fn is_about_an_agent(&self) -> bool {
        matches!(
            self,
            Self::PutAgent(..)
                | Self::SuspendAgent(..)
                | Self::DeleteAgent(..)
                | Self::PutMcp(..)
                | Self::DeleteMcp(..)
        )
    }
}

fn holder(state: &DirectoryState, tenant: TenantId, key: u8) -> Principal {
    let key_id = hash(key).key_id();
    let found = state.principals().into_iter().find(|who| who.key_id == key_id);
    found.unwrap_or(Principal { tenant, agent: None, key_id })
}

fn steps() -> impl Strategy<Value = Vec<(Requester, Step)>> {
    let tenant_specs = (prop::bool::weighted(0.3), prop::option::of(0..3u32), policies()).prop_map(
        |(suspended, agents_max, deletion_policy)| TenantSpec {
            suspended,
            agents_max,
            deletion_policy,
            ..TenantSpec::default()
        },
    );
    let step = prop_oneof![
        3 => (tenants(), tenant_specs).prop_map(|(tenant, spec)| Step::PutTenant(tenant, spec)),
        1 => (tenants(), policies()).prop_map(|(tenant, policy)| Step::DeleteTenant(tenant, policy)),
        6 => (tenants(), names(), agent_specs()).prop_map(|(tenant, name, spec)| Step::PutAgent(tenant, name, spec)),
        2 => (tenants(), names(), policies()).prop_map(|(tenant, name, policy)| Step::DeleteAgent(tenant, name, policy)),
        2 => (tenants(), names(), 0..3u8).prop_map(|(tenant, name, url)| Step::PutMcp(tenant, name, url)),
        1 => (tenants(), names()).prop_map(|(tenant, name)| Step::DeleteMcp(tenant, name)),
        2 => (tenants(), names(), prop::bool::ANY).prop_map(|(tenant, name, to)| Step::SuspendAgent(tenant, name, to)),
        4 => (tenants(), 0..6u8, ends()).prop_map(|(tenant, key, ends)| Step::PutKey(tenant, key, ends)),
        1 => (tenants(), 0..6u8).prop_map(|(tenant, key)| Step::DeleteKey(tenant, key)),
        3 => (tenants(), names(), 0..6u8).prop_map(|(tenant, name, key)| Step::Publish(tenant, name, key)),
    ];
    prop::collection::vec((requesters(), step), 1..24)
}

fn valid(state: &DirectoryState) -> Vec<Principal> {
    state.principals().into_iter().filter(|who| recheck(state, who, NOW).is_ok()).collect()
}

fn covers(revocation: &Revocation, who: &Principal) -> bool {
    match revocation {
        Revocation::KeyRevoked(id) => who.key_id == *id,
        Revocation::AgentRemoved(did) | Revocation::AgentReleased(did) | Revocation::AgentSuspended(did) => {
            who.agent.as_ref() == Some(did)
        }
        Revocation::TenantSuspended(tenant)
        | Revocation::TenantRemoved(tenant)
        | Revocation::TenantReleased(tenant) => who.tenant == *tenant,
    }
}

/// Whether the requester may write an entry of this owner, told without the code under test.
fn may_write(recorded: Option<&Owner>, by: &Requester) -> bool {
    let person = by.owner.as_ref().is_none_or(|owner| *owner == Owner::CommandLine);
    recorded.is_none_or(|recorded| {
        *recorded == by.rights()
            || by.former_owner.as_ref() == Some(recorded)
            || (person && *recorded == Owner::Registration)
    })
}

/// Every agent that differs between the states belonged to somebody who let the requester write it.
fn check_owners(
    before: &DirectoryState,
    after: &DirectoryState,
    by: &Requester,
) -> Result<(), TestCaseError> {
    for (name, tenant) in before.tenants() {
        for (did, agent) in &tenant.agents {
            let changed = after.agent(did) != Some(agent);
            prop_assert!(!changed || may_write(agent.ownership.owner(), by), "{did} of {name} by {by:?}");
        }
    }
    Ok(())
}

/// A retained agent has nothing by which anybody gets in.
fn check_released(state: &DirectoryState) -> Result<(), TestCaseError> {
    for agent in state.tenants().values().flat_map(|tenant| tenant.agents.values()) {
        let closed = agent.suspended && agent.keys.is_empty() && agent.mcp.is_none();
        prop_assert!(closed || !agent.ownership.is_released(), "{agent:?}");
    }
    for tenant in state.tenants().values() {
        let released = tenant.agents.values().filter(|agent| agent.ownership.is_released()).count();
        prop_assert_eq!(tenant.live_agents(), tenant.agents.len() - released);
        prop_assert!(
            !tenant.ownership.is_released() || (tenant.live_agents() == 0 && tenant.keys.is_empty())
        );
    }
    Ok(())
}

/// Runs the steps against a store. Returns the state in memory and the state that a restart loads.
async fn run(steps: Vec<(Requester, Step)>) -> Result<(DirectoryState, DirectoryState), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("relay.db")).await.unwrap();
    let domain: Domain = "example.com".parse().unwrap();
    let (_, mut state) = store.load_directory(&domain).await.unwrap();
    for (by, step) in steps {
        let about_an_agent = step.is_about_an_agent();
        let operation = step.operation(by.clone(), &state);
        let context =
            Context { state: &state, capacity: CAPACITY, gateway_url: None, has_room: true, now: NOW };
        let Ok(decision) = decide(context, operation) else { continue };
        if decision.is_unchanged() {
            continue;
        }
        let Decision { edits, revocations, .. } = decision;
        let (before, valid_before) = (state.clone(), valid(&state));
        let version = state.version() + 1;
        store.commit_edits(&edits, version).await.unwrap();
        state.commit(&edits, version);
        for who in valid_before.iter().filter(|who| recheck(&state, who, NOW).is_err()) {
            prop_assert!(
                revocations.iter().any(|revocation| covers(revocation, who)),
                "{who:?} after {edits:?}: {revocations:?}"
            );
        }
        if about_an_agent {
            check_owners(&before, &state, &by)?;
        }
        check_released(&state)?;
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

    #[test]
    fn a_write_with_a_lower_term_than_an_applied_one_is_refused(
        terms in prop::collection::vec((0..4u64, 0..4u64), 1..20),
    ) {
        let mut state = DirectoryState::default();
        let mut highest = None;
        for (lease_created, transitions) in terms {
            let term = Term { lease_created, transitions };
            let by = Requester { term: Some(term), ..Requester::default() };
            match check_term(&state, &by) {
                Ok(raise) => {
                    raise.iter().for_each(|edit| state.apply(edit));
                    prop_assert!(highest <= Some(term), "{term} after {highest:?}");
                    highest = Some(term);
                }
                Err(refused) => {
                    prop_assert!(matches!(refused, OperationError::StaleTerm(_)));
                    prop_assert!(highest > Some(term), "{term} after {highest:?}");
                }
            }
            prop_assert_eq!(state.term(), highest);
        }
    }
}
