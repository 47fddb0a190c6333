//! Acts as the people who run the cluster and its relays: they delete namespaces, pause objects,
//! lose Secrets and objects, make entries by hand, and confirm what the operator does not decide
//! alone.

use crds::label;
use protocol::admin::{AgentKey, AgentSpec, Owner, TenantSpec};
use protocol::api_key::KeyHash;
use rand::RngExt;
use serde_json::{Value, json};

use super::Simulation;
use super::user_actions::{AGENT_NAMES, STRANGERS, TEAMS};
use crate::simulator::api_server::model_kind::ModelKind;
use crate::simulator::api_server::object_store::ObjectId;
use crate::simulator::checks::has_reason;
use crate::simulator::model_relay::{AgentRecord, TenantRecord};

/// Agents whose objects are lost at once. The operator removes up to 50 without asking.
const LOST_AGENTS: usize = 55;
/// Entries at the relay that have no object then: the agents and their tenant.
pub(crate) const LOST_ENTRIES: usize = LOST_AGENTS + 1;
/// The uids of lost objects begin with this.
pub(crate) const LOST_UID_PREFIX: &str = "lost-";
/// Secrets of the operator that somebody may delete.
const SECRET_KINDS: [&str; 8] = [
    label::SECRET_CREDENTIALS,
    label::SECRET_IDENTITY,
    label::SECRET_CA,
    label::SECRET_ENDPOINT_CA,
    label::SECRET_SERVING,
    label::SECRET_ADMIN,
    label::SECRET_OAUTH_KEYS,
    label::SECRET_INVITATION,
];

impl Simulation {
    pub(super) fn act_on_platform(&mut self) {
        match self.rng.random_range(0..12) {
            0 => self.replace_namespace(),
            1..=3 => self.toggle_pause(),
            4..=6 => {
                let kind = SECRET_KINDS[self.rng.random_range(0..SECRET_KINDS.len())];
                self.delete_secret(kind);
            }
            7 | 8 => self.sign_up(),
            9 => self.make_tenant_by_hand(),
            10 if self.rng.random_bool(0.3) => self.lose_objects(),
            _ => self.confirm_too_few_removals(),
        }
    }

    /// Deletes a namespace, or creates one again that is gone.
    fn replace_namespace(&mut self) {
        let names = [TEAMS[0], TEAMS[1], STRANGERS];
        let name = names[self.rng.random_range(0..names.len())];
        let id = ObjectId::new(ModelKind::named("Namespace"), "", name);
        match self.find(&id) {
            Some(_) => self.delete(&id, "Background"),
            None => {
                let labels = if TEAMS.contains(&name) { json!({"relay": "yes"}) } else { json!({}) };
                self.create("Namespace", "", json!({"metadata": {"name": name, "labels": labels}}));
            }
        }
    }

    fn toggle_pause(&mut self) {
        let kind = ["Agent", "Agent", "Tenant", "Relay"][self.rng.random_range(0..4)];
        let Some(id) = self.random_id(kind) else { return };
        let is_paused = self.find(&id).is_some_and(|found| is_paused(&found));
        self.set_paused(&id, !is_paused);
    }

    pub(super) fn set_paused(&mut self, id: &ObjectId, is_paused: bool) {
        let value = if is_paused { "true".into() } else { Value::Null };
        self.edit(id, &format!("paused: {is_paused}"), |object| {
            let annotations = &mut object["metadata"]["annotations"];
            match value {
                Value::Null => drop(annotations.as_object_mut().map(|found| found.remove(label::PAUSED))),
                value => annotations[label::PAUSED] = value,
            }
        });
    }

    pub(super) fn end_pauses(&mut self) {
        for kind in ["Relay", "Tenant", "Agent"] {
            for id in self.ids(kind) {
                if self.find(&id).is_some_and(|found| is_paused(&found)) {
                    self.set_paused(&id, false);
                }
            }
        }
    }

    /// An agent registers itself with an API key of its tenant, or a person makes one. The relay
    /// takes no name that somebody has.
    fn sign_up(&mut self) {
        let names = [AGENT_NAMES[self.rng.random_range(0..AGENT_NAMES.len())], "guest"];
        let name = names[self.rng.random_range(0..2)];
        let owner = [Owner::Registration, Owner::CommandLine][self.rng.random_range(0..2)].clone();
        let Some(relay) = self.random(&self.relay_names()) else { return };
        let choice = self.rng.random_range(0..4);
        let made = self.cluster.relays.with(|state| {
            let claim = state.relays[&relay].claim.clone();
            let volume = state.volume(&claim);
            let tenant = volume.tenants.keys().nth(choice).cloned()?;
            let record = AgentRecord { owner: Some(owner.clone()), spec: agent_with_key(name.len()) };
            volume.add_agent(&tenant, &name.parse().unwrap(), record).then_some(tenant)
        });
        if let Some(tenant) = made {
            self.note(format!("{owner} makes {name} in {tenant} at {relay}"));
        }
    }

