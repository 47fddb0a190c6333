//! The state of a model relay: tenants and agents with their owners, and the rules of writes.

use std::collections::BTreeMap;

use protocol::Reason;
use protocol::admin::{AgentSpec, DeletionPolicy, McpSpec, Owner, Suspension, TenantSpec, Term};
use protocol::did::{AgentName, TenantId};
use serde_json::Value;

use super::Policy;
use crate::relay_api::Writer;

/// What a write does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WriteKind {
    Put(Value),
    Delete(Policy),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentRecord {
    pub(crate) owner: Option<Owner>,
    pub(crate) spec: AgentSpec,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TenantRecord {
    pub(crate) owner: Option<Owner>,
    pub(crate) spec: TenantSpec,
    pub(crate) agents: BTreeMap<AgentName, AgentRecord>,
    pub(crate) invitations: BTreeMap<String, Value>,
}

/// Cheap enough to clone for a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct RelayVolume {
    pub(crate) instance: String,
    pub(crate) version: u64,
    pub(crate) tenants: BTreeMap<TenantId, TenantRecord>,
    /// The highest term that wrote.
    term: Option<Term>,
}

/// What a path of the admin API names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tenant(TenantId),
    Invitation(TenantId, String),
    Agent(TenantId, AgentName),
    Mcp(TenantId, AgentName),
    Suspension(TenantId, AgentName),
}

impl Place {
    fn parse(path: &str) -> Option<Self> {
        let words: Vec<&str> = path.strip_prefix("/admin/v1/tenants/")?.split('/').collect();
        let tenant = words[0].parse().ok()?;
        let agent = |name: &str| name.parse().ok();
        match words[1..] {
            [] => Some(Self::Tenant(tenant)),
            ["invitations", id] => Some(Self::Invitation(tenant, id.to_owned())),
            ["agents", name] => Some(Self::Agent(tenant, agent(name)?)),
            ["agents", name, "mcp"] => Some(Self::Mcp(tenant, agent(name)?)),
            ["agents", name, "suspension"] => Some(Self::Suspension(tenant, agent(name)?)),
            _ => None,
        }
    }
}

impl RelayVolume {
    pub(crate) fn new(instance: String) -> Self {
        Self { instance, version: 1, tenants: BTreeMap::new(), term: None }
    }

    pub(crate) fn agent(&self, tenant: &str, name: &str) -> Option<&AgentRecord> {
        self.tenants.get(&tenant.parse().ok()?)?.agents.get(&name.parse().ok()?)
    }

    /// The content of the agents that this object owns.
    pub(crate) fn owned_agents<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a AgentSpec> {
        let agents = self.tenants.values().flat_map(|tenant| tenant.agents.values());
        let is_owned =
            move |agent: &&AgentRecord| agent.owner.as_ref().and_then(Owner::kubernetes_uid) == Some(uid);
        agents.filter(is_owned).map(|agent| &agent.spec)
    }

    /// Whether some key of the agent is accepted.
    pub(crate) fn admits(&self, tenant: &str, name: &str) -> bool {
        let is_suspended = tenant.parse().is_ok_and(|tenant: TenantId| {
            self.tenants.get(&tenant).is_some_and(|tenant| tenant.spec.suspended)
        });
        self.agent(tenant, name).is_some_and(|agent| !agent.spec.suspended && !agent.spec.keys.is_empty())
            && !is_suspended
    }

    /// Adds a tenant by hand. Returns whether there was none.
    pub(crate) fn add_tenant(&mut self, id: &TenantId, record: TenantRecord) -> bool {
        let is_new = !self.tenants.contains_key(id);
        if is_new {
            self.tenants.insert(id.clone(), record);
            self.version += 1;
        }
        is_new
    }

    /// Adds an agent by hand. Returns whether there was its tenant, and no agent of that name.
    pub(crate) fn add_agent(&mut self, id: &TenantId, name: &AgentName, record: AgentRecord) -> bool {
        let tenant = self.tenants.get_mut(id).filter(|tenant| !tenant.agents.contains_key(name));
        let Some(tenant) = tenant else { return false };
        tenant.agents.insert(name.clone(), record);
        self.version += 1;
        true
    }

