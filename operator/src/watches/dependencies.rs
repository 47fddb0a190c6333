//! The table of dependencies between objects: which field of a kind other objects read, and which
//! objects those are.
//!
//! A field without an entry wakes nobody but its own object. A test checks that every field of a
//! spec has an entry or is named as one that nobody reads.

use crate::object_key::Kind;

/// A part of an object that others may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Field {
    /// The object appeared.
    Created,
    /// The object is gone.
    Deleted,
    /// Its deletion began.
    Deleting,
    /// The condition `Accepted`.
    Accepted,
    /// A pause of the object ended. What depends on it was decided although its status did not
    /// change.
    Resumed,
    /// The number of Agents in the status of a Tenant.
    AgentCount,
    /// A field of the spec, as a JSON pointer.
    Spec(&'static str),
}

/// The objects that depend on a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dependents {
    /// The Tenants of a Relay.
    Tenants,
    /// The Tenants of a Relay for which the change grants or takes consent.
    TenantsByConsent,
    /// The Agents of a Tenant, or of all Tenants of a Relay.
    Agents,
    /// The Agents of a Tenant for which the change grants or takes consent, or those of the
    /// [`Dependents::TenantsByConsent`] of a Relay.
    AgentsByConsent,
    /// The Agents of a Tenant that a changed list of people names.
    AgentsOfPeople,
    /// The Agents of the same Tenant that are not accepted, if the Tenant has a limit.
    RefusedAgents,
    /// Other objects that claim the same name.
    OtherClaimants,
    /// The Tenant of an Agent or the Relay of a Tenant, whose status counts its referrers.
    Referent,
}

/// One edge of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub kind: Kind,
    pub field: Field,
    pub dependents: &'static [Dependents],
}

const fn edge(kind: Kind, field: Field, dependents: &'static [Dependents]) -> Edge {
    Edge { kind, field, dependents }
}

/// All edges.
pub(super) const EDGES: &[Edge] = {
    use Dependents::{
        Agents, AgentsByConsent, AgentsOfPeople, OtherClaimants, Referent, RefusedAgents, Tenants,
        TenantsByConsent,
    };
    use Field::{Accepted, AgentCount, Created, Deleted, Deleting, Resumed, Spec};
    &[
        edge(Kind::Relay, Created, &[Tenants, Agents]),
        edge(Kind::Relay, Deleted, &[Tenants, Agents]),
        edge(Kind::Relay, Spec("/domain"), &[Agents]),
        edge(Kind::Relay, Spec("/tenants"), &[TenantsByConsent, AgentsByConsent]),
        edge(Kind::Relay, Spec("/oauth"), &[Agents]),
        edge(Kind::Relay, Spec("/gateway"), &[Agents]),
        edge(Kind::Relay, Spec("/publicHosts"), &[Agents]),
        edge(Kind::Tenant, Created, &[OtherClaimants, Agents, Referent]),
        edge(Kind::Tenant, Deleted, &[OtherClaimants, Agents, Referent]),
        edge(Kind::Tenant, Deleting, &[OtherClaimants, Agents]),
        edge(Kind::Tenant, Accepted, &[OtherClaimants, Agents, Referent]),
        edge(Kind::Tenant, Resumed, &[OtherClaimants, Agents]),
        edge(Kind::Tenant, AgentCount, &[Referent]),
        edge(Kind::Tenant, Spec("/relayRef"), &[OtherClaimants, Agents, Referent]),
        edge(Kind::Tenant, Spec("/tenantId"), &[OtherClaimants, Agents]),
        edge(Kind::Tenant, Spec("/agents/allowedFrom"), &[AgentsByConsent]),
        edge(Kind::Tenant, Spec("/agents/max"), &[Agents]),
        edge(Kind::Tenant, Spec("/people"), &[AgentsOfPeople]),
        edge(Kind::Tenant, Spec("/suspend"), &[Agents]),
        edge(Kind::Agent, Created, &[OtherClaimants, Referent]),
        edge(Kind::Agent, Deleted, &[OtherClaimants, RefusedAgents, Referent]),
        edge(Kind::Agent, Deleting, &[OtherClaimants, RefusedAgents]),
        edge(Kind::Agent, Accepted, &[OtherClaimants, RefusedAgents, Referent]),
        edge(Kind::Agent, Resumed, &[OtherClaimants]),
        edge(Kind::Agent, Spec("/tenantRef"), &[OtherClaimants, RefusedAgents, Referent]),
        edge(Kind::Agent, Spec("/handle"), &[OtherClaimants, Referent]),
        // The Secrets of invitations name the URL of the endpoint.
        edge(Kind::Agent, Spec("/mcp"), &[Referent]),
    ]
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crds::{Agent, Relay, Tenant};
    use kube::CustomResourceExt as _;

    use super::*;

    /// Fields of specs that no other object reads.
    const READ_BY_NOBODY_ELSE: [(Kind, &[&str]); 3] = [
        (
            Kind::Relay,
            &[
                "drainTimeout",
                "image",
                "limits",
                "logFilter",
                "networkPolicy",
                "otlpEndpoint",
                "store",
                "template",
            ],
        ),
        (Kind::Tenant, &["deletionPolicy", "displayName", "invitations"]),
        (
            Kind::Agent,
            &[
                "capabilities",
                "credentials",
                "deletionPolicy",
                "description",
                "discovery",
                "displayName",
                "identity",
                "suspend",
            ],
        ),
    ];

    /// The fields of the spec of a kind, from its definition.
    fn fields(kind: Kind) -> BTreeSet<String> {
        let crd = match kind {
            Kind::Relay => Relay::crd(),
            Kind::Tenant => Tenant::crd(),
            Kind::Agent => Agent::crd(),
        };
        let version = serde_json::to_value(&crd.spec.versions[0]).unwrap();
        let spec = version.pointer("/schema/openAPIV3Schema/properties/spec/properties").unwrap();
        spec.as_object().unwrap().keys().cloned().collect()
    }

    fn is_read(kind: Kind, field: &str) -> bool {
        EDGES.iter().any(|edge| {
            let Field::Spec(pointer) = edge.field else { return false };
            edge.kind == kind && pointer.split('/').nth(1) == Some(field)
        })
    }

    #[test]
    fn every_field_of_a_spec_is_read_by_others_or_named_as_one_that_nobody_else_reads() {
        for (kind, unread) in READ_BY_NOBODY_ELSE {
            let fields = fields(kind);
            for field in &fields {
                let is_unread = unread.contains(&field.as_str());
                assert!(is_read(kind, field) != is_unread, "{kind:?}.spec.{field}");
            }
            for field in unread {
                assert!(fields.contains(*field), "{kind:?}.spec.{field} does not exist");
            }
        }
    }

    #[test]
    fn every_pointer_of_the_table_names_a_field() {
        for edge in EDGES {
            let Field::Spec(pointer) = edge.field else { continue };
            let field = pointer.split('/').nth(1).unwrap();
            assert!(fields(edge.kind).contains(field), "{:?}.spec{pointer}", edge.kind);
        }
    }

    #[test]
    fn every_field_has_one_edge_and_every_edge_somebody_who_depends_on_it() {
        let mut seen = BTreeSet::new();
        for edge in EDGES {
            assert!(seen.insert(format!("{:?} {:?}", edge.kind, edge.field)), "{edge:?} is there twice");
            assert!(!edge.dependents.is_empty(), "{edge:?}");
        }
    }
}
