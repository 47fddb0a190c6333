//! Property test of the directory with the authorization server's decisions. Whatever changes in
//! whatever order, a grant for the gateway is valid exactly while its person may use its agent
//! there, and the consent page lists exactly such agents.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use protocol::Did;
use protocol::admin::{McpSpec, TenantSpec};

use authorization::{Account, Grant, INVITATION_ISSUER, McpEndpoint, check_grant, gateway_choices};

use super::mcp_endpoint;
use crate::directory::fixtures::{agent_with_keys, did, tenant};
use crate::directory::{AgentEntry, DirectoryState, Edit, Ownership};

const TENANTS: [&str; 2] = ["acme", "other"];
const NAMES: [&str; 2] = ["alice", "bob"];
const GATEWAYS: [Option<&str>; 3] = [None, Some("https://one.example/mcp"), Some("https://two.example/mcp")];

/// Two people listed by subject, two by e-mail address, and one with an invitation to each agent.
const PEOPLE: usize = 4 + AGENTS;
const AGENTS: usize = TENANTS.len() * NAMES.len();

#[derive(Debug, Clone)]
enum Step {
    Put { agent: usize, people: BTreeSet<usize>, served: bool, suspended: bool },
    Undeclare(usize),
    Remove(usize),
    SuspendTenant(usize, bool),
    MoveGateway(usize),
    Allow { person: usize, agent: usize },
}

/// The expected state, modelled independently of the directory.
#[derive(Default)]
struct Model {
    named: BTreeSet<(usize, usize)>,
    served: BTreeSet<usize>,
    suspended: BTreeSet<usize>,
    tenants_suspended: BTreeSet<usize>,
    gateway: usize,
    /// Person, agent and gateway.
    grants: Vec<(usize, usize, usize)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (agent, person) = (0..AGENTS, 0..PEOPLE);
    let put = (agent.clone(), prop::collection::btree_set(0..4usize, 0..4), prop::bool::weighted(0.8))
        .prop_flat_map(|(agent, people, served)| {
            prop::bool::weighted(0.2).prop_map(move |suspended| Step::Put {
                agent,
                people: people.clone(),
                served,
                suspended,
            })
        });
    let step = prop_oneof![
        6 => put,
        1 => agent.clone().prop_map(Step::Undeclare),
        1 => agent.clone().prop_map(Step::Remove),
        1 => (0..TENANTS.len(), prop::bool::ANY).prop_map(|(tenant, to)| Step::SuspendTenant(tenant, to)),
        1 => (0..GATEWAYS.len()).prop_map(Step::MoveGateway),
        8 => (person, agent).prop_map(|(person, agent)| Step::Allow { person, agent }),
    ];
    prop::collection::vec(step, 1..40)
}

fn agent(number: usize) -> Did {
    did(TENANTS[number / NAMES.len()], NAMES[number % NAMES.len()])
}

fn person(number: usize) -> Account {
    let invited = number.checked_sub(4).map(agent);
    let issuer = if invited.is_some() { INVITATION_ISSUER } else { "https://accounts.example" };
    let email = (number == 2 || number == 3).then(|| format!("P{number}@example.com"));
    Account {
        id: format!("acct_{number}"),
        issuer: issuer.into(),
        subject: format!("s{number}"),
        email,
        agent: invited,
    }
}

/// The name of a person in an agent's list.
fn name_of(number: usize) -> String {
    if number < 2 { format!("s{number}") } else { format!("p{number}@Example.com") }
}