    /// The owner of the entry that a path belongs to.
    pub(crate) fn owner_at(&self, path: &str) -> Option<Owner> {
        self.owner(&Place::parse(path)?).flatten()
    }

    /// `None` without an entry.
    fn owner(&self, place: &Place) -> Option<Option<Owner>> {
        match place {
            Place::Tenant(tenant) | Place::Invitation(tenant, _) => {
                self.tenants.get(tenant).map(|tenant| tenant.owner.clone())
            }
            Place::Agent(tenant, name) | Place::Mcp(tenant, name) | Place::Suspension(tenant, name) => {
                self.tenants.get(tenant)?.agents.get(name).map(|agent| agent.owner.clone())
            }
        }
    }

    pub(crate) fn write(&mut self, path: &str, writer: &Writer, kind: &WriteKind) -> Result<(), Reason> {
        let place = Place::parse(path).ok_or(Reason::NotFound)?;
        if writer.term < self.term && writer.term.is_some() {
            return Err(Reason::StaleTerm);
        }
        self.term = self.term.max(writer.term);
        let owner = self.owner(&place);
        let is_deletion_of_nothing = owner.is_none() && matches!(kind, WriteKind::Delete(_));
        if !is_deletion_of_nothing {
            check_owner(owner.as_ref(), writer)?;
        }
        let before = self.tenants.clone();
        match kind {
            WriteKind::Put(body) => self.put(place, writer, body.clone(), owner.flatten().is_none())?,
            WriteKind::Delete(policy) => self.delete(&place, *policy),
        }
        if self.tenants != before {
            self.version += 1;
        }
        Ok(())
    }

    fn put(&mut self, place: Place, writer: &Writer, body: Value, is_claimed: bool) -> Result<(), Reason> {
        let owner = Some(writer.owner.clone());
        match place {
            Place::Tenant(id) => {
                let spec: TenantSpec = read(body)?;
                let new = TenantRecord {
                    owner: None,
                    spec: spec.clone(),
                    agents: BTreeMap::new(),
                    invitations: BTreeMap::new(),
                };
                let tenant = self.tenants.entry(id).or_insert(new);
                (tenant.owner, tenant.spec) = (owner, spec);
            }
            Place::Invitation(id, invitation) => {
                let tenant = self.live_tenant_mut(&id)?;
                tenant.invitations.insert(invitation, body);
            }
            Place::Agent(id, name) => {
                let spec: AgentSpec = read(body)?;
                let tenant = self.live_tenant_mut(&id)?;
                if is_claimed {
                    tenant.agents.remove(&name);
                }
                tenant.agents.insert(name, AgentRecord { owner, spec });
            }
            Place::Mcp(id, name) => {
                let spec: McpSpec = read(body)?;
                self.agent_mut(&id, &name)?.spec.mcp = Some(spec);
            }
            Place::Suspension(id, name) => {
                let suspension: Suspension = read(body)?;
                self.agent_mut(&id, &name)?.spec.suspended = suspension.suspended;
            }
        }
        Ok(())
    }

    /// A tenant that was released takes nothing before it is declared again.
    fn live_tenant_mut(&mut self, id: &TenantId) -> Result<&mut TenantRecord, Reason> {
        self.tenants.get_mut(id).filter(|tenant| tenant.owner.is_some()).ok_or(Reason::NotFound)
    }

    fn agent_mut(&mut self, tenant: &TenantId, name: &AgentName) -> Result<&mut AgentRecord, Reason> {
        self.tenants.get_mut(tenant).and_then(|tenant| tenant.agents.get_mut(name)).ok_or(Reason::NotFound)
    }

    fn delete(&mut self, place: &Place, policy: Policy) {
        match place {
            Place::Tenant(id) => {
                let Some(tenant) = self.tenants.get_mut(id) else { return };
                if policy.or(tenant.spec.deletion_policy) == Some(DeletionPolicy::Retain) {
                    tenant.owner = None;
                    tenant.spec.suspended = true;
                    tenant.agents.values_mut().for_each(release);
                } else {
                    self.tenants.remove(id);
                }
            }
            Place::Invitation(id, invitation) => {
                self.tenants.get_mut(id).map(|tenant| tenant.invitations.remove(invitation));
            }
            Place::Agent(id, name) => {
                let Some(tenant) = self.tenants.get_mut(id) else { return };
                let Some(agent) = tenant.agents.get_mut(name) else { return };
                if policy.or(agent.spec.deletion_policy) == Some(DeletionPolicy::Retain) {
                    release(agent);
                } else {
                    tenant.agents.remove(name);
                }
            }
            Place::Mcp(id, name) => drop(self.agent_mut(id, name).map(|agent| agent.spec.mcp = None)),
            Place::Suspension(..) => {}
        }
    }
}

