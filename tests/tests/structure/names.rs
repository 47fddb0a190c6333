//! Bans names of modules and types that say nothing or are figures of speech, and one of the two
//! file layouts.

use std::path::Path;

use crate::public_types::public_types;
use crate::workspace::rust_files;

/// Words that fit every module.
const EMPTY: [&str; 13] = [
    "common",
    "generic",
    "helper",
    "helpers",
    "manager",
    "misc",
    "mod",
    "shared_types",
    "stuff",
    "types",
    "util",
    "utils",
    "various",
];

/// Figures of speech. The word in the comment is one that a stranger would search for.
const FIGURES: [&str; 22] = [
    "board",        // single_flight
    "cast",         // fixtures, agents
    "demand",       // required_scopes
    "desk",         // driver
    "door",         // proxy, port_forward
    "doors",        // as above
    "fleet",        // replicas
    "flights",      // single_flight
    "gate",         // accepted_keys
    "journal",      // pending_writes
    "known",        // cache
    "ledger",       // dedup, ack_tracker
    "mark",         // fingerprint
    "offer",        // choices
    "place",        // slot, resolved
    "refused",      // rejection
    "ring",         // key_rotation
    "roster",       // table
    "standing",     // validity, session_state
    "story",        // lifecycle
    "surroundings", // environment, mounts
    "world",        // caches, scenario
];

/// Figures of speech that are banned as the whole name of a type; in a longer name they may be the
/// plain word.
const TYPE_FIGURES: [&str; 7] = ["Desk", "Door", "Fleet", "Gate", "Ledger", "Roster", "Tally"];

#[test]
fn no_public_type_is_a_figure_of_speech() {
    let bad: Vec<_> = rust_files()
        .iter()
        .flat_map(|(path, text)| public_types(text).into_iter().map(move |name| (path, name)))
        .filter(|(_, name)| TYPE_FIGURES.contains(&name.as_str()))
        .map(|(path, name)| format!("{name} in {}", path.display()))
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn every_module_says_what_it_holds() {
    let bad: Vec<_> = rust_files()
        .into_keys()
        .filter(|path| {
            let names = [path.file_stem(), path.parent().and_then(Path::file_name)];
            names.iter().flatten().any(|name| is_banned(&name.to_string_lossy()))
        })
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

fn is_banned(name: &str) -> bool {
    EMPTY.contains(&name) || FIGURES.contains(&name)
}
