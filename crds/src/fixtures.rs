//! Loads the manifests in `crds/fixtures`: those that the API server accepts, and those that it
//! refuses.
//!
//! A file holds one or more versions of one object, which are applied in order. In `refused/`, the
//! last version is refused and the versions before it are accepted. The first line of such a file
//! is a part of the refusal's message. The tests here use the fixtures, and the suite that applies
//! them to a real API server.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize as _;

/// One file of manifests.
#[derive(Debug, Clone)]
pub struct Fixture {
    pub name: String,
    /// Versions of the object, oldest first.
    pub versions: Vec<serde_json::Value>,
    /// A part of the refusal's message. `None` when every version is accepted.
    pub refusal: Option<String>,
}

/// Loads all fixtures, sorted by name.
///
/// # Errors
/// An unreadable file, malformed YAML, or a refused manifest without its message.
pub fn load() -> anyhow::Result<Vec<Fixture>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut fixtures = Vec::new();
    for (kind, refused) in [("accepted", false), ("refused", true)] {
        for entry in std::fs::read_dir(folder.join(kind)).context("failed to read the fixtures")? {
            fixtures.push(read(entry?.path(), refused)?);
        }
    }
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(fixtures)
}

fn read(path: PathBuf, refused: bool) -> anyhow::Result<Fixture> {
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
    let message = text.lines().next().and_then(|line| line.strip_prefix("# refused: ")).map(str::to_owned);
    anyhow::ensure!(
        refused == message.is_some(),
        "{name}: only refused manifests start with `# refused: <message>`, and all of them do"
    );
    let versions = serde_yaml_ng::Deserializer::from_str(&text)
        .map(serde_json::Value::deserialize)
        .collect::<Result<_, _>>()
        .with_context(|| format!("failed to parse {}", path.display()))?;
    Ok(Fixture { name, versions, refusal: message })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of all rules in a schema.
    fn messages(schema: &serde_json::Value, into: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(members) => {
                for rule in
                    members.get("x-kubernetes-validations").and_then(|r| r.as_array()).into_iter().flatten()
                {
                    into.push(rule["message"].as_str().expect("every rule has a message").to_owned());
                }
                members.values().for_each(|value| messages(value, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| messages(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_rule_has_a_manifest_that_it_refuses() {
        let fixtures = load().unwrap();
        for crd in crate::definitions() {
            let mut rules = Vec::new();
            messages(&serde_json::to_value(&crd.spec.versions[0].schema).unwrap(), &mut rules);
            assert!(!rules.is_empty());
            for rule in rules {
                let covered = fixtures.iter().any(|f| {
                    f.versions[0]["kind"] == crd.spec.names.kind.as_str()
                        && f.refusal.as_ref().is_some_and(|r| rule.contains(r.as_str()))
                });
                assert!(covered, "{}: no refused manifest for `{rule}`", crd.spec.names.kind);
            }
        }
    }

    #[test]
    fn accepted_manifests_deserialize_into_the_types() {
        for fixture in load().unwrap().into_iter().filter(|f| f.refusal.is_none()) {
            for version in fixture.versions {
                let read = match version["kind"].as_str() {
                    Some("Relay") => serde_json::from_value::<crate::Relay>(version).map(drop),
                    Some("Tenant") => serde_json::from_value::<crate::Tenant>(version).map(drop),
                    _ => serde_json::from_value::<crate::Agent>(version).map(drop),
                };
                read.unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
            }
        }
    }

    /// Paths of members in `manifest` that `read` does not have.
    fn unknown_members(manifest: &serde_json::Value, read: &serde_json::Value, path: &str) -> Vec<String> {
        let below = |key: &str, value, found: Option<&serde_json::Value>| match found {
            Some(found) => unknown_members(value, found, &format!("{path}.{key}")),
            None => vec![format!("{path}.{key}")],
        };
        match manifest {
            serde_json::Value::Object(members) => {
                members.iter().flat_map(|(key, value)| below(key, value, read.get(key))).collect()
            }
            serde_json::Value::Array(items) => {
                let items = items.iter().enumerate();
                items.flat_map(|(at, value)| below(&at.to_string(), value, read.get(at))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The documents of all examples, each with the name of its file.
    fn examples() -> Vec<(String, serde_json::Value)> {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
        let mut manifests = Vec::new();
        for name in ["quickstart.yaml", "production.yaml"] {
            let text = std::fs::read_to_string(format!("{examples}/{name}")).unwrap();
            for document in serde_yaml_ng::Deserializer::from_str(&text) {
                manifests.push((name.to_owned(), serde_json::Value::deserialize(document).unwrap()));
            }
        }
        manifests
    }

    /// Every address in such a network chooses the address that it is counted under.
    #[test]
    fn examples_trust_the_addresses_of_proxies_and_no_whole_network_of_pods() {
        let mut found = 0;
        for (name, manifest) in examples() {
            for network in manifest["spec"]["oauth"]["trustedProxies"].as_array().into_iter().flatten() {
                let (_, bits) = network.as_str().unwrap().split_once('/').unwrap();
                assert!(bits.parse::<u8>().unwrap() >= 28, "{name}: {network}");
                found += 1;
            }
        }
        assert!(found > 0);
    }

    #[test]
    fn examples_and_full_fixtures_have_no_member_that_the_types_do_not_know() {
        let mut manifests = examples();
        manifests.retain(|(_, manifest)| manifest["apiVersion"] == "msg2agent.xyz/v1alpha1");
        assert!(manifests.len() >= 7, "the examples have Relays, Tenants and Agents");
        // A member that has its default may be left out when it is written, so others are not read.
        for fixture in load().unwrap().into_iter().filter(|fixture| fixture.name.ends_with("-full")) {
            manifests.extend(fixture.versions.into_iter().map(|version| (fixture.name.clone(), version)));
        }
        for (name, manifest) in manifests {
            let spec = manifest["spec"].clone();
            let read = match manifest["kind"].as_str() {
                Some("Relay") => {
                    serde_json::to_value(serde_json::from_value::<crate::RelaySpec>(spec).unwrap())
                }
                Some("Tenant") => {
                    serde_json::to_value(serde_json::from_value::<crate::TenantSpec>(spec).unwrap())
                }
                _ => serde_json::to_value(serde_json::from_value::<crate::AgentSpec>(spec).unwrap()),
            };
            let found = unknown_members(&manifest["spec"], &read.unwrap(), "spec");
            assert!(found.is_empty(), "{name}: {found:?}");
        }
    }

    #[test]
    fn reserved_names_are_those_of_the_protocol() {
        let text = serde_json::to_string(&crate::definitions()).unwrap();
        let list = |names: &[&str]| {
            format!("[{}]", names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", "))
        };
        let (tenants, agents) =
            (list(&protocol::did::RESERVED_NAMES[1..]), list(&protocol::did::RESERVED_NAMES));
        assert_eq!(
            protocol::did::RESERVED_NAMES[0],
            "default",
            "a tenant may be called default, an agent may not"
        );
        assert_eq!(text.matches(&tenants).count(), 2);
        assert_eq!(text.matches(&agents).count(), 2);
    }
}