/// Keeps the root key, and nothing that gives access.
fn release(agent: &mut AgentRecord) {
    agent.owner = None;
    agent.spec.keys.clear();
    agent.spec.mcp = None;
    agent.spec.suspended = true;
}

fn check_owner(owner: Option<&Option<Owner>>, writer: &Writer) -> Result<(), Reason> {
    match owner {
        None if writer.if_owned => Err(Reason::NotFound),
        None => Ok(()),
        Some(None) if writer.if_owned => Err(Reason::OwnerConflict),
        Some(None) => Ok(()),
        Some(Some(owner)) if *owner == writer.owner => Ok(()),
        Some(former) if !writer.if_owned && *former == writer.former_owner => Ok(()),
        Some(Some(_)) => Err(Reason::OwnerConflict),
    }
}

fn read<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Reason> {
    serde_json::from_value(body).map_err(|_| Reason::InvalidParams)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn writer(uid: &str) -> Writer {
        Writer::object(uid, None)
    }

    fn put(volume: &mut RelayVolume, path: &str, uid: &str) -> Result<(), Reason> {
        volume.write(path, &writer(uid), &WriteKind::Put(json!({"suspended": false})))
    }

    const TENANT: &str = "/admin/v1/tenants/acme";
    const AGENT: &str = "/admin/v1/tenants/acme/agents/bob";

    #[test]
    fn an_entry_belongs_to_its_first_writer_until_it_is_handed_over_or_released() {
        let mut volume = RelayVolume::new("one".into());
        assert_eq!(put(&mut volume, AGENT, "b"), Err(Reason::NotFound), "there is no tenant");
        put(&mut volume, TENANT, "a").unwrap();
        put(&mut volume, AGENT, "b").unwrap();
        assert_eq!(put(&mut volume, AGENT, "thief"), Err(Reason::OwnerConflict));
        assert_eq!(
            volume.write(AGENT, &writer("thief"), &WriteKind::Delete(None)),
            Err(Reason::OwnerConflict)
        );
        let heir = Writer { former_owner: Some(Owner::Kubernetes("b".into())), ..writer("c") };
        volume.write(AGENT, &heir, &WriteKind::Put(json!({}))).unwrap();
        volume.write(AGENT, &writer("c"), &WriteKind::Delete(Some(DeletionPolicy::Retain))).unwrap();
        assert!(!volume.admits("acme", "bob"));
        put(&mut volume, AGENT, "d").unwrap();
        assert_eq!(volume.agent("acme", "bob").unwrap().owner, Some(Owner::Kubernetes("d".into())));
    }

    #[test]
    fn a_former_leader_and_a_write_that_must_not_create_are_refused() {
        let mut volume = RelayVolume::new("one".into());
        let term = |transitions| Some(Term { lease_created: 1, transitions });
        let put = WriteKind::Put(json!({}));
        volume.write(TENANT, &Writer::object("a", term(2)), &put).unwrap();
        assert_eq!(volume.write(TENANT, &Writer::object("a", term(1)), &put), Err(Reason::StaleTerm));
        volume.write(TENANT, &Writer::object("a", None), &put).unwrap();
        let owned = Writer { if_owned: true, ..writer("b") };
        assert_eq!(volume.write(AGENT, &owned, &put), Err(Reason::NotFound));
        assert_eq!(volume.write(TENANT, &owned, &put), Err(Reason::OwnerConflict));
    }

    #[test]
    fn the_same_write_again_is_the_same_version() {
        let mut volume = RelayVolume::new("one".into());
        put(&mut volume, TENANT, "a").unwrap();
        let version = volume.version;
        put(&mut volume, TENANT, "a").unwrap();
        assert_eq!(volume.version, version);
    }
}
