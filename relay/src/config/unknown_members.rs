//! Finds members of the settings file that this version does not know.
//!
//! They stop the start, unless the file says that it may be newer than the relay: a control plane
//! writes one file for relays of its own version and of the one before.

use clap::{Args as _, Command};
use toml::{Table, Value};

use super::Layer;

/// The member with which a file says that unknown ones are ignored.
const IGNORE_UNKNOWN: &str = "ignore_unknown";
/// Tables of the file, and how the flags of their members begin.
const TABLES: [(&str, &str); 3] = [("tls", "tls_"), ("oauth", "oauth_"), ("limits", "limit_")];

/// Removes the unknown members if the file allows it, and returns their names.
pub(super) fn remove(file: &mut Table) -> Vec<String> {
    if file.get(IGNORE_UNKNOWN) != Some(&Value::Boolean(true)) {
        return Vec::new();
    }
    let mut known = known_members();
    known.extend(TABLES.map(|(table, _)| table.to_owned()));
    known.push(IGNORE_UNKNOWN.to_owned());
    let mut removed = Vec::new();
    for (table, _) in TABLES {
        if let Some(Value::Table(members)) = file.get_mut(table) {
            retain(members, &mut removed, |name| format!("{table}.{name}"), &known);
        }
    }
    retain(file, &mut removed, str::to_owned, &known);
    removed
}

fn retain(
    table: &mut Table,
    removed: &mut Vec<String>,
    full_name: impl Fn(&str) -> String,
    known: &[String],
) {
    table.retain(|name, _| {
        let name = full_name(name);
        let keep = known.contains(&name);
        if !keep {
            removed.push(name);
        }
        keep
    });
}

/// Every member, with its table. Each has a flag of the same name.
fn known_members() -> Vec<String> {
    let command = Layer::augment_args(Command::new("settings"));
    let flags = command.get_arguments().filter_map(|argument| argument.get_long());
    flags.map(|flag| member(&flag.replace('-', "_"))).collect()
}

fn member(flag: &str) -> String {
    let in_table = TABLES.iter().find_map(|(table, prefix)| Some((table, flag.strip_prefix(prefix)?)));
    in_table.map_or_else(|| flag.to_owned(), |(table, name)| format!("{table}.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    fn removed(text: &str) -> (Vec<String>, Table) {
        let mut file: Table = text.parse().unwrap();
        (remove(&mut file), file)
    }

    #[test]
    fn a_newer_file_is_read_without_what_is_new_in_it() {
        let newer = "ignore_unknown = true\nlog_filter = \"warn\"\nshards = 4\n\
                     [tls]\nciphers = \"x\"\ncert_file = \"a\"\n[limits]\nagents = 5\nthreads = 1\n[new]\na = 1\n";
        let (names, file) = removed(newer);
        assert_eq!(names, ["tls.ciphers", "limits.threads", "new", "shards"]);
        let layer: Layer = file.try_into().unwrap();
        assert_eq!((layer.limits.agents, layer.log_filter.as_deref()), (Some(5), Some("warn")));
    }

    #[test]
    fn a_file_that_does_not_say_so_keeps_its_unknown_members() {
        for text in ["shards = 4", "ignore_unknown = false\nshards = 4"] {
            assert_eq!(removed(text).0, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn every_setting_is_a_known_member() {
        let known = known_members();
        for name in toml::Table::try_from(Limits::default()).unwrap().keys() {
            assert!(known.contains(&format!("limits.{name}")), "{name}");
        }
        for name in ["listen", "health_listen", "tls.key_file", "oauth.gateway_url", "drain_timeout_seconds"]
        {
            assert!(known.iter().any(|found| found == name), "{name}");
        }
    }
}
