//! Summaries of all objects and relays, for people who look for the cause of a violation.

use serde_json::Value;

use super::Simulation;

/// Writes to relays that are shown.
const APPLIED_SHOWN: usize = 30;

/// One line for each object of the operator's kinds, one for each entry of a relay, and one for
/// each of the last writes to relays.
pub(crate) fn summary(simulation: &Simulation) -> Vec<String> {
    let mut lines = simulation.cluster.server.with(|store| {
        let kinds = ["Relay", "Tenant", "Agent"];
        let found = store.all().filter(|(id, _)| kinds.contains(&id.kind.kind));
        found.map(|(id, object)| format!("{id}: {}", object_summary(object))).collect::<Vec<_>>()
    });
    simulation.cluster.relays.with(|state| {
        for (name, relay) in &state.relays {
            let Some(volume) = state.volume_of(name) else { continue };
            lines.push(format!(
                "relay {name} at {:?} has {} version {}",
                relay.address, volume.instance, volume.version
            ));
            for (tenant, record) in &volume.tenants {
                lines.push(format!("  {tenant} of {:?} suspended {}", record.owner, record.spec.suspended));
                for (agent, record) in &record.agents {
                    let keys: Vec<_> =
                        record.spec.keys.iter().map(|key| key.sha256.key_id().to_string()).collect();
                    lines.push(format!(
                        "    {agent} of {:?} suspended {} keys {keys:?}",
                        record.owner, record.spec.suspended
                    ));
                }
            }
        }
        let last = state.applied.len().saturating_sub(APPLIED_SHOWN);
        lines.extend(state.applied[last..].iter().map(|write| {
            let (ago, owner) = (write.at.elapsed().as_secs(), &write.writer.owner);
            format!("{ago} s ago {owner} at {}: {:?} {}", write.relay, write.kind, write.path)
        }));
    });
    lines
}

fn object_summary(object: &Value) -> String {
    let metadata = &object["metadata"];
    let conditions: Vec<String> = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            format!(
                "{}={} {} ({})",
                condition["type"], condition["status"], condition["reason"], condition["message"]
            )
        })
        .collect();
    format!(
        "uid {} generation {} observed {} finalizers {} deleted {} suspend {} keys {} {}",
        metadata["uid"],
        metadata["generation"],
        object["status"]["observedGeneration"],
        metadata["finalizers"],
        metadata["deletionTimestamp"],
        object["spec"]["suspend"],
        object["status"]["keys"],
        conditions.join(" "),
    )
}