impl Model {
    fn apply(&mut self, state: &mut DirectoryState, step: Step) {
        match step {
            Step::Put { agent, people, served, suspended } => {
                self.forget(agent);
                self.named.extend(people.iter().map(|person| (*person, agent)));
                self.named.insert((4 + agent, agent));
                let marked = |set: &mut BTreeSet<usize>, to: bool| to.then(|| set.insert(agent));
                marked(&mut self.served, served);
                marked(&mut self.suspended, suspended);
                state.apply(&Edit::PutAgent(entry(agent, &people, served, suspended)));
            }
            Step::Undeclare(number) => {
                self.forget(number);
                if state.agent(&agent(number)).is_some() {
                    let name = NAMES[number % NAMES.len()];
                    state.apply(&Edit::PutAgent(agent_with_keys(TENANTS[number / NAMES.len()], name, &[])));
                }
            }
            Step::Remove(number) => {
                self.forget(number);
                state.apply(&Edit::RemoveAgent(agent(number)));
            }
            Step::SuspendTenant(number, suspended) => {
                self.tenants_suspended.remove(&number);
                self.tenants_suspended.extend(suspended.then_some(number));
                let spec = TenantSpec { suspended, ..TenantSpec::default() };
                state.apply(&Edit::PutTenant(tenant(TENANTS[number]), spec, Ownership::Unrecorded));
            }
            Step::MoveGateway(to) => self.gateway = to,
            Step::Allow { person, agent } => {
                if self.gateway != 0 && self.may(person, agent) {
                    self.grants.push((person, agent, self.gateway));
                }
            }
        }
    }

    fn forget(&mut self, agent: usize) {
        self.named.retain(|(_, named)| *named != agent);
        self.served.remove(&agent);
        self.suspended.remove(&agent);
    }

    fn may(&self, person: usize, agent: usize) -> bool {
        self.named.contains(&(person, agent))
            && self.served.contains(&agent)
            && !self.suspended.contains(&agent)
            && !self.tenants_suspended.contains(&(agent / NAMES.len()))
    }
}

fn entry(number: usize, people: &BTreeSet<usize>, served: bool, suspended: bool) -> Arc<AgentEntry> {
    let mcp = McpSpec {
        url: format!("https://mcp.example/{number}"),
        accounts: people.iter().map(|person| name_of(*person)).collect(),
        endpoint: served.then(|| format!("https://a{number}.svc/mcp")),
    };
    Arc::new(AgentEntry { mcp: Some(Arc::new(mcp)), suspended, ..AgentEntry::new(agent(number)) })
}

fn endpoint_of(state: &DirectoryState, agent: &Did) -> Option<McpEndpoint> {
    state.agent_with_endpoint(agent).and_then(mcp_endpoint)
}

/// The agents that the consent page lists for this person.
fn listed_agents(state: &DirectoryState, account: &Account) -> Vec<Did> {
    let named = || state.agents_naming(account.names()).into_iter().collect();
    let candidates: Vec<_> = account.agent.clone().map_or_else(named, |agent| vec![agent]);
    let endpoints = candidates.iter().filter_map(|agent| endpoint_of(state, agent));
    let choices = gateway_choices(account, endpoints);
    choices.map_or_else(|_| Vec::new(), |choices| choices.agents.into_iter().map(|it| it.agent).collect())
}

fn grant(of: usize, to: usize, gateway: usize) -> Grant {
    Grant {
        id: "g".into(),
        account: person(of).id,
        client_id: "c".into(),
        agent: agent(to),
        resource: GATEWAYS[gateway].unwrap().into(),
        gateway: true,
        scope: "mcp:read".into(),
        expires: 100,
    }
}

proptest! {
    #[test]
    fn a_gateway_grant_is_valid_exactly_while_its_person_may_use_the_agent(steps in steps()) {
        let (mut state, mut model) = (DirectoryState::with_tenants(&TENANTS), Model::default());
        for step in steps {
            model.apply(&mut state, step);
            for &(of, to, gateway) in &model.grants {
                let endpoint = endpoint_of(&state, &agent(to));
                let current = GATEWAYS[model.gateway];
                let checked = check_grant(&grant(of, to, gateway), &person(of), endpoint.as_ref(), current);
                prop_assert_eq!(checked.is_ok(), model.gateway == gateway && model.may(of, to), "{:?}", checked);
            }
            for number in 0..PEOPLE {
                let expected: BTreeSet<_> = (0..AGENTS).filter(|to| model.may(number, *to)).map(agent).collect();
                let listed = listed_agents(&state, &person(number));
                prop_assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
            }
        }
    }
}