    /// A person makes a tenant with one agent at a relay, perhaps under an id that objects claim.
    fn make_tenant_by_hand(&mut self) {
        let Some(relay) = self.random(&self.relay_names()) else { return };
        let id = ["people", "tenant-0", "tenant-1"][self.rng.random_range(0..3)];
        let made = self.cluster.relays.with(|state| {
            let claim = state.relays[&relay].claim.clone();
            let volume = state.volume(&claim);
            let is_made = volume.add_tenant(&id.parse().unwrap(), tenant_of(Owner::CommandLine));
            let guest = AgentRecord { owner: Some(Owner::CommandLine), spec: agent_with_key(1) };
            is_made && volume.add_agent(&id.parse().unwrap(), &"guest".parse().unwrap(), guest)
        });
        if made {
            self.note(format!("a person makes the tenant {id} at {relay}"));
        }
    }

    /// Most objects of a relay are gone without a trace, as after a wrong restore of the cluster.
    fn lose_objects(&mut self) {
        let Some(relay) = self.random(&self.relay_names()) else { return };
        let number = self.next_number();
        self.note(format!("{LOST_AGENTS} agents at {relay} have lost their objects"));
        self.cluster.relays.with(|state| {
            let claim = state.relays[&relay].claim.clone();
            let volume = state.volume(&claim);
            let tenant = format!("lost-{number}").parse().unwrap();
            let owner = |name: &str| Owner::Kubernetes(format!("{LOST_UID_PREFIX}{number}-{name}"));
            volume.add_tenant(&tenant, tenant_of(owner("tenant")));
            for agent in 0..LOST_AGENTS {
                let name = format!("agent-{agent}");
                let record = AgentRecord { owner: Some(owner(&name)), spec: agent_with_key(agent) };
                volume.add_agent(&tenant, &name.parse().unwrap(), record);
            }
        });
    }

    /// Confirms the removal of fewer entries than there are.
    fn confirm_too_few_removals(&mut self) {
        let Some(id) = self.random_id("Relay") else { return };
        if self.find(&id).is_some_and(|relay| confirmed_removals(&relay).is_none()) {
            self.annotate(&id, label::CONFIRM_REMOVAL, "1");
        }
    }

    fn annotate(&mut self, id: &ObjectId, annotation: &str, value: &str) {
        self.edit(id, &format!("{annotation}: {value}"), |object| {
            object["metadata"]["annotations"][annotation] = value.into();
        });
    }

    /// Confirms everything that waits for a person.
    pub(super) fn confirm_all(&mut self) {
        for id in self.ids("Agent") {
            self.confirm_loss(&id, "IdentityLost", "rootKeyMultibase", label::CONFIRM_NEW_IDENTITY);
        }
        for id in self.ids("Relay") {
            self.confirm_loss(&id, "AuthorityLost", "caFingerprint", label::CONFIRM_NEW_AUTHORITY);
            self.confirm_removal(&id);
        }
    }

    /// Confirms that what a status records may be replaced.
    fn confirm_loss(&mut self, id: &ObjectId, reason: &str, record: &str, annotation: &str) {
        let Some(object) = self.find(id) else { return };
        let lost = object["status"][record].as_str().unwrap_or_default();
        if has_reason(&object, reason) && object["metadata"]["annotations"][annotation] != lost {
            self.annotate(id, annotation, lost);
        }
    }

    fn confirm_removal(&mut self, id: &ObjectId) {
        let Some(relay) = self.find(id) else { return };
        let unclaimed = relay["status"]["unclaimed"].as_u64().unwrap_or_default();
        let confirmed = confirmed_removals(&relay).unwrap_or_default();
        if has_reason(&relay, "RemovalBlocked") && confirmed != unclaimed {
            self.annotate(id, label::CONFIRM_REMOVAL, &unclaimed.to_string());
        }
    }
}

fn is_paused(object: &Value) -> bool {
    object["metadata"]["annotations"][label::PAUSED] == "true"
}

fn confirmed_removals(relay: &Value) -> Option<u64> {
    relay["metadata"]["annotations"][label::CONFIRM_REMOVAL].as_str()?.parse().ok()
}

fn tenant_of(owner: Owner) -> TenantRecord {
    TenantRecord {
        owner: Some(owner),
        spec: TenantSpec::default(),
        agents: std::collections::BTreeMap::new(),
        invitations: std::collections::BTreeMap::new(),
    }
}

/// The content of an agent that nobody declared, with one key.
fn agent_with_key(number: usize) -> AgentSpec {
    let sha256 = KeyHash::sha256(&number.to_string());
    AgentSpec { keys: vec![AgentKey { sha256, not_after: None }], ..AgentSpec::default() }
}
