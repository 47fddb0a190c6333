//! The settings file that the operator writes and the settings that the relay reads have the same
//! names.
//!
//! The operator does not depend on the relay, so no type connects them. This test gives the
//! operator's file for a Relay with every field to the relay's program.

use std::process::Command;

use crds::{Relay, fixtures};
use devtools::{command, programs};
use kube::CustomResourceExt as _;
use operator::relay::build;
use toml::{Table, Value};

/// The settings file of a fixture.
fn settings_file(fixture: &str) -> Table {
    let fixtures = fixtures::load().unwrap();
    let manifest = fixtures.into_iter().find(|found| found.name == fixture).unwrap().versions.remove(0);
    let relay: Relay = serde_json::from_value(manifest).unwrap();
    let data = build::config_map(&relay, "cluster.local").unwrap().data.unwrap();
    data.into_values().next().unwrap().parse().unwrap()
}

/// What the relay's program makes of the file.
fn effective_settings(file: &Table) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.toml");
    std::fs::write(&path, file.to_string()).unwrap();
    let mut relay = Command::new(programs::path("msg2agent-relay").unwrap());
    relay.arg("--config").arg(&path).arg("--print-config").env_clear();
    command::output_of(&mut relay).unwrap().parse().unwrap()
}

/// Paths of the settings in `file` that have another value in `effective`, or none.
fn differences(file: &Table, effective: &Table, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in file {
        let path = format!("{path}{name}");
        match (value, effective.get(name)) {
            (Value::Table(inner), Some(Value::Table(effective))) => {
                found.extend(differences(inner, effective, &format!("{path}.")));
            }
            (value, Some(effective)) if value == effective => {}
            (value, effective) => found.push(format!("{path} is {value}, and the relay has {effective:?}")),
        }
    }
    found
}

#[test]
fn the_relay_takes_every_setting_that_the_operator_writes() {
    for fixture in ["relay-minimal", "relay-full"] {
        let mut file = settings_file(fixture);
        // A pinned relay may be older. Here every setting has to be known.
        assert_eq!(file.remove("ignore_unknown"), Some(Value::Boolean(true)));
        let found = differences(&file, &effective_settings(&file), "");
        assert!(found.is_empty(), "{fixture}: {found:#?}");
    }
    assert_eq!(settings_file("relay-full")["limits"].as_table().unwrap().len(), 16, "every limit is set");
    assert!(
        settings_file("relay-full")["oauth"].as_table().unwrap().len() >= 9,
        "the fixture sets every field"
    );
}

/// The default of every limit, as the definition of the Relay describes it, by the relay's name.
fn described_defaults() -> Table {
    let definition = serde_json::to_value(Relay::crd()).unwrap();
    let spec = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
    let limits = spec.unwrap().pointer("/limits/properties").unwrap().as_object().unwrap().clone();
    let described = limits.into_iter().map(|(name, limit)| {
        let words: Vec<_> = limit["description"].as_str().unwrap().split_whitespace().collect();
        let text = words.join(" ");
        let after = text.split("Defaults to ").nth(1).unwrap_or_else(|| panic!("{name}: {text}"));
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        let name = name.chars().flat_map(|letter| {
            let word_begins = letter.is_ascii_uppercase().then_some('_');
            word_begins.into_iter().chain([letter.to_ascii_lowercase()])
        });
        (name.collect(), Value::Integer(digits.parse().unwrap()))
    });
    described.collect()
}

#[test]
fn the_defaults_that_the_definition_describes_are_those_of_the_relay() {
    let described = described_defaults();
    assert_eq!(described.len(), 16);
    let effective = effective_settings(&settings_file("relay-minimal"));
    let found = differences(&described, effective["limits"].as_table().unwrap(), "limits.");
    assert!(found.is_empty(), "{found:#?}");
}
